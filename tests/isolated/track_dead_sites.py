# SPDX-License-Identifier: MIT
"""So many sites of other domains come and go that they are recycled: what they had
allocated stays in their domain, and at their line."""

import sys

import ptm_testtrack as ext

import pytracemalloc

N = int(sys.argv[1])
DOMAINS = (5, 389_047)


def track(i):
    for domain in DOMAINS:
        ext.track(domain, 4096, 1000 + i)
    line = sys._getframe().f_lineno - 1
    ext.untrack(5, 4096)
    ext.untrack(389_047, 4096)
    return line


def deep(i, depth):
    return deep(i, depth - 1) if depth else track(i)


pytracemalloc.start(4)
for i in range(N):
    line = deep(i, i % 7)
memory = pytracemalloc.get_tracemalloc_memory()
snapshot = pytracemalloc.take_snapshot().view("allocated")
sums = {s.key: (s.size, s.count) for s in snapshot.statistics("domain")}
for domain in DOMAINS:
    assert sums[domain] == (sum(range(1000, 1000 + N)), N), (domain, sums[domain])
    only = snapshot.filter_traces([pytracemalloc.DomainFilter(True, domain)])
    (place,) = only.statistics("lineno")
    assert (place.traceback[0].lineno, place.count) == (line, N)
assert sums[0][0] < sums[5][0] / 10, sums
assert memory < 64 * 2 * N, memory  # they were recycled
assert pytracemalloc.get_lost() == (0, 0)
print("ok")
