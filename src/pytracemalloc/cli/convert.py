# SPDX-License-Identifier: MIT
"""pytracemalloc convert: a snapshot's file in another format.

The target is written whole or not at all. What is wrong with the words, the source or
the target is a CommandError.
"""

from __future__ import annotations

import argparse
import os
import sys

from pytracemalloc import Snapshot, _metric, _whole, convert
from pytracemalloc.cli import CommandError, _arguments

DESCRIPTION = """\
Writes a snapshot in another format. IN is a file by pytracemalloc run -o or
Snapshot.dump(), a pprof profile by another tool, or a pickle by the standard library's
tracemalloc. The suffix of OUT tells the format:

{formats}

OUT may be - for stdout, with -f and a format of text (all but pprof, pickle, parquet).
"""

EPILOG = """\
examples:
  pytracemalloc convert app.pb.gz app.speedscope.json
      open it in speedscope: profiles of what was in use, at the peak, and allocated
  pytracemalloc convert --metric peak app.pb.gz - -f collapsed | flamegraph.pl > app.svg
      a flame graph of the peak
  pytracemalloc convert --by function app.pb.gz app.csv
      a table of functions with live, at-peak and allocated blocks and bytes
  pytracemalloc convert old.pickle app.pb.gz
      a snapshot by the standard library, for pprof
"""


def main(arguments: list[str]) -> int:
    """Status 0; CommandError for all that went wrong."""
    options = make_parser().parse_args(arguments)
    try:
        run(options)
    except ValueError as error:
        raise CommandError(f"convert: {error}") from None
    except OSError as error:
        name = os.fsdecode(error.filename) if error.filename else options.target
        raise CommandError(f"convert: {name}: {error.strerror or error}") from None
    except MemoryError:
        raise CommandError("convert: there is not enough memory") from None
    return 0


def make_parser() -> _arguments.Parser:
    lines = [
        f"  {format.name:<12}{', '.join(format.suffixes)}" for format in convert.FORMATS
    ]
    description = DESCRIPTION.format(formats="\n".join(lines))
    parser = _arguments.Parser("convert", "[options] IN OUT", description, EPILOG)
    add = parser.add_argument
    add("source", metavar="IN", help=argparse.SUPPRESS)
    add("target", metavar="OUT", help=argparse.SUPPRESS)
    add("-f", "--format", metavar="NAME", help="the format, whatever the suffix of OUT")
    add(
        "--metric",
        choices=_metric.METRICS,
        help="what is counted: blocks alive when the snapshot was taken, at the peak, "
        "ever allocated, or freed (default: all that the format has a place for, or "
        "what the snapshot shows)",
    )
    add(
        "--by",
        choices=("site", "traceback", "line", "function", "file"),
        help="csv and parquet: what a row is (default: site, a stack with one block "
        "size); collapsed and speedscope: what a frame is, line (default), function "
        "or file",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    format = format_of(options.target, options.format)
    title = os.path.basename(options.source)
    wanted = convert.Options(options.metric, options.by, title)
    convert.check(format, wanted)
    convert.load_writer(format)
    snapshot = Snapshot.load(options.source)
    if options.target == "-":
        to_stdout(snapshot, format, wanted)
        return
    with _whole.WholeFile(options.target) as file:
        convert.write(snapshot, format, wanted, file)


def format_of(target: str, name: str | None) -> convert.Format:
    if name is not None:
        format = convert.format_named(name)
        if target == "-" and not format.is_text:
            raise ValueError(f"{format.name} is no text: name a file instead of -")
        return format
    if target == "-":
        raise ValueError("stdout has no suffix: say -f collapsed, or another format")
    return convert.format_of_path(target)


def to_stdout(
    snapshot: Snapshot, format: convert.Format, options: convert.Options
) -> None:
    """That nobody reads on is no error."""
    if sys.stdout is None:
        raise ValueError("stdout is closed: name a file instead of -")
    out = sys.stdout.buffer
    try:
        convert.write(snapshot, format, options, out)
        out.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left would fail again
        raise OSError(error.errno, error.strerror, "stdout") from None
