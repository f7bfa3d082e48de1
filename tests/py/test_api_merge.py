# SPDX-License-Identifier: MIT
"""Snapshot.merge: what is asked of the merged is the sum of what is asked of each."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytracemalloc
from pytracemalloc import Filter, Snapshot, stdlib

FILES = st.sampled_from(["a.py", "b.py", "é\udcff.py", "<unknown>", ""])
FRAMES = st.tuples(FILES, st.integers(0, 4))
TRACES = st.tuples(
    st.sampled_from([0, 0, 1, 5]),
    st.integers(0, 3) | st.integers(0, 1 << 40),
    st.lists(FRAMES, min_size=1, max_size=5).map(tuple),
    st.none() | st.integers(1, 9),
)
SNAPSHOTS = st.builds(Snapshot, st.lists(TRACES, max_size=30), st.integers(1, 9))
MANY = st.lists(SNAPSHOTS, min_size=1, max_size=4)
QUESTIONS = [
    ("filename", False),
    ("lineno", False),
    ("traceback", False),
    ("filename", True),
    ("lineno", True),
]


def sums(snapshots, group_by, cumulative):
    """Traceback -> (size, count), added up over the snapshots."""
    size, count = Counter(), Counter()
    for snapshot in snapshots:
        for stat in snapshot.statistics(group_by, cumulative):
            size[stat.traceback] += stat.size
            count[stat.traceback] += stat.count
    return {key: (size[key], count[key]) for key in count}


@given(MANY)
def test_statistics_are_the_sums_of_statistics(snapshots):
    merged = Snapshot.merge(snapshots)
    for question in QUESTIONS:
        assert sums([merged], *question) == sums(snapshots, *question)
        found = merged.statistics(*question)
        assert len({stat.traceback for stat in found}) == len(found)


@given(MANY)
def test_traces_are_all_traces(snapshots):
    merged = Snapshot.merge(iter(snapshots))
    traces = [trace for snapshot in snapshots for trace in snapshot.traces]
    assert Counter(merged.traces) == Counter(traces)
    assert merged.traceback_limit == max(s.traceback_limit for s in snapshots)
    depths = Counter((t, t.traceback.total_nframe) for t in traces)
    assert Counter((t, t.traceback.total_nframe) for t in merged.traces) == depths


@given(MANY, st.sampled_from(["a.py", "?.py", "*"]), st.booleans(), st.booleans())
def test_filtered_before_or_after(snapshots, pattern, inclusive, all_frames):
    filters = [Filter(inclusive, pattern, all_frames=all_frames)]
    after = Snapshot.merge(snapshots).filter_traces(filters)
    before = Snapshot.merge(s.filter_traces(filters) for s in snapshots)
    assert Counter(after.traces) == Counter(before.traces)


@given(SNAPSHOTS, SNAPSHOTS)
def test_nothing_changes_in_what_was_merged(one, two):
    before = list(one.traces), list(two.traces), one.statistics("lineno")
    Snapshot.merge([one, two])
    assert before == (list(one.traces), list(two.traces), one.statistics("lineno"))


def taken():
    """A snapshot whose three counts differ."""
    pytracemalloc.start(3)
    kept = [bytearray(n) for n in range(100, 200)]
    gone = [bytearray(5000) for _ in range(100)]
    del gone
    snapshot = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    del kept
    return snapshot


@pytest.mark.parametrize("at", ["end", "peak", "allocated"])
def test_every_view_adds_up(at):
    snapshots = [taken(), taken()]
    merged = Snapshot.merge(snapshots)
    assert merged.at == "end"
    views = [snapshot.view(at) for snapshot in snapshots]
    for question in QUESTIONS:
        assert sums([merged.view(at)], *question) == sums(views, *question)
    assert Snapshot.merge(views).at == at


def test_names_and_columns_stay():
    snapshot = taken()
    merged = Snapshot.merge([snapshot, snapshot])
    line = snapshot.statistics("lineno")[0].traceback[0]
    same = merged.statistics("lineno")[0].traceback[0]
    # up to 3.11 the list has a frame of its own, and both may or may not have blocks
    assert line.name in ("taken", "taken.<locals>.<listcomp>", None)
    assert (same.name, same.colno, same.end_lineno, same.end_colno) == (
        (line.name, line.colno, line.end_lineno, line.end_colno)
    )


def test_through_files(tmp_path):
    snapshots = [taken(), taken()]
    for i, snapshot in enumerate(snapshots):
        snapshot.dump(tmp_path / f"{i}.pb.gz")
    merged = Snapshot.merge(Snapshot.load(tmp_path / f"{i}.pb.gz") for i in range(2))
    merged.dump(tmp_path / "merged.pb.gz")
    again = Snapshot.load(tmp_path / "merged.pb.gz")
    assert sums([again], "traceback", False) == sums(snapshots, "traceback", False)


def test_losses_add_up():
    snapshots = []
    for n in (100, 300):
        pytracemalloc.start()
        pytracemalloc._core._fail_after(0)
        kept = [bytearray(i) for i in range(1000, 200_000, n)]
        pytracemalloc._core._fail_after(-1)
        snapshots.append(pytracemalloc.take_snapshot())
        pytracemalloc.stop()
        del kept
    one, two = (snapshot.lost for snapshot in snapshots)
    assert one[0] > 0 and two[0] > 0
    assert Snapshot.merge(snapshots).lost == (one[0] + two[0], one[1] + two[1])


def test_views_must_agree():
    snapshot = taken()
    with pytest.raises(ValueError, match=r"'end' and 'peak': use view\(\) first"):
        Snapshot.merge([snapshot, snapshot.view("peak")])


def test_what_cannot_be_merged():
    with pytest.raises(ValueError, match="at least one snapshot"):
        Snapshot.merge([])
    with pytest.raises(TypeError, match="iterable of .*, not of <class 'str'>"):
        Snapshot.merge(["app.pb.gz"])
    with pytest.raises(TypeError, match="not of .*tracemalloc.Snapshot"):
        Snapshot.merge([stdlib.Snapshot([], 1)])
    with pytest.raises(TypeError, match="not iterable"):
        Snapshot.merge(taken())
    with pytest.raises(TypeError, match="snapshots"):
        Snapshot.merge()
    assert not hasattr(stdlib.Snapshot, "merge")


def test_subclasses_and_attributes():
    class Named(Snapshot):
        pass

    one, two = Snapshot([], 1), Named([], 7)
    one.host = "a"
    merged = Named.merge(snapshots=[one, two])
    assert type(merged) is Named and merged.traceback_limit == 7
    assert not hasattr(merged, "host")  # it is of one of them only
    assert type(Snapshot.merge([two])) is Snapshot


def test_no_reference_is_kept_or_lost():
    """By the count of a list that a snapshot made of it holds."""
    import sys

    traces = [(0, 8, (("a.py", 1),), None)]
    snapshot = Snapshot(traces, 1)
    counts = sys.getrefcount(traces), sys.getrefcount(snapshot)
    for _ in range(10):
        Snapshot.merge([snapshot, snapshot])
        with pytest.raises(TypeError):
            Snapshot.merge([snapshot, 5])
    assert (sys.getrefcount(traces), sys.getrefcount(snapshot)) == counts


def test_in_threads_at_once():
    snapshots = [taken(), taken()]
    answers = []

    def work():
        answers.append(len(Snapshot.merge(snapshots).traces))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {sum(len(s.traces) for s in snapshots)}
