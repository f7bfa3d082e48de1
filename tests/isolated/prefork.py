# SPDX-License-Identifier: MIT
"""A server that forks workers which fork again, replaces those that end, and traces all
the time; each recounts its own."""

import os
import signal
import sys

import pytracemalloc

WORKERS, REPLACED = 3, 12
inherited = [bytes(3000) for _ in range(200)]


def serve(grandchild):
    kept = []
    for n in range(2000):
        kept.append({"n": n, "body": bytes(n % 500)})
        if len(kept) > 100:
            kept.clear()
    snapshot = pytracemalloc.take_snapshot()
    size = sys.getsizeof(inherited[0])
    assert sum(t.size == size for t in snapshot.traces) == len(inherited)
    if not grandchild:
        assert ended_well(fork(True))
    del inherited[:50]
    pytracemalloc.clear_traces()
    del inherited[:50]
    kept.append(bytes(77_000))
    sizes = [t.size for t in pytracemalloc.take_snapshot().traces]
    assert sizes.count(sys.getsizeof(kept[-1])) == 1 and size not in sizes
    pytracemalloc.stop()


def fork(grandchild):
    pid = os.fork()
    if pid == 0:
        signal.alarm(120)
        status = 1
        try:
            serve(grandchild)
            status = 0
        finally:
            os._exit(status)
    return pid


def ended_well(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


pytracemalloc.start(3)
inherited[:] = [bytes(3000) for _ in range(200)]
workers = [fork(False) for _ in range(WORKERS)]
for _ in range(REPLACED):
    assert ended_well(workers.pop(0))
    workers.append(fork(False))
for pid in workers:
    assert ended_well(pid)
size = sys.getsizeof(inherited[0])
found = [t for t in pytracemalloc.take_snapshot().traces if t.size == size]
assert len(found) == len(inherited)
print("ok")
