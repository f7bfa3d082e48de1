# SPDX-License-Identifier: MIT
"""Pools whose blocks all went unheard, and what comes to lie in their places: other
pools, and large blocks of the C library, with memory for our tables and without."""

import below
import ptm_testalloc as alloc

import pytracemalloc

MEM, OBJ = 1, 2
POOL_BYTES = 1 << 14
HEAD = 48
free_unheard = below.freeing(OBJ)


def fill(size, count):
    places = [alloc.malloc(OBJ, size) for _ in range(count)]
    for place in places:
        free_unheard(place)
    return {place // POOL_BYTES for place in places}


def renew(size):
    return alloc.realloc(OBJ, alloc.malloc(OBJ, 100), size)


def make(size):
    return alloc.malloc(OBJ, size)


def live(size):
    """How many blocks of this size there are by the books."""
    return sum(t.size == size for t in pytracemalloc.take_snapshot().traces)


def pools_that_begin_by_a_realloc():
    """The class of 368 bytes, of which 44 fill a pool, has no other users."""
    former = fill(512, 3100)
    while make(368) % POOL_BYTES != HEAD:
        pass
    for _ in range(43):
        make(368)
    before, blocks = live(368), []
    for _ in range(40):
        blocks.append(renew(368))
        blocks += [make(368) for _ in range(43)]
    begun = {b // POOL_BYTES for b in blocks[::44] if b % POOL_BYTES == HEAD}
    assert len(begun & former) > 10, (len(begun), len(former))
    assert live(368) - before == len(blocks), (live(368), before, len(blocks))


def large_blocks_where_pools_were(with_memory):
    """The C library maps them; the arenas of the pools are mapped no more."""
    former = fill(48, 400_000)
    if not with_memory:
        pytracemalloc._core._fail_after(0)
    lost = pytracemalloc.get_lost()[0]
    large = [alloc.malloc(MEM, 300_000 + 4096 * (n % 5)) for n in range(60)]
    lost = pytracemalloc.get_lost()[0] - lost
    there = sum(block // POOL_BYTES in former for block in large)
    for block in reversed(large):
        alloc.free(MEM, block)
    pytracemalloc._core._fail_after(-1)
    assert lost == 0 or not with_memory
    # pymalloc's lists are whole
    again = [alloc.malloc(OBJ, size) for size in range(1, 513) for _ in range(50)]
    assert len(set(again)) == len(again)
    for block in again:
        alloc.free(OBJ, block)
    return there


pytracemalloc.start()
pools_that_begin_by_a_realloc()
met = sum(large_blocks_where_pools_were(with_memory) for with_memory in (True, False))
assert met > 0, "no large block came to lie where a pool was"
print("ok", met)
