# SPDX-License-Identifier: MIT
"""A reference tracer that was there before goes on hearing everything (3.13, 3.14).

On 3.15 the interpreter tells it that it is replaced: it is not called after that, but
for the interpreter's own (tests/parity runs both).
"""

import sys

import ptm_testhooks as hooks

import pytracemalloc


def events():
    before = hooks.ref_tracer()[1:3]
    kept = [[n] for n in range(200)]
    del kept
    after = hooks.ref_tracer()[1:3]
    return after[0] - before[0], after[1] - before[1]


def reused():
    """A list from the free list: its place is the one of its new life."""
    del many[:]
    kept = [2]
    return kept, reused.__code__.co_firstlineno + 3


many = []
told_of_removal = sys.version_info >= (3, 15)
hooks.set_ref_tracer()
assert min(events()) >= 200
pytracemalloc.start()
assert not hooks.ref_tracer()[0]
if told_of_removal:
    assert hooks.ref_tracer()[3] == 1 and events() == (0, 0)
else:
    assert min(events()) >= 200, "the other tracer hears nothing"
many = [[n] for n in range(200)]
kept, line = reused()
assert pytracemalloc.get_object_traceback(kept)[0].lineno == line
pytracemalloc.stop()
if told_of_removal:
    assert hooks.ref_tracer()[0] is False and hooks.ref_tracer()[3] == 1
else:
    assert hooks.ref_tracer()[0], "the other tracer was not put back"
    assert min(events()) >= 200

pytracemalloc.start()
hooks.set_ref_tracer()
pytracemalloc.stop()
assert hooks.ref_tracer()[0], "what was set after us was taken away"
hooks.clear_ref_tracer()
pytracemalloc.start()
many = [[n] for n in range(200)]
kept, line = reused()
assert pytracemalloc.get_object_traceback(kept)[0].lineno == line
pytracemalloc.stop()
assert hooks.ref_tracer()[0] is False
hooks.clear_ref_tracer()
assert events() == (0, 0)
print("ok")
