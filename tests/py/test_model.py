# SPDX-License-Identifier: MIT
"""Random allocator calls in every domain, against a dictionary.

A program of calls runs step by step in C (tests/ext/ptm_teststeps.c), each step
called from one of several Python lines, and Python itself allocates nothing
meanwhile. So what the tracer says can be compared exactly: counts, sizes, sites,
what was ever allocated, and the composition of the peak. Blocks of a model have
odd sizes (or none), which nothing that Python allocates on these lines has.
"""

from __future__ import annotations

import gc
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import pytracemalloc

steps = pytest.importorskip("ptm_teststeps", reason="built by `make test` only")
step = steps.step

HERE = __file__
BALLAST = (8 << 20) + 1
BALLAST_SLOT = 63

# -- the lines that allocate; a stack is known down to the line that runs the program


def first(i: int) -> None:
    step(i)


def second(i: int) -> None:
    step(i)


def inner(i: int) -> None:
    step(i)


def outer_one(i: int) -> None:
    inner(i)


def outer_two(i: int) -> None:
    inner(i)


def twice(i: int) -> None:
    (step if i & 1 else step)(i)


class Method:
    def call(self, i: int) -> None:
        step(i)


method = Method().call


def reset(i: int) -> None:
    pytracemalloc.reset_peak()


def run_all(numbers: bytes, calls: list[Callable[[int], None]]) -> None:
    for i in numbers:
        calls[i](i)


def line_of(function: Any) -> int:
    return function.__code__.co_firstlineno + 1


RUNNER = (HERE, run_all.__code__.co_firstlineno + 2)


def stack_of(*functions: Any) -> tuple[tuple[str, int], ...]:
    return (*((HERE, line_of(f)) for f in functions), RUNNER)


STACKS = {
    first: stack_of(first),
    second: stack_of(second),
    outer_one: stack_of(inner, outer_one),
    outer_two: stack_of(inner, outer_two),
    twice: stack_of(twice),
    method: stack_of(Method.call),
}
CALLS = list(STACKS)
LINES = {line_of(f) for f in (first, second, inner, twice, Method.call)}

Stack = tuple[tuple[str, int], ...]
Key = tuple[Stack, int]


@dataclass
class Model:
    """What is alive in the slots, and the books that the tracer must keep."""

    nframe: int = 1
    slots: dict[int, Key | None] = field(default_factory=dict)
    domains: dict[int, int] = field(default_factory=dict)
    live: Counter[Key] = field(default_factory=Counter)
    allocated: dict[Stack, list[int]] = field(default_factory=dict)
    at_peak: Counter[Key] = field(default_factory=Counter)
    total: int = 0
    best: int = 0

    def reset_peak(self) -> None:
        self.best = self.total
        self.at_peak = +self.live

    def forget(self) -> None:
        """Everything recorded is dropped; the blocks themselves stay."""
        self.slots = dict.fromkeys(self.slots)
        self.live.clear()
        self.allocated.clear()
        self.total = 0
        self.reset_peak()

    def leave(self, slot: int) -> None:
        key = self.slots.pop(slot, None)
        if key is not None:
            self.live[key] -= 1
            self.total -= key[1]

    def enter(self, slot: int, call: Callable[[int], None], size: int) -> None:
        key = STACKS[call][: self.nframe], size
        self.slots[slot] = key
        self.live[key] += 1
        sums = self.allocated.setdefault(key[0], [0, 0])
        sums[0] += 1
        sums[1] += size
        self.total += size

    def judge(self) -> None:
        if self.total > self.best:
            self.reset_peak()

    def event(
        self, call: Callable[[int], None], what: str, slot: int, size: int
    ) -> None:
        self.leave(slot)
        if what != "free":
            self.enter(slot, call, size)
        self.judge()


def known_part(traceback: Any, nframe: int) -> Stack:
    frames = tuple((f.filename, f.lineno) for f in traceback)
    return frames[
        : next(n for n, f in enumerate(frames, 1) if f == RUNNER or n == nframe)
    ]


FILTERS = [pytracemalloc.Filter(True, HERE, line) for line in LINES]


def blocks_in(snapshot: pytracemalloc.Snapshot, nframe: int) -> Counter[Key]:
    """The blocks of the model in it, with the known part of their stacks."""
    found: Counter[Key] = Counter()
    for trace in snapshot.filter_traces(FILTERS).traces:
        if trace.size % 2 == 1 or trace.size == 0:
            found[known_part(trace.traceback, nframe), trace.size] += 1
    return found


def allocated_in(
    snapshot: pytracemalloc.Snapshot, nframe: int
) -> dict[Stack, list[int]]:
    """Blocks and bytes ever allocated, by stack: dead sites are kept as such sums."""
    found: dict[Stack, list[int]] = {}
    view = snapshot.filter_traces(FILTERS).view(at="allocated")
    for statistic in view.statistics("traceback"):
        sums = found.setdefault(known_part(statistic.traceback, nframe), [0, 0])
        sums[0] += statistic.count
        sums[1] += statistic.size
    return found


KINDS = ["malloc", "malloc", "calloc", "realloc", "realloc", "free"]
COUNTS = [0, 1, 1, 1, 3, 5]
odd = (
    st.integers(0, 300) | st.integers(0, 300_000) | st.sampled_from([0, 127, 255, 256])
)
a_step = st.tuples(
    st.sampled_from(CALLS),
    st.sampled_from(KINDS),
    st.integers(0, 20),
    st.integers(0, 2),
    odd.map(lambda n: 2 * n + 1),
    st.sampled_from(COUNTS),
)


