# SPDX-License-Identifier: MIT
"""Blocks that went unheard, and others at their places that cannot be recorded: the
entries of the former are not taken for those of the latter."""

import sys

import below
import ptm_testalloc as alloc

import pytracemalloc

OBJ = 2
COUNT = 300
BYTES = 16
SIZES = range(33, 49)
free_unheard = below.freeing(OBJ)


def traced():
    return pytracemalloc.get_traced_memory()[0]


def until_lost(depth=0):
    """Each depth and size is a site of its own, and there is no memory for all."""
    for size in SIZES:
        blocks.append(alloc.malloc(OBJ, size))
    if pytracemalloc.get_lost()[0] < 20 and depth < 5000:
        until_lost(depth + 1)


def allocate_here(places):
    for i in range(COUNT):
        places[i] = alloc.malloc(OBJ, BYTES)


before, after, blocks = [0] * COUNT, [0] * COUNT, []
pytracemalloc.start(1)
for i in range(COUNT):
    before[i] = alloc.malloc(OBJ, BYTES)
for block in before:
    free_unheard(block)
for block in [alloc.malloc(OBJ, SIZES[0]) for _ in range(100_000)]:
    alloc.free(OBJ, block)  # there is room in the shadow
sys.setrecursionlimit(10_000)
pytracemalloc._core._fail_after(0)
until_lost()
lost, was = pytracemalloc.get_lost()[0], traced()
allocate_here(after)
again = len(set(before) & set(after))
assert again > COUNT // 2, again
assert pytracemalloc.get_lost()[0] - lost >= COUNT
assert was - traced() >= again * BYTES - 1000, (was, traced())
for block in after:
    alloc.free(OBJ, block)
print("ok", again)
