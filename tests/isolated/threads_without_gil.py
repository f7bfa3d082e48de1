# SPDX-License-Identifier: MIT
"""Raw blocks from a thread that Python does not know, and from one without the GIL."""

import ptm_testhooks as hooks

import pytracemalloc


def detached():
    return hooks.detached_malloc(50, 777)


def traces_of(size):
    return [t for t in pytracemalloc.take_snapshot().traces if t.size == size]


pytracemalloc.start(5)
foreign = hooks.foreign_malloc(40, 333)
for trace in traces_of(333):
    assert [(f.filename, f.lineno) for f in trace.traceback] == [("<unknown>", 0)]
assert len(traces_of(333)) == 40
own = detached()
line = detached.__code__.co_firstlineno + 1
for trace in traces_of(777):
    assert (trace.traceback[0].filename, trace.traceback[0].lineno) == (__file__, line)
    assert len(trace.traceback) == 2
assert len(traces_of(777)) == 50
hooks.detached_free(foreign)
hooks.foreign_free(own)
assert traces_of(333) == traces_of(777) == []
assert pytracemalloc.get_lost() == (0, 0)
print("ok")
