# SPDX-License-Identifier: MIT
"""black: a formatter over modules of the standard library."""

import argparse
import queue
import textwrap
from pathlib import Path

import black
from ptm_bench_child import region

MODULES = (argparse, queue, textwrap)


def main() -> None:
    mode = black.Mode(line_length=79)
    for module in MODULES:
        source = Path(module.__file__).read_text(encoding="utf-8")
        first = black.format_str(source, mode=mode)
        assert black.format_str(first, mode=mode) == first


if __name__ == "__main__":
    with region():
        main()
