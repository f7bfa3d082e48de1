# SPDX-License-Identifier: MIT
"""pytracemalloc run: a program under the tracer, with a report at its end.

The program is run by the interpreter itself: this process becomes
`python SCRIPT ARGS...`, with -X options that pytracemalloc.pth reads at start. So
nothing of ours is between the interpreter and the program: see docs/design/run.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, field
from typing import NoReturn

from pytracemalloc._startup import (
    NFRAME_MAX,
    NFRAME_WITH_CALLERS,
    RUN_PREFIX,
    wants_output,
    whole_number,
)
from pytracemalloc.cli import CommandError, _arguments

#: Of each block one frame is kept, unless what was asked for needs callers.
NFRAME = 1

DESCRIPTION = """\
Runs a Python program as python itself would, traces every memory allocation, and
reports when it ends: the peak, the end, and the lines that held most of the memory.
"""

EPILOG = """\
examples:
  pytracemalloc run app.py --port 8000
      the lines that held most of the memory at the peak
  pytracemalloc run -n 25 -o app.pb.gz -m package.module
      keep 25 frames of each block and write a snapshot that pprof can open, too
  pytracemalloc run --at end --by file --top 20 --report memory.txt app.py
      what was still there at the end, by file, into memory.txt

The report also comes after an exception, Ctrl-C and SIGTERM. There is none after
os._exit(), exec*() and SIGKILL, which end the program at once, nor for a SIGTERM that
the program handles by itself and does not survive. Forked children are not reported;
with PYTRACEMALLOC_OUTPUT='snap/{pid}.pb.gz' all processes write snapshots.
The exit status is the program's own; 2 if it could not be started.
"""

#: Options that take a value, and those that do not, by all their names.
WITH_VALUE = ("-n", "--nframe", "-o", "--output", "--report", "--at", "--top", "--by")
FLAGS = ("--json", "-h", "--help")


@dataclass(frozen=True)
class Program:
    """`kind` is "script", "-m" or "-c"; `name` the script, module or code."""

    kind: str
    name: str
    arguments: list[str] = field(default_factory=list)

    def words(self) -> list[str]:
        """As python wants it on its command line."""
        if self.kind != "script":
            return [self.kind, self.name, *self.arguments]
        dashes = ["--"] if self.name.startswith("-") and self.name != "-" else []
        return [*dashes, self.name, *self.arguments]


def main(arguments: list[str]) -> int:
    """Does not return when all is well: the process becomes the program's."""
    ours, program = split(arguments)
    options = make_parser().parse_args(ours)
    if program is None:
        raise CommandError(
            "run: what to run is missing: say pytracemalloc run SCRIPT, -m MODULE or "
            "-c CODE"
        )
    start(options, program)
    return 0


def make_parser() -> argparse.ArgumentParser:
    usage = "[options] (SCRIPT | -m MODULE | -c CODE) [ARGS...]"
    parser = _arguments.Parser("run", usage, DESCRIPTION, EPILOG)
    add = parser.add_argument
    add(
        "-n",
        "--nframe",
        type=frames,
        metavar="NFRAME",
        help="frames to keep of each block's stack, the most recent first "
        f"(default: {NFRAME}; {NFRAME_WITH_CALLERS} with -o or --by traceback)",
    )
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="write a snapshot to FILE, a gzipped pprof profile; what FILE held is "
        "replaced at the end",
    )
    add(
        "--report",
        metavar="FILE",
        help="write the report to FILE instead of stderr; - is stdout",
    )
    add(
        "--at",
        choices=("peak", "end"),
        default="peak",
        help="report the memory at its peak (default) or at the end",
    )
    _arguments.add_top(parser)
    add(
        "--by",
        choices=("line", "file", "function", "traceback"),
        default="line",
        help="sum by line (default), file, function or traceback",
    )
    add("--json", action="store_true", help="report as one JSON document")
    return parser


def frames(text: str) -> int:
    nframe = whole_number(text, NFRAME_MAX)
    if not nframe:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of frames from 1 to {NFRAME_MAX}"
        )
    return nframe


def split(words: list[str]) -> tuple[list[str], Program | None]:
    """Our options, and the program, which takes all that follows its name."""
    at = 0
    while at < len(words):
        word, rest = words[at], words[at + 1 :]
        if word[:2] in ("-m", "-c"):
            return words[:at], short_option(word, rest)
        if word == "--":
            return words[:at], Program("script", rest[0], rest[1:]) if rest else None
        if word == "-" or not word.startswith("-"):
            return words[:at], Program("script", word, rest)
        at += 2 if word in WITH_VALUE else 1
    return words, None


def short_option(word: str, rest: list[str]) -> Program:
    """-m MODULE or -mMODULE, -c CODE or -cCODE, as python reads them."""
    if len(word) > 2:
        return Program(word[:2], word[2:], rest)
    if not rest:
        what = "MODULE" if word == "-m" else "CODE"
        raise CommandError(f"run: {word} needs a {what} after it")
    return Program(word, rest[0], rest[1:])


def start(options: argparse.Namespace, program: Program) -> NoReturn:
    """Check all that can be checked, then become the interpreter of the program."""
    from pytracemalloc.cli import _checks, _interpreter

    interpreter_options = _interpreter.options_of(sys.orig_argv)
    _checks.check_program(program.kind, program.name)
    output, report = options.output, {}
    if output is not None:
        output = _checks.output_path(output, "-o")
    if options.report is not None:
        report = _checks.report_options(options.report)
    if output:
        _checks.check_distinct(output, report)
    _checks.check_start_file(interpreter_options)

    ours = {"run": str(options.nframe or default_nframe(options))}
    ours |= {"at": options.at, "by": options.by, "top": str(options.top)}
    ours |= {"output": output} if output else {}
    ours |= report
    ours |= {"json": "1"} if options.json else {}
    switches = [f"-X{RUN_PREFIX}{name}={value}" for name, value in ours.items()]
    become([*switches, *interpreter_options, *program.words()])


def default_nframe(options: argparse.Namespace) -> int:
    environ = {} if sys.flags.ignore_environment else os.environ
    output = options.output or wants_output(environ)
    callers = output or options.by == "traceback"
    return NFRAME_WITH_CALLERS if callers else NFRAME


def become(words: list[str]) -> NoReturn:
    try:
        os.execv(sys.executable, [sys.executable, *words])
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(f"run: cannot start {sys.executable}: {reason}") from None
