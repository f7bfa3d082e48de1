# SPDX-License-Identifier: MIT
"""What must hold under every allocator: sizes, places, totals, objects."""

import sys

import ptm_testalloc as alloc

import pytracemalloc


def make():
    return bytes(12_345)


def places(size):
    snapshot = pytracemalloc.take_snapshot()
    return [
        (t.traceback[0].filename, t.traceback[0].lineno)
        for t in snapshot.traces
        if t.size == size
    ]


pytracemalloc.start(int(sys.argv[1]))
kept = make()
line = make.__code__.co_firstlineno + 1
assert places(sys.getsizeof(kept)) == [(__file__, line)]
assert pytracemalloc.get_object_traceback(kept)[0].lineno == line
for domain in (0, 1, 2):
    for size in (7, 511, 513, 70_001, 3_000_001):
        block = alloc.malloc(domain, size)
        assert len(places(size)) == 1, (domain, size)
        block = alloc.realloc(domain, block, size * 2 + 1)
        assert places(size) == [] and len(places(size * 2 + 1)) == 1
        block = alloc.realloc(domain, block, 5)
        alloc.free(domain, block)
        assert places(size * 2 + 1) == []
        block = alloc.calloc(domain, 3, size)
        assert len(places(3 * size)) == 1
        alloc.free(domain, block)
before = pytracemalloc.get_traced_memory()[0]
thousand = [object() for _ in range(1000)]
own = 1000 * sys.getsizeof(thousand[0])
assert own <= pytracemalloc.get_traced_memory()[0] - before < own + 14_000
assert pytracemalloc.get_lost() == (0, 0)
pytracemalloc.stop()
print("ok")
