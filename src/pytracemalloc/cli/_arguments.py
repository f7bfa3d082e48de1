# SPDX-License-Identifier: MIT
"""What the command lines of all verbs have in common."""

from __future__ import annotations

import argparse
from typing import NoReturn

from pytracemalloc._startup import whole_number
from pytracemalloc.cli import CommandError

#: Rows of a table unless --top says otherwise.
TOP = 10
TOP_MAX = 999_999_999


class Parser(argparse.ArgumentParser):
    """Wrong arguments are one line that names the verb and its help."""

    def __init__(self, verb: str, usage: str, description: str, epilog: str) -> None:
        self.verb = verb
        super().__init__(
            prog=f"pytracemalloc {verb}",
            usage=f"%(prog)s {usage}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{self.verb}: {message}; see {self.prog} --help")


def number_of_rows(text: str) -> int:
    number = whole_number(text, TOP_MAX)
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows")
    return number


def add_top(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--top",
        type=number_of_rows,
        default=TOP,
        metavar="N",
        help=f"report the N biggest (default: {TOP})",
    )
