# SPDX-License-Identifier: MIT
"""Starts and stops 1,000 times while eight threads and one without Python allocate."""

import json
import random
import sys
import threading

import ptm_testhooks as hooks

import pytracemalloc

TIMES = int(sys.argv[1])
stopping = False


def churn(seed):
    pick = random.Random(seed)
    kept = []
    while not stopping:
        kept.append(
            [
                bytes(pick.randrange(2000)),
                {i: str(i) for i in range(pick.randrange(20))},
            ]
        )
        kept.append(hooks.detached_malloc(3, pick.randrange(1, 3000)))
        json.loads(json.dumps(kept[-2][1]))
        if len(kept) > 40:
            hooks.detached_free(kept.pop())
            del kept[:20:2]
            kept = [x for x in kept if type(x[0]) is bytes or free_all(x)]


def free_all(addresses):
    hooks.detached_free(addresses)


sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=churn, args=(n,)) for n in range(8)]
for thread in threads:
    thread.start()
hooks.hammer(700)
pick = random.Random(1)
for n in range(TIMES):
    pytracemalloc.start(pick.choice([1, 1, 3, 25]))
    assert pytracemalloc.is_tracing()
    if n % 10 == 0:
        snapshot = pytracemalloc.take_snapshot()
        peak = pytracemalloc.take_snapshot(at="peak")
        sum(t.size for t in snapshot.traces), sum(t.size for t in peak.traces)
    if n % 17 == 0:
        pytracemalloc.clear_traces()
        pytracemalloc.reset_peak()
    pytracemalloc.stop()
    assert pytracemalloc.get_traced_memory() == (0, 0)
    assert pytracemalloc.get_lost() == (0, 0)
stopping = True
for thread in threads:
    thread.join()
assert hooks.hammered() > TIMES

pytracemalloc.start()
before = pytracemalloc.get_traced_memory()[0]
kept = bytes(1_000_000)
assert 1_000_000 <= pytracemalloc.get_traced_memory()[0] - before < 1_010_000
del kept
assert pytracemalloc.get_traced_memory()[0] - before < 10_000
print("ok")
