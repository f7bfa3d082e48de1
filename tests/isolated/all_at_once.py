# SPDX-License-Identifier: MIT
"""Eight threads start, stop, clear, restart the peak and take snapshots at once, and
allocate; then all is as after one start."""

import random
import sys
import threading

import pytracemalloc

TIMES = int(sys.argv[1])


def snapshot():
    try:
        taken = pytracemalloc.take_snapshot()
        then = pytracemalloc.take_snapshot(at="peak")
    except RuntimeError:
        return  # not tracing
    for one in (taken, then):
        assert all(line.count > 0 <= line.size for line in one.statistics("lineno"))


def look():
    current, peak = pytracemalloc.get_traced_memory()
    assert 0 <= current <= peak
    pytracemalloc.get_tracemalloc_memory()


def start():
    pytracemalloc.start(random.choice((1, 1, 5)))


CALLS = (
    start, start, pytracemalloc.stop, pytracemalloc.clear_traces, snapshot, look,
    pytracemalloc.reset_peak, pytracemalloc.is_tracing,
)  # fmt: skip


def run():
    kept = []
    try:
        ready.wait()
        for n in range(TIMES):
            kept.append([bytes(n % 700), {n: str(n)}])
            if len(kept) > 50:
                del kept[::2]
            random.choice(CALLS)()
        done.append(1)
    finally:
        kept.clear()


sys.setswitchinterval(1e-5)
ready, done = threading.Barrier(8), []
threads = [threading.Thread(target=run) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(done) == 8
pytracemalloc.stop()
assert not pytracemalloc.is_tracing() and pytracemalloc.get_traced_memory() == (0, 0)
assert pytracemalloc.get_lost() == (0, 0)
pytracemalloc.start()
block = bytes(54_321)
found = [t for t in pytracemalloc.take_snapshot().traces if t.size > 54_321]
assert [t.size for t in found] == [sys.getsizeof(block)], found
print("ok")
