# SPDX-License-Identifier: MIT
"""The standard library's tracer beside ours, in every order; ours imported before it
starts, or while it is on."""

import itertools
import sys
import tracemalloc

import ptm_testalloc as alloc

if sys.argv[1] == "after":
    tracemalloc.start()
    import pytracemalloc

    tracemalloc.stop()
else:
    import pytracemalloc

OURS, THEIRS = pytracemalloc, tracemalloc
SIZE = 40_001


def hears(tracer):
    """How often it has a block of its own size, in each domain."""
    if not tracer.is_tracing():
        return None
    found = []
    for domain in range(3):
        block = alloc.malloc(domain, SIZE)
        sizes = [trace.size for trace in tracer.take_snapshot().traces]
        found.append(sizes.count(SIZE))
        block = alloc.realloc(domain, block, SIZE + 1000)
        alloc.free(domain, block)
        sizes = [trace.size for trace in tracer.take_snapshot().traces]
        assert SIZE not in sizes and SIZE + 1000 not in sizes, domain
    assert len(set(found)) == 1, found
    return found[0]


class Thing:
    """Not from a free list, whose blocks may come from before the start. 3.11's tracer
    does not find an object with a dictionary."""

    __slots__ = ("a",)


def traced_object(tracer):
    held = Thing()
    frame = tracer.get_object_traceback(held)[0]
    return frame.filename.endswith("stdlib_tracer.py")


STEPS = {
    "ours on": OURS.start, "ours off": OURS.stop,
    "theirs on": THEIRS.start, "theirs off": THEIRS.stop,
}  # fmt: skip


def orders():
    for order in itertools.permutations(STEPS):
        if all(order.index(f"{who} on") < order.index(f"{who} off")
               for who in ("ours", "theirs")):  # fmt: skip
            yield order


def cut_off(order, done):
    """Theirs puts back what it found: who came after it hears nothing more."""
    return (
        "theirs off" in order[:done]
        and order.index("theirs on") < order.index("ours on")
        and order.index("ours on") < order.index("theirs off")
    )


seen = 0
for order in [*orders(), *orders()]:
    for done, step in enumerate(order, 1):
        STEPS[step]()
        assert hears(OURS) in (None, 0 if cut_off(order, done) else 1), (order, step)
        assert hears(THEIRS) in (None, 1), (order, step)
    assert not OURS.is_tracing() and not THEIRS.is_tracing()
    OURS.start(2)
    assert hears(OURS) == 1 and traced_object(OURS)
    OURS.stop()
    THEIRS.start(2)
    assert hears(THEIRS) == 1 and traced_object(THEIRS)
    THEIRS.stop()
    seen += 1
assert seen == 12, seen
print("ok")
