# SPDX-License-Identifier: MIT
"""The command `pytracemalloc`, also `python -m pytracemalloc`.

Each verb is a module of this package with a function `main(arguments)`, loaded when it
is used. What is wrong with a command line is a CommandError: one line and status 2.
"""

import os
import sys

#: name -> (module, what it does)
VERBS = {
    "run": ("pytracemalloc.cli.run", "run a program and report its memory"),
    "report": ("pytracemalloc.cli.report", "report what a snapshot file holds"),
    "diff": ("pytracemalloc.cli.diff", "tell what grew between two snapshot files"),
    "convert": ("pytracemalloc.cli.convert", "write a snapshot in another format"),
}

USAGE = """\
usage: pytracemalloc [--help] [--version] COMMAND ...

Traces every memory allocation of a Python program, exactly.

commands:
{verbs}

examples:
  pytracemalloc run app.py --port 8000
      run app.py as python would; at its end print what filled the memory at the peak
  pytracemalloc run -n 25 -o app.pb.gz -m package.module
      keep 25 frames of each block and write a snapshot that pprof can open, too
  pytracemalloc run --at end --by file --top 20 app.py
      what was still there at the end, summed by file
  pytracemalloc report --metric peak --by file app.pb.gz
      what a snapshot holds, here by file; several files are added up
  pytracemalloc diff before.pb.gz after.pb.gz
      what grew and what shrank between two snapshots
  pytracemalloc convert app.pb.gz app.speedscope.json
      for speedscope; also collapsed stacks, DHAT, CSV, Parquet, tracemalloc's pickles

`pytracemalloc COMMAND --help` tells the options of a command.
"""


class CommandError(Exception):
    """One line that says what is wrong and what to do; `status` is the exit code."""

    status = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    if arguments is None:
        arguments = sys.argv[1:]
        write_no_snapshot()
    try:
        return dispatch(arguments)
    except CommandError as error:
        complain(str(error))
        return error.status


def write_no_snapshot() -> None:
    """PYTRACEMALLOC_OUTPUT is about programs, not about the command that reads it."""
    session = sys.modules.get("pytracemalloc._session")
    if session is not None:
        session.forget_variable()


def dispatch(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in VERBS:
        from importlib import import_module

        verb = import_module(VERBS[first][0])
        return int(verb.main(arguments[1:]))
    if first in ("-h", "--help"):
        return show(usage())
    if first in ("-V", "--version"):
        from pytracemalloc import __version__

        return show(f"pytracemalloc {__version__}\n")
    raise CommandError(advice(first))


def usage() -> str:
    lines = [f"  {name:<8}  {what}" for name, (_, what) in VERBS.items()]
    return USAGE.format(verbs="\n".join(lines))


def advice(first: str) -> str:
    if not first:
        return "a command is missing: try pytracemalloc run SCRIPT, or --help"
    if os.path.exists(first):
        return f"no command {first!r}: to run it, say pytracemalloc run {first}"
    if first.startswith("-"):
        return f"no option {first}: options of a run come after it; see --help"
    return f"no command {first!r}: there is {', '.join(VERBS)}; see --help"


def show(text: str) -> int:
    """What was asked for goes to stdout; that nobody reads it is no error."""
    if sys.stdout is None:
        raise CommandError("stdout is closed: leave it open, or redirect it to a file")
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except OSError as error:
        # What is still buffered would fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            raise CommandError(
                f"cannot write to stdout: {error.strerror}: redirect it elsewhere"
            ) from None
    return 0


def complain(text: str) -> None:
    from pytracemalloc import _text

    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    line = f"pytracemalloc: {_text.printable(text)}\n"
    data = line.encode(encoding, "backslashreplace")
    try:
        os.write(2, data)  # not by sys.stderr, which would fail once more at exit
    except OSError:
        pass  # closed or full: the exit code tells
