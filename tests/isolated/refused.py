# SPDX-License-Identifier: MIT
"""The allocator below says no: the block stays what it was, in the books too."""

import ptm_testalloc as alloc
import ptm_testhooks as hooks

import pytracemalloc


def sizes():
    return [t.size for t in pytracemalloc.take_snapshot().traces]


for domain in (0, 1, 2):
    hooks.wrap(domain)
    pytracemalloc.start()
    block = alloc.malloc(domain, 60_001)
    hooks.refuse(domain, 1)
    try:
        alloc.realloc(domain, block, 70_001)
    except MemoryError:
        pass
    else:
        raise AssertionError("nothing was refused")
    now = sizes()
    assert now.count(60_001) == 1 and 70_001 not in now, domain
    for call in (
        lambda d: alloc.malloc(d, 80_001),
        lambda d: alloc.calloc(d, 1, 80_001),
    ):
        hooks.refuse(domain, 1)
        try:
            call(domain)
        except MemoryError:
            pass
        else:
            raise AssertionError("nothing was refused")
    assert 80_001 not in sizes()
    block = alloc.realloc(domain, block, 90_001)
    now = sizes()
    assert now.count(90_001) == 1 and 60_001 not in now, domain
    alloc.free(domain, block)
    assert 90_001 not in sizes()
    assert pytracemalloc.get_lost() == (0, 0)
    pytracemalloc.stop()
    hooks.unwrap(domain)
print("ok")
