# SPDX-License-Identifier: MIT
"""Blocks that come back to the place they had are counted beside it, and booked later:
also where there are more places than can wait, and most are dead and given to others.

At one frame each depth is a place of its own."""

import gc
import sys

import pytracemalloc

LINES, DEPTH = 16, 2500
LIVES = 3
OF_A_LINE = LIVES + 2  # and the loop's range, and its iterator
MORE_THAN_WAIT = 5000  # in any free list: blocks of before the start

body = f"  for _ in range({LIVES}): []\n  if n: f(n - 1, f)"
lines = [f"def f{i}(n, f):\n{body}\n" for i in range(LINES)]
names = {}
exec(compile("".join(lines), "<deep>", "exec"), names)
sys.setrecursionlimit(DEPTH + 500)
gc.disable()
pytracemalloc.start(1)
kept = [([], range(4), iter(range(4))) for _ in range(MORE_THAN_WAIT)]
for _ in range(2):
    for i in range(LINES):
        names[f"f{i}"](DEPTH - 1, names[f"f{i}"])
here = [pytracemalloc.Filter(True, "<deep>")]
allocated = pytracemalloc.take_snapshot().view(at="allocated").filter_traces(here)
found = {s.traceback[0].lineno: s.count for s in allocated.statistics("lineno")}
counts = [found[2 + 3 * i] for i in range(LINES)]
assert counts == [2 * DEPTH * OF_A_LINE] * LINES, counts
assert len(kept) == MORE_THAN_WAIT
print("ok", sum(counts))
