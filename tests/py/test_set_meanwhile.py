# SPDX-License-Identifier: MIT
"""Values that set the attribute they are being read from: nobody reads what is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pytracemalloc
from pytracemalloc import stdlib

FACES = pytest.mark.parametrize("face", [pytracemalloc, stdlib])


class Sly:
    """Does something whenever it is compared, hashed or written."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act
        self.done = 0

    def react(self) -> None:
        self.done += 1
        self.act()

    def __eq__(self, other: object) -> bool:
        self.react()
        return True

    def __ge__(self, other: object) -> bool:
        self.react()
        return False

    def __hash__(self) -> int:
        self.react()
        return 7

    def __str__(self) -> str:
        self.react()
        return "sly"

    __repr__ = __str__


def questions(other: Callable[[], Any]) -> list[Callable[[Any], Any]]:
    return [hash, str, repr, lambda p: p == other(), lambda p: other() == p]


@FACES
def test_a_frame(face: Any) -> None:
    frame: Any = None
    sly = Sly(lambda: frame.__init__(("other" + ".py", len([1]) + 300)))
    for question in questions(lambda: face.Frame((Sly(sly.act), 1))):
        frame = face.Frame((sly, 1))
        question(frame)
    assert sly.done > 0 and frame.filename == "other.py"


@FACES
def test_a_traceback(face: Any) -> None:
    traceback: Any = None

    def replace() -> None:
        traceback.__init__([("other" + ".py", n + 300) for n in range(9)])

    sly = Sly(replace)
    for question in questions(lambda: face.Traceback(((Sly(sly.act), 1),) * 2)):
        traceback = face.Traceback(((sly, 1), (sly, 2)))
        question(traceback)
    traceback.__init__((("some.py", sly), ("some.py", 2)))
    assert traceback.format()
    assert sly.done > 0 and len(traceback) == 9


@FACES
def test_a_trace(face: Any) -> None:
    trace: Any = None
    sly = Sly(lambda: trace.__init__((0, 300 + len([1]), (("other" + ".py", 1),), 1)))
    rest = (1, (("some.py", 1),), 1)
    for question in questions(lambda: face.Trace((Sly(sly.act), *rest))):
        trace = face.Trace((sly, *rest))
        question(trace)
    assert sly.done > 0 and trace.size == 301


@FACES
@pytest.mark.parametrize("name, n", [("Statistic", 3), ("StatisticDiff", 5)])
def test_a_statistic(face: Any, name: str, n: int) -> None:
    make = getattr(face, name)
    stat: Any = None
    sly = Sly(lambda: stat.__init__(*range(300, 300 + n)))
    numbers = range(1, n)
    for question in questions(lambda: make(Sly(sly.act), *numbers)):
        stat = make(sly, *numbers)
        question(stat)
    assert sly.done > 0 and stat.traceback == 300


@FACES
def test_traces(face: Any) -> None:
    raw = (0, 8, (("some.py", 1),), 1)
    snapshot = face.Snapshot([], 1)
    traces = snapshot.traces

    def replace() -> None:
        traces._traces = [raw] * 3

    sly = Sly(replace)
    other = (Sly(replace), *raw[1:])
    traces._traces = [(sly, *raw[1:])] * 2
    assert face.Trace(other) in traces
    traces._traces = [(sly, *raw[1:])] * 2
    assert traces == face.Snapshot([other] * 2, 1).traces
    assert sly.done > 0 and len(traces) == 3
