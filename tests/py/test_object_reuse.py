# SPDX-License-Identifier: MIT
"""Objects whose memory waited in a free list: from 3.13 on they are shown where they
came to life again, and with the size that their block was requested with."""

from __future__ import annotations

import contextvars
import gc
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import pytracemalloc

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="nobody is told of objects from free lists"
)

MOST_KEPT = 2000  # by any free list: so many of the first may lie in blocks of before
MANY = 2 * MOST_KEPT + 1000  # the last ones go first, and fill the free list
FEW = 20

KINDS = {
    "tuple of one": "(n,)",
    "tuple of three": "(n, NUMBERS, n)",
    "list": "[]",
    "dict": "{}",
    "float": "n / 7",
    "slice": "slice(n, NUMBERS)",
    "method": "HAS_METHOD.method",
    "function of C": "NUMBERS.append",
    "method of C": "PATTERN.match",
    "context": "CONTEXT.copy()",
    "iterator of a tuple": "iter(SOME)",
    "iterator of a list": "iter(NUMBERS)",
    "range": "range(3, 4)",
    "iterator of a range": "iter(RANGE)",
    "complex": "complex(n, 1)",
    "large int": "n * 1000",
}


class HasMethod:
    def method(self) -> None:
        pass


NAMES = {
    "NUMBERS": [3, 4, 5, 6],
    "SOME": (3, 4, 5),
    "RANGE": range(100),
    "HAS_METHOD": HasMethod(),
    "PATTERN": re.compile("a"),
    "CONTEXT": contextvars.copy_context(),
}


def sizes_made_in(file: str, expression: str, how_many: int) -> Counter[int]:
    """How many blocks of which size are alive when so many objects are made there."""
    names: dict[str, Any] = dict(NAMES)
    exec(compile(f"def make(n): return {expression}", file, "exec"), names)
    make = names["make"]
    kept: list[Any] = [None] * how_many
    for n in range(how_many):
        kept[n] = make(n + 1000)
    traces = pytracemalloc.take_snapshot().traces
    assert None not in kept
    return Counter(t.size for t in traces if t.traceback[0].filename == file)


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """What it frees goes to the free lists, and is from before the start. A whole one
    empties them: the tuple of a call's arguments is then one more block of the line."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", KINDS)
def test_a_reused_object_has_its_place_and_size(kind: str) -> None:
    pytracemalloc.start(1)
    fresh = sizes_made_in("<fresh>", KINDS[kind], MANY)
    few = sizes_made_in("<few>", KINDS[kind], FEW)  # of what the others left behind
    pytracemalloc.stop()
    assert sum(fresh.values()) >= MANY - MOST_KEPT
    usual = {size for size, count in fresh.items() if count >= MANY - MOST_KEPT}
    assert len(usual) == 1
    # The rest of the process makes and leaves such objects, too.
    assert FEW / 2 <= few[usual.pop()] <= FEW, (few, fresh)
    assert few.keys() <= fresh.keys()


def made_in(file: str, expression: str, how_many: int) -> int:
    """How many blocks were ever allocated there, when so many objects are made, each
    gone before the next. Those of before the start do not wait any more."""
    numbered = [n + 1000 for n in range(how_many)]
    names: dict[str, Any] = {**NAMES, "NUMBERED": numbered}
    exec(f"def hoard(): return [{expression} for n in NUMBERED]", names)
    loop = f"def churn():\n kept = hoard()\n for n in NUMBERED: {expression}"
    exec(compile(loop, file, "exec"), names)
    names["churn"]()
    snapshot = pytracemalloc.take_snapshot().view(at="allocated")
    lines = snapshot.statistics("lineno")
    return sum(line.count for line in lines if line.traceback[0].filename == file)


@pytest.mark.parametrize("nframe", [1, 25])
@pytest.mark.parametrize("kind", KINDS)
def test_each_life_of_a_block_counts_as_an_allocation(kind: str, nframe: int) -> None:
    """Also where it comes back to the very place it had, a thousand times."""
    pytracemalloc.start(nframe)
    made = made_in("<churn>", KINDS[kind], MANY)
    here = [pytracemalloc.Filter(True, "<churn>")]
    live = pytracemalloc.take_snapshot().filter_traces(here)
    pytracemalloc.stop()
    assert made >= MANY
    assert made % MANY <= FEW, made
    assert len(live.traces) < FEW
