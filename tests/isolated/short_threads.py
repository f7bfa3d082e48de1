# SPDX-License-Identifier: MIT
"""Many short threads, four beside each other, leave our memory where it was."""

import sys
import threading

import ptm_testhooks as hooks

import pytracemalloc

TIMES = int(sys.argv[1])
BESIDE = 4


def live():
    kept = [[n, bytes(n)] for n in range(20)]
    hooks.detached_free(hooks.detached_malloc(3, 500))
    kept.clear()


def some(times):
    for n in range(times // BESIDE):
        threads = [threading.Thread(target=live) for _ in range(BESIDE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if n % 100 == 0:
            hooks.foreign_free(hooks.foreign_malloc(3, 500))


pytracemalloc.start(2)
some(2000)
before = pytracemalloc.get_tracemalloc_memory(), pytracemalloc.get_traced_memory()[0]
some(TIMES)
after = pytracemalloc.get_tracemalloc_memory(), pytracemalloc.get_traced_memory()[0]
# A joined thread may not have ended yet: on a busy machine more than four have a lane.
# However many threads there were, that is all; a few cannot make much of it.
assert after[0] <= before[0] + min(150 * TIMES, 2 << 20), (before, after)
assert after[1] <= before[1] + 300_000, (before, after)
assert pytracemalloc.get_lost() == (0, 0)
print("ok", before, after)
