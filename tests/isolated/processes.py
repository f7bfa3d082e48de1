# SPDX-License-Identifier: MIT
"""multiprocessing in the way that is asked for: the parent traces, a thread allocates,
and each child's books are its own. A forked child goes on tracing, others begin."""

import multiprocessing
import sys
import threading

import pytracemalloc


def work(n):
    if START != "fork" and not pytracemalloc.is_tracing():
        pytracemalloc.start(3)
    assert pytracemalloc.is_tracing()
    block = bytes(123_000 + n)
    size = sys.getsizeof(block)
    snapshot = pytracemalloc.take_snapshot()
    (found,) = (t for t in snapshot.traces if t.size == size)
    assert found.traceback[0].filename.endswith("processes.py")
    total = sum(t.size for t in snapshot.traces)
    assert abs(total - pytracemalloc.get_traced_memory()[0]) < 50_000
    assert pytracemalloc.get_lost() == (0, 0)
    return found.traceback[0].lineno


def churn():
    kept = []
    while not stop.is_set():
        kept.append([None] * len(kept))
        if len(kept) > 50:
            kept.clear()


START = sys.argv[1]
if __name__ == "__main__":
    pytracemalloc.start(3)
    stop = threading.Event()
    thread = threading.Thread(target=churn)
    thread.start()
    context = multiprocessing.get_context(START)
    for _ in range(2):
        with context.Pool(3) as pool:
            assert set(pool.map(work, range(40))) == {work.__code__.co_firstlineno + 4}
    stop.set()
    thread.join()
    print("ok")
