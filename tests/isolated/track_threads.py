# SPDX-License-Identifier: MIT
"""Threads without a GIL track and untrack all the time: starts, stops, forks, snapshots
beside them; then the same with the GIL held all the time."""

import os
import sys
import threading

import ptm_testtrack as ext

import pytracemalloc

TIMES = int(sys.argv[1])
PLACE = 0x6000_0000_0000


def sums_agree():
    """What was alive at the peak is what the totals say."""
    ext.track(7, PLACE, 10_000_000)
    ext.untrack(7, PLACE)  # so nothing that is done here makes a new peak
    peak = pytracemalloc.take_snapshot(at="peak")
    return sum(t.size for t in peak.traces) == pytracemalloc.get_traced_memory()[1]


def allocate():
    while not stop.is_set():
        bytes(500)


def ended_well(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


ext.hammer(4)
stop = threading.Event()
other = threading.Thread(target=allocate, daemon=True)
other.start()
for n in range(TIMES):
    pytracemalloc.start(1 + n % 3)
    if n % 20 == 0:
        snapshot = pytracemalloc.take_snapshot()
        assert {t.domain for t in snapshot.traces} <= {0, 1000, 1001, 1002}
        pytracemalloc.clear_traces()
    if n % 50 == 0:
        pid = os.fork()
        if pid == 0:
            assert ext.track(7, PLACE, 5) == 0
            assert sums_agree()
            pytracemalloc.stop()
            assert ext.track(7, PLACE, 5) == -2
            os._exit(0)
        assert ended_well(pid)
    pytracemalloc.stop()
stop.set()
other.join()
calls, wrong = ext.hammered()
assert calls > TIMES and wrong == 0, (calls, wrong)
assert pytracemalloc.get_traced_memory() == (0, 0)

# The thread that is joined has no GIL to get: this one keeps it.
pytracemalloc.start(5)
assert ext.foreign_track(1234, PLACE, 333, 1000) == 1000
found = [t for t in pytracemalloc.take_snapshot().traces if t.domain]
assert len(found) == 1000
for trace in found:
    assert (trace.domain, trace.size) == (1234, 333)
    assert [(f.filename, f.lineno) for f in trace.traceback] == [("<unknown>", 0)]
assert ext.foreign_untrack(1234, PLACE, 0, 1000) == 1000
assert {t.domain for t in pytracemalloc.take_snapshot().traces} == {0}
assert pytracemalloc.get_lost() == (0, 0)
print("ok")
