# SPDX-License-Identifier: MIT
"""Eight threads read one snapshot and its parts while others set what may be set.

argv[1]: rounds
"""

import sys
import threading

import pytracemalloc
from pytracemalloc import stdlib

ROUNDS = int(sys.argv[1])
RAW = (0, 64, (("other.py", 7),), 1)


def make():
    return [(i, str(i), [i] * (i % 50)) for i in range(300)]


class Parts:
    """The first objects of a snapshot of a face, which all threads share."""

    def __init__(self, face):
        self.kept = make()
        self.snapshot = face.take_snapshot()
        self.other = face.take_snapshot()
        self.traces = self.snapshot.traces
        self.trace = self.traces[0]
        self.tracebacks = [self.trace.traceback, self.trace.traceback]
        self.frames = [self.tracebacks[0][0], self.tracebacks[1][0]]
        self.stats = self.snapshot.statistics("traceback")[:2]
        self.diffs = self.snapshot.compare_to(self.other, "lineno")[:2]
        self.filters = [face.Filter(False, "none*")]


def use(*answers):
    """They were made, which is all."""


def read(p):
    len(p.traces)
    [trace.size for trace in p.traces]
    use(p.traces == p.other.traces, p.trace in p.traces)
    p.snapshot.statistics("lineno")
    p.snapshot.filter_traces(p.filters)
    p.snapshot.compare_to(p.other, "filename")


def read_parts(p):
    for part in [p.trace, *p.tracebacks, *p.frames, *p.stats, *p.diffs]:
        use(str(part), repr(part), hash(part))
    use(p.tracebacks[0] == p.tracebacks[1], p.frames[0] == p.frames[1])
    use(p.tracebacks[0].format(), p.frames[0] in p.tracebacks[1])
    use(p.trace.traceback, p.trace.domain, p.trace._trace)
    for stat in p.stats + p.diffs:
        stat._sort_key()


def read_list(p):
    assert len(p.traces._traces) == len(p.traces)


def set_parts(p):
    p.trace._trace = (*RAW[:2], (("other.py", len(p.kept)),), 1)
    p.trace.__init__((0, 7, (("some" + ".py", 7),), 1))
    for traceback in p.tracebacks:
        traceback._frames = (("other" + ".py", len(p.kept)),) * 3
        traceback.__init__((("some" + ".py", 7),) * 2, 2)
    for frame in p.frames:
        frame._frame = ("other" + ".py", len(p.kept))
        frame.__init__(("some" + ".py", 7))
    for stat in p.stats + p.diffs:
        stat.size = 10**6 + stat.count
        stat.count = 10**7 + len(p.kept)
        stat.traceback = p.trace.traceback
    p.filters[0].lineno = 10**6
    p.filters[0].inclusive = False


def set_traces(p):
    p.traces._traces = [RAW] * 100
    p.traces.__init__([RAW] * 50)
    p.snapshot.traces = p.other.traces
    p.snapshot.traces = p.traces
    p.snapshot.traceback_limit = 5


READERS = [read, read, read_parts, read_parts, read_list, read_list]
SETTERS = [set_parts, set_traces]


def together(p, works, times):
    barrier = threading.Barrier(len(works))
    problems = []

    def run(work):
        barrier.wait()
        try:
            for _ in range(times):
                work(p)
        except BaseException as error:
            problems.append(repr(error))

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def main():
    for n in range(ROUNDS):
        pytracemalloc.start(5)
        p = Parts((pytracemalloc, stdlib)[n % 2])
        problems = together(p, READERS, 1)
        assert not problems, problems
        p = Parts((pytracemalloc, stdlib)[n % 2])
        # what was set in between may be of another length, or be gone
        together(p, [read, read_parts, *SETTERS, *SETTERS], 5)
        pytracemalloc.stop()
    print("ok")


main()
