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
    from collections.abc import Mapping, MutableMapping
    from typing import NoReturn

NFRAME_MAX = 65535

#: What a snapshot in a file is to hold unless told otherwise.
NFRAME_WITH_CALLERS = 25

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
    install = install_asked(environ)
    output = output_asked(environ)
    if install:
        nframe = take_over_core(nframe)
    if options or output:
        from pytracemalloc import _session

        _session.begin(nframe or NFRAME_WITH_CALLERS, options, output)
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
    nframe = whole_number(value, NFRAME_MAX)
    if nframe is None:
        wanted = f"must be a number of frames from 1 to {NFRAME_MAX}, or 0 for off"
        refuse("PYTRACEMALLOC", value, wanted)
    return nframe


def whole_number(text: str, most: int) -> int | None:
    """What decimal digits say, from 0 to `most`; None if they say no such number."""
    digits = text.lstrip("0") or "0"
    if not (text.isascii() and text.isdigit() and len(digits) <= len(str(most))):
        return None  # int() refuses a text of many digits in words of its own
    return int(digits) if int(digits) <= most else None


def install_asked(environ: "Mapping[str, str]") -> bool:
    """Whether PYTRACEMALLOC_INSTALL asks for the alias of `tracemalloc`."""
    value = environ.get("PYTRACEMALLOC_INSTALL") or "0"
    if value not in ("0", "1"):
        refuse("PYTRACEMALLOC_INSTALL", value, "must be 1, or 0 for off")
    return value == "1"


def wants_output(environ: "Mapping[str, str]") -> bool:
    """Whether PYTRACEMALLOC_OUTPUT is set, and PYTRACEMALLOC does not say off."""
    nframe = environ.get("PYTRACEMALLOC") or "1"
    return bool(environ.get("PYTRACEMALLOC_OUTPUT")) and nframe.strip("0") != ""


def output_asked(environ: "MutableMapping[str, str]") -> str:
    """The path, with its {pid}, of the snapshots to write; "" if there are none."""
    if not wants_output(environ):
        return ""
    from pytracemalloc import _output

    value = environ[_output.VARIABLE]
    try:
        return _output.of_this_process(environ)
    except ValueError as error:
        refuse(_output.VARIABLE, value, str(error))


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


def refuse(name: str, value: str, reason: str) -> "NoReturn":
    """Say what is wrong in one line and end with status 1 before the program starts."""
    shown = ascii(value if len(value) <= 80 else value[:80] + "...")
    line = f"pytracemalloc: {name}={shown}: {ascii(reason)[1:-1]}\n"
    try:
        os.write(2, line.encode())
    except OSError:
        pass
    os._exit(1)
