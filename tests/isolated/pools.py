# SPDX-License-Identifier: MIT
"""Small blocks from the interpreter's pools: the same ones that it would have given."""

import os
import sys

import ptm_testalloc as alloc

import pytracemalloc

CALLS = 200_000
MEM, OBJ = 1, 2


def start():
    pytracemalloc.start(nframe)


def nothing():
    pass


def in_a_child(domain, before):
    """What this very process would see next, by its copy. Leaves no block behind."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        before()
        hashed = alloc.play(domain, 1, CALLS)
        traced = pytracemalloc.is_tracing() and pytracemalloc._core._uses_pools()
        os.write(writer, b"%d %d" % (traced, hashed))
        os._exit(0)
    os.close(writer)
    os.wait()
    return reader


def both_ways(domain):
    """A hash of all blocks' places, in a copy that is traced and in one that is not."""
    traced = in_a_child(domain, start)
    untraced = in_a_child(domain, nothing)
    return os.read(traced, 100).split(), os.read(untraced, 100).split()


def goes_back():
    """Blocks that were taken while traced go back after, and the other way round."""
    before = sys.getallocatedblocks()
    blocks = [alloc.malloc(OBJ, size % 600 + 1) for size in range(3000)]
    assert sys.getallocatedblocks() - before >= len(blocks)
    (pytracemalloc.stop if pytracemalloc.is_tracing() else pytracemalloc.start)()
    for block in blocks:
        alloc.free(OBJ, block)
    del blocks
    return sys.getallocatedblocks() - before


def twice_the_same(domain):
    """Nothing is left of what was played: the books say so, and pymalloc's."""
    blocks, traced = sys.getallocatedblocks(), pytracemalloc.get_traced_memory()[0]
    alloc.play(domain, 7, CALLS)
    assert abs(sys.getallocatedblocks() - blocks) < 20
    assert abs(pytracemalloc.get_traced_memory()[0] - traced) < 2000


nframe = int(sys.argv[1])
both_ways(MEM)  # warms caches
for domain in (MEM, OBJ):
    traced, untraced = both_ways(domain)
    assert (traced[0], untraced[0]) == (b"1", b"0")
    assert traced[1] == untraced[1], (domain, traced, untraced)

pytracemalloc.start(nframe)
assert pytracemalloc._core._uses_pools()
for domain in (MEM, OBJ):
    twice_the_same(domain)
assert abs(goes_back()) < 100
assert abs(goes_back()) < 100
assert pytracemalloc.is_tracing() and pytracemalloc._core._uses_pools()
assert pytracemalloc.get_lost() == (0, 0)
pytracemalloc.stop()
print("ok")