class Tracer(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        gc.disable()
        self.model = Model()
        steps.load([("free", 62, 0, 0, 0)] * 250)
        run_all(bytes(250), CALLS * 50)  # nothing is specialized while it counts
        pytracemalloc.start(self.model.nframe)

    def teardown(self) -> None:
        self.run(
            [
                ("free", slot, domain, 0, 0)
                for slot, domain in self.model.domains.items()
            ]
        )
        pytracemalloc.stop()
        gc.enable()

    def run(
        self, program: list[tuple[Any, ...]], calls: list[Any] | None = None
    ) -> None:
        for i in range(0, len(program), 200):
            part = program[i : i + 200]
            steps.load(part)
            run_all(bytes(range(len(part))), calls or [first] * len(part))

    def call_for(self, planned: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The step as C does it: the domain is the block's, a full slot takes none."""
        call, what, slot, domain, size, count = planned
        full = slot in self.model.domains
        if full:
            domain = self.model.domains[slot]
        if what == "free" and not full or what in ("malloc", "calloc") and full:
            return None
        if what == "calloc":
            return call, what, slot, domain, count, size
        return call, what, slot, domain, size if count else 0, 0

    @rule(planned=st.lists(a_step, max_size=120))
    def run_program(self, planned: list[tuple[Any, ...]]) -> None:
        model = self.model
        calls: list[Any] = [reset, first]
        program: list[Any] = [
            ("free", 62, 0, 0, 0),
            ("malloc", BALLAST_SLOT, 0, BALLAST, 0),
        ]
        model.reset_peak()
        model.event(first, "malloc", BALLAST_SLOT, BALLAST)
        for plan in planned:
            done = self.call_for(plan)
            if done is None:
                continue
            call, what, slot, domain, a, b = done
            calls.append(call)
            program.append((what, slot, domain, a, b))
            model.event(call, what, slot, a * b if what == "calloc" else a)
            if what == "free":
                del model.domains[slot]
            else:
                model.domains[slot] = domain
        calls.append(first)
        program.append(("free", BALLAST_SLOT, 0, 0, 0))
        model.event(first, "free", BALLAST_SLOT, 0)
        self.run(program, calls)
        self.check_peak()

    @rule(seed=st.integers(0, 2**32), slots=st.sampled_from([2, 5, 20]))
    def run_long_program(self, seed: int, slots: int) -> None:
        pick = random.Random(seed)
        sizes = [2 * pick.randrange(10 ** pick.randrange(1, 6)) + 1 for _ in range(9)]
        self.run_program(
            [
                (pick.choice(CALLS), pick.choice(KINDS), pick.randrange(slots),
                 pick.randrange(3), pick.choice(sizes), pick.choice(COUNTS))
                for _ in range(180)
            ]
        )  # fmt: skip

    @rule()
    def clear(self) -> None:
        pytracemalloc.clear_traces()
        self.model.forget()

    @rule(nframe=st.integers(1, 5))
    def restart(self, nframe: int) -> None:
        pytracemalloc.stop()
        pytracemalloc.start(nframe)
        self.model.nframe = nframe
        self.model.forget()

    @invariant()
    def books_agree(self) -> None:
        before = pytracemalloc.get_traced_memory()[0]
        snapshot = pytracemalloc.take_snapshot()
        # All but the few objects that these lines themselves make and drop.
        assert abs(sum(t.size for t in snapshot.traces) - before) < 1000
        nframe = self.model.nframe
        assert blocks_in(snapshot, nframe) == +self.model.live
        assert allocated_in(snapshot, nframe) == self.model.allocated
        assert pytracemalloc.get_lost() == (0, 0)

    def check_peak(self) -> None:
        snapshot = pytracemalloc.take_snapshot(at="peak")
        peak = pytracemalloc.get_traced_memory()[1]
        blocks = pytracemalloc.get_traced_blocks()[1]
        assert blocks_in(snapshot, self.model.nframe) == +self.model.at_peak
        sizes = [trace.size for trace in snapshot.traces]
        assert (sum(sizes), len(sizes)) == (peak, blocks)
        assert peak >= self.model.best


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.enable()


TestTracer = Tracer.TestCase
TestTracer.settings = settings(
    max_examples=40,
    stateful_step_count=12,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_running_a_program_allocates_nothing_else() -> None:
    """What the exactness of the comparison rests on."""
    gc.disable()
    pytracemalloc.start()
    steps.load([("free", 62, 0, 0, 0)] * 250)
    numbers, calls = bytes(range(250)), [CALLS[i % len(CALLS)] for i in range(250)]
    calls[200] = reset
    for _ in range(20):  # until the interpreter has specialized the loop
        run_all(numbers, calls)
    before = pytracemalloc.take_snapshot()
    run_all(numbers, calls)
    after = pytracemalloc.take_snapshot()
    here = [*FILTERS, pytracemalloc.Filter(True, *RUNNER)]
    counts = [
        sum(
            s.count
            for s in x.view(at="allocated").filter_traces(here).statistics("lineno")
        )
        for x in (before, after)
    ]
    assert counts[0] == counts[1]
