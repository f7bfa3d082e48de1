# SPDX-License-Identifier: MIT
"""Eight threads at once, each with all that it may do: allocate, hand blocks over, read
one snapshot, take others, clear, start and stop.

argv[1]: rounds of each thread
"""

import queue
import sys
import threading

import pytracemalloc

ROUNDS = int(sys.argv[1])
handed = queue.SimpleQueue()
problems = []


def allocate(n):
    kept = []
    for i in range(n):
        kept.append((i, str(i), [i] * (i % 50)))
        if i % 3 == 0:
            kept.pop()
    handed.put(kept)
    if handed.qsize() > 4:
        handed.get()


def look():
    try:
        snapshot = pytracemalloc.take_snapshot()
    except RuntimeError:
        return  # another thread has stopped it
    check(snapshot)
    check(snapshot.view("peak"))


def check(snapshot):
    total = sum(trace.size for trace in snapshot.traces)
    by_line = sum(stat.size for stat in snapshot.statistics("lineno"))
    counts = [stat.count for stat in snapshot.statistics("filename")]
    if total != by_line or min(counts, default=0) < 0:
        problems.append((total, by_line, min(counts)))


def ask():
    current, peak = pytracemalloc.get_traced_memory()
    if not 0 <= current <= peak:
        problems.append((current, peak))
    pytracemalloc.get_tracemalloc_memory()
    pytracemalloc.get_object_traceback(problems)


def restart():
    pytracemalloc.stop()
    pytracemalloc.start(5)


def read_together(snapshot):
    for trace in snapshot.traces[:100]:
        str(trace.traceback[0])
    [str(stat) for stat in snapshot.statistics("traceback")[:20]]


def work(number, shared, barrier):
    barrier.wait()
    for i in range(ROUNDS):
        allocate(300)
        if number == 0 and i % 7 == 0:
            restart()
        elif number == 1 and i % 5 == 0:
            pytracemalloc.clear_traces()
        elif number == 2:
            pytracemalloc.reset_peak()
        elif number < 5:
            look()
        elif number == 5:
            ask()
        else:
            read_together(shared)


def main():
    pytracemalloc.start(5)
    allocate(1000)
    shared = pytracemalloc.take_snapshot()
    barrier = threading.Barrier(8)
    threads = [
        threading.Thread(target=work, args=(i, shared, barrier)) for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[:3]
    check(pytracemalloc.take_snapshot())
    assert not problems, problems[:3]
    print("ok")


main()
