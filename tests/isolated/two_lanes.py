# SPDX-License-Identifier: MIT
"""A thread without Python allocates beside the program: what is said of the peak is
what it consists of, and it is exact up to the event in flight."""

import ptm_testhooks as hooks

import pytracemalloc

BLOCK = 1000
pytracemalloc.start()
hooks.hammer(BLOCK)
for _ in range(300):
    pytracemalloc.reset_peak()
    floor = pytracemalloc.get_traced_memory()[0]
    kept = [bytes(n * 10) for n in range(200)]
    reached = pytracemalloc.get_traced_memory()[0]
    del kept
    snapshot = pytracemalloc.take_snapshot(at="peak")
    peak = pytracemalloc.get_traced_memory()[1]
    again = pytracemalloc.take_snapshot(at="peak")
    # The hammer holds no block, one of BLOCK, or one of 3 * BLOCK bytes.
    assert reached <= peak <= reached + 3 * BLOCK + 2000, (reached, peak)
    sums = {sum(t.size for t in s.traces) for s in (snapshot, again)}
    assert peak in sums, (peak, sums)
assert hooks.hammered() > 1000
blocks = [
    t for t in pytracemalloc.take_snapshot().traces if t.size in (BLOCK, 3 * BLOCK)
]
assert [t for t in blocks if t.traceback[0].filename == "<unknown>"] == []
print("ok")
