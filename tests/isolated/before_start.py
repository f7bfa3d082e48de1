# SPDX-License-Identifier: MIT
"""Blocks from before the start are freed and moved after it, and after a stop."""

import ptm_testalloc as alloc

import pytracemalloc

BIG = 3_000_001
old = [alloc.malloc(domain, BIG) for domain in (0, 1, 2) for _ in range(2)]
objects = [bytes(BIG) for _ in range(3)]
pytracemalloc.start()
for n, domain in enumerate((0, 0, 1, 1, 2, 2)):
    if n % 2:
        old[n] = alloc.realloc(domain, old[n], BIG)
    else:
        alloc.free(domain, old[n])
del objects
current, peak = pytracemalloc.get_traced_memory()
assert 3 * BIG <= current < 3 * BIG + 20_000, current
sizes = [t.size for t in pytracemalloc.take_snapshot().traces]
assert sizes.count(BIG) == 3
pytracemalloc.stop()
for n, domain in enumerate((0, 0, 1, 1, 2, 2)):
    if n % 2:
        alloc.free(domain, old[n])
pytracemalloc.start()
assert pytracemalloc.get_traced_memory()[0] < 20_000
print("ok")
