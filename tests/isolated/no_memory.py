# SPDX-License-Identifier: MIT
"""The tracer is refused its memory after n pieces, n = 0, 1, 2, ...: the program goes
on, what is lost is counted, and a later start is whole again."""

import sys

import ptm_testalloc as alloc

import pytracemalloc
from pytracemalloc import _core

MOST = int(sys.argv[1])


def program(depth):
    kept = []
    for n in range(60):
        kept.append([bytes(n * 9), {n: str(n)}, (n,) * 5])
    space = {}
    exec(
        compile(
            "def f(k): return [bytes(i) for i in range(k)]", f"made{depth}", "exec"
        ),
        space,
    )
    kept.append(space["f"](300))
    for domain in (0, 1, 2):
        block = alloc.malloc(domain, 77)
        block = alloc.realloc(domain, block, 7777)
        block = alloc.realloc(domain, block, 7)
        alloc.free(domain, block)
    if depth:
        kept.append(program(depth - 1))
    return kept


losses = []
for n in range(MOST):
    for early in (True, False):
        if early:
            _core._fail_after(n)
        pytracemalloc.start(3)
        kept = program(20)
        if not early:
            _core._fail_after(n % 7)
            kept.append(program(40))
        lost = pytracemalloc.get_lost()
        current, peak = pytracemalloc.get_traced_memory()
        assert 0 <= current <= peak < 1 << 30, (n, current, peak)
        try:
            snapshot = pytracemalloc.take_snapshot()
            assert snapshot.lost >= lost
        except MemoryError:
            pass
        _core._fail_after(-1)
        snapshot = pytracemalloc.take_snapshot()
        live = sum(t.size for t in snapshot.traces)
        assert live <= pytracemalloc.get_traced_memory()[0] + 10_000
        assert snapshot.lost[0] >= lost[0]
        at_peak = pytracemalloc.take_snapshot(at="peak")
        peak = pytracemalloc.get_traced_memory()[1]
        assert abs(sum(t.size for t in at_peak.traces) - peak) < 50_000, n
        losses.append(lost[0])
        del kept
        assert 0 <= pytracemalloc.get_traced_memory()[0] < 1 << 30
        pytracemalloc.stop()

        pytracemalloc.start(3)
        before = pytracemalloc.get_traced_memory()[0]
        block = alloc.malloc(1, 100_001)
        assert 100_001 <= pytracemalloc.get_traced_memory()[0] - before < 110_000
        assert pytracemalloc.get_lost() == (0, 0)
        alloc.free(1, block)
        pytracemalloc.stop()
assert losses[0] > 0, "nothing was refused"
assert losses[-2] == 0, f"still refused: {losses[-20:]}"
print("ok", losses[::2])
