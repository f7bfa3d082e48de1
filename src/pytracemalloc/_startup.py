# SPDX-License-Identifier: MIT
"""What pytracemalloc.pth calls at interpreter start, when it was asked for.

Runs inside `site`, before the program, so it imports built-in modules only. What is
wrong with a variable is said in one line and ends the process: an exception here
would be printed twice and the program would start all the same.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself would cost the program ten milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

NFRAME_MAX = 65535

#: `pytracemalloc run` starts the program's interpreter with -X options of this name:
#: children do not inherit them, and -E and -I do not hide them.
RUN_PREFIX = "pytracemalloc."

#: What an interpreter answers to `-X pytracemalloc.run=probe` if it reads the .pth.
PROBE_STATUS = 86


def begin() -> None:
    """Start tracing as the command line or the environment asks."""
    options = take_run_options()
    if options.get("run") == "probe":
        os._exit(PROBE_STATUS)
    environ = {} if sys.flags.ignore_environment else os.environ
    nframe = int(options["run"]) if options else frames_asked(environ)
    if install_asked(environ):
        nframe = take_over_core(nframe)
    if options:
        from pytracemalloc import _session

        _session.begin(nframe, options)
    elif nframe:
        import pytracemalloc

        pytracemalloc.start(nframe)


def take_run_options() -> dict[str, str]:
    """The options of `pytracemalloc run`, which the program is not to see."""
    names = [name for name in sys._xoptions if name.startswith(RUN_PREFIX)]
    while len(sys.orig_argv) > 1 and sys.orig_argv[1].startswith("-X" + RUN_PREFIX):
        del sys.orig_argv[1]
    return {name[len(RUN_PREFIX) :]: str(sys._xoptions.pop(name)) for name in names}


def frames_asked(environ: "Mapping[str, str]") -> int:
    """The number of frames PYTRACEMALLOC asks for; 0 is off."""
    value = environ.get("PYTRACEMALLOC") or "0"
    if not (value.isascii() and value.isdigit()):
        refuse("PYTRACEMALLOC", value)
    digits = value.lstrip("0") or "0"
    if len(digits) > len(str(NFRAME_MAX)) or int(digits) > NFRAME_MAX:
        refuse("PYTRACEMALLOC", value)
    return int(digits)


def install_asked(environ: "Mapping[str, str]") -> bool:
    """Whether PYTRACEMALLOC_INSTALL asks for the alias of `tracemalloc`."""
    value = environ.get("PYTRACEMALLOC_INSTALL") or "0"
    if value not in ("0", "1"):
        refuse("PYTRACEMALLOC_INSTALL", value)
    return value == "1"


def take_over_core(nframe: int) -> int:
    """Install the alias; what core traces already (PYTHONTRACEMALLOC, -X tracemalloc)
    is stopped, and its limit taken over unless we were given one."""
    import _tracemalloc as core

    import pytracemalloc

    if core.is_tracing():
        nframe = nframe or core.get_traceback_limit()
        core.stop()  # before ours starts: it puts back the allocators it found
    pytracemalloc.install()
    return nframe


def refuse(name: str, value: str) -> "NoReturn":
    """Say what is wrong in one line and end with status 1 before the program starts."""
    if name == "PYTRACEMALLOC":
        wanted = f"a number of frames from 1 to {NFRAME_MAX}, or 0 for off"
    else:
        wanted = "1, or 0 for off"
    shown = ascii(value if len(value) <= 40 else value[:40] + "...")
    try:
        os.write(2, f"pytracemalloc: {name}={shown}: must be {wanted}\n".encode())
    except OSError:
        pass
    os._exit(1)
