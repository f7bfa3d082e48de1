# SPDX-License-Identifier: MIT
"""Sums beyond an int64, which no program has: refused, never wrapped around."""

from __future__ import annotations

import tracemalloc as theirs
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytracemalloc import Filter, Snapshot, stdlib

MOST = 2**63 - 1
WORDS = f"^what these statistics count has more than {MOST} bytes or blocks$"
QUESTIONS = [
    ("filename", False),
    ("lineno", False),
    ("traceback", False),
    ("filename", True),
    ("lineno", True),
]
FRAMES = st.tuples(st.sampled_from("ab"), st.integers(1, 2))
SIZES = st.sampled_from([0, 1, 2**60, 2**61, 2**62 - 1, 2**62, MOST - 1, MOST])
STACKS = st.lists(FRAMES, min_size=1, max_size=3).map(tuple)
TRACES = st.lists(st.tuples(st.just(0), SIZES, STACKS, st.none()), max_size=8)


def raw(size: int, name: str = "a") -> Any:
    return (0, size, ((name, 1),), 1)


def total(traces: Any, cumulative: bool) -> int:
    return sum(
        size * (len(frames) if cumulative else 1) for _, size, frames, _ in traces
    )


@given(TRACES, TRACES)
def test_as_the_standard_library_or_not_at_all(new, old):
    ours = [stdlib.Snapshot(list(one), 3) for one in (new, old)]
    others = [theirs.Snapshot(list(one), 3) for one in (new, old)]
    for question in QUESTIONS:
        fits = [total(one, question[1]) <= MOST for one in (new, old)]
        for one, other, is_fine in zip(ours, others, fits, strict=True):
            if is_fine:
                expected = repr(other.statistics(*question))
                assert repr(one.statistics(*question)) == expected
            else:
                with pytest.raises(OverflowError, match=WORDS):
                    one.statistics(*question)
        if all(fits):
            expected = repr(others[0].compare_to(others[1], *question))
            assert repr(ours[0].compare_to(ours[1], *question)) == expected
        else:
            with pytest.raises(OverflowError, match=WORDS):
                ours[0].compare_to(ours[1], *question)


@pytest.mark.parametrize("group_by", ["lineno", "module", "size", "domain"])
@pytest.mark.parametrize("cumulative", [False, True, "once"])
def test_merged(group_by, cumulative):
    if cumulative and group_by in ("size", "domain"):
        cumulative = False
    one = Snapshot([raw(2**62)], 1)
    assert one.statistics(group_by, cumulative)[0].size == 2**62
    merged = Snapshot.merge([one] * 3)
    with pytest.raises(OverflowError, match=WORDS):
        merged.statistics(group_by, cumulative)
    with pytest.raises(OverflowError, match=WORDS):
        one.compare_to(merged, group_by, cumulative)
    assert merged.statistics(group_by, cumulative, limit=0) == []


def test_merged_counts(snapshot_of: Callable[..., Any]):
    """Four files tell of 2**62 blocks each: of one place, and of four."""
    for names in ("aaaa", "abcd"):
        parts = [
            snapshot_of([([(name, "f", 1)], 1, 0, 2**62, 0, 2**62)]) for name in names
        ]
        merged = Snapshot.merge(parts)
        with pytest.raises(OverflowError, match=WORDS):
            merged.statistics("domain")
        with pytest.raises(OverflowError, match="more traces than a sequence"):
            len(merged.traces)


def test_a_file_of_it(tmp_path, children):
    path = tmp_path / "much.pb.gz"
    Snapshot([raw(2**62), raw(2**62, "b"), raw(5, "b")], 1).dump(path)
    loaded = Snapshot.load(path)
    with pytest.raises(OverflowError, match=WORDS):
        loaded.statistics("domain")
    less = loaded.filter_traces([Filter(True, "b")])
    assert less.statistics("lineno")[0].size == 2**62 + 5
    for words in (["report", path], ["diff", path, path]):
        done = children.call(*words)
        assert done.returncode == 2 and done.stdout == ""
        assert f"more than {MOST} bytes or blocks" in done.stderr
        assert done.stderr.count("\n") == 1
    done = children.call("convert", path, tmp_path / "much.csv")
    assert done.returncode == 0, done.stderr
