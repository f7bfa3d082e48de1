# SPDX-License-Identifier: MIT
"""Forks while threads allocate: the child goes on tracing, and ends well."""

import os
import sys
import threading
import warnings

import ptm_testhooks as hooks

import pytracemalloc

warnings.simplefilter("ignore")
stopping = False


def churn():
    kept = []
    while not stopping:
        kept.append([None] * len(kept))
        hooks.detached_free(hooks.detached_malloc(5, 900))
        if len(kept) > 50:
            kept.clear()


def child():
    before = pytracemalloc.get_traced_memory()[0]
    kept = [bytes(100_000) for _ in range(10)]
    grown = pytracemalloc.get_traced_memory()[0] - before
    snapshot = pytracemalloc.take_snapshot()
    (mine,) = (t for t in snapshot.statistics("lineno") if t.size > 1_000_000)
    assert mine.traceback[0].filename == __file__ and mine.count >= 10
    assert 1_000_000 <= grown < 1_100_000, grown
    hooks.foreign_free(hooks.foreign_malloc(10, 100))
    pytracemalloc.stop()
    pytracemalloc.start()
    del kept
    assert pytracemalloc.get_traced_memory()[0] < 100_000


sys.setswitchinterval(1e-5)
pytracemalloc.start(5)
threads = [threading.Thread(target=churn) for _ in range(4)]
for thread in threads:
    thread.start()
hooks.hammer(300)
for _ in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
stopping = True
for thread in threads:
    thread.join()
hooks.hammered()
print("ok")
