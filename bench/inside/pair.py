# SPDX-License-Identifier: MIT
"""usage: pair.py TRACER N DEPTH – N times one malloc and one free, DEPTH calls deep.

`object()` is one block of 16 bytes, made and freed at once; nothing else in the loop
allocates. Two runs with N and 2 N differ by N such pairs and by nothing else.
"""

from __future__ import annotations

import sys
from itertools import repeat

from common import answer, start


def pairs(n: int) -> None:
    """N blocks, each freed before the next."""
    for _ in repeat(None, n):
        object()


def down(level: int, n: int) -> None:
    """To the depth at which they are made."""
    if level:
        down(level - 1, n)
    else:
        pairs(n)


def main() -> None:
    n, depth = int(sys.argv[2]), int(sys.argv[3])
    tracer = start(sys.argv[1])
    kept = bytes(1000)  # alive at the end: also an engine without the books has a peak
    down(depth, 1000)  # the interpreter has specialised, the caches are warm
    down(depth, n)
    if tracer is not None:
        assert tracer.is_tracing() and tracer.get_traced_memory()[1] > 0
    answer(pairs=n, kept=len(kept))


if __name__ == "__main__":
    main()
