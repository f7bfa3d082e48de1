# SPDX-License-Identifier: MIT
"""What the main face's statistics are called, and which questions it refuses."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest

from pytracemalloc import Snapshot, Statistic, StatisticDiff, Traceback, _core

GROUP_BY = (
    "filename", "lineno", "function", "module", "traceback", "size", "domain",
)  # fmt: skip


def raw_frames(traceback):
    return tuple((frame.filename, frame.lineno) for frame in traceback)


#: A site of two blocks.
SITE = ((("a.py", "f", 3),), 64, 0, 2, 2, 2)


@pytest.fixture
def one_of_each(snapshot_of):
    snapshot = snapshot_of([SITE], {"a.py": "pkg.a"})
    return {group_by: snapshot.statistics(group_by)[0] for group_by in GROUP_BY}


@pytest.mark.parametrize(
    "group_by, text",
    [
        ("filename", "a.py:0"),
        ("lineno", "a.py:3"),
        ("traceback", "a.py:3"),
        ("function", "a.py in f"),
        ("module", "pkg.a"),
        ("size", "<64 bytes>"),
        ("domain", "<domain 0>"),
    ],
)
def test_text_of_statistics(one_of_each, group_by, text):
    statistic = one_of_each[group_by]
    assert str(statistic) == f"{text}: size=128 B, count=2, average=64 B"
    statistic.traceback = Traceback((("x", 1),))
    assert str(statistic).startswith("x:1: size=")


def test_text_of_differences(snapshot_of):
    snapshot = snapshot_of([((("a.py", None, 3),), 1, 5, 2, 2, 2)])
    texts = {
        "function": "a.py in <unknown>",
        "module": "<unknown>",
        "size": "<1 byte>",
        "domain": "<domain 5>",
    }
    for group_by, text in texts.items():
        (difference,) = snapshot.compare_to(Snapshot([], 1), group_by)
        assert str(difference) == f"{text}: size=2 B (+2 B), count=2 (+2), average=1 B"


@pytest.mark.parametrize(
    "name", ["traceback", "size", "count", "size_diff", "count_diff"]
)
def test_an_attribute_of_an_answer_is_set_and_deleted(snapshot_of, name):
    snapshot = snapshot_of([SITE])
    diff, other = (snapshot.compare_to(snapshot, "lineno")[0] for _ in range(2))
    value = getattr(diff, name)
    for given in (diff, 7, value):
        setattr(diff, name, given)
        assert getattr(diff, name) is given
    assert diff == other
    delattr(diff, name)
    for use in (getattr, delattr):
        with pytest.raises(AttributeError, match=name):
            use(diff, name)
    assert getattr(other, name) == value and diff.key == other.key


class Holder:
    """Something that may refer back."""


@pytest.mark.parametrize("name", ["traceback", "size", "count"])
def test_a_cycle_that_somebody_made_is_collected(one_of_each, name):
    holder = Holder()
    holder.statistic = one_of_each["lineno"]
    setattr(holder.statistic, name, holder)
    gone = weakref.ref(holder)
    del holder, one_of_each["lineno"]
    gc.collect()
    assert gone() is None


def test_a_cycle_through_frames_is_collected(one_of_each):
    holder = Holder()
    holder.traceback = one_of_each["lineno"].traceback
    holder.traceback._frames = ((holder, 1),)
    gone = weakref.ref(holder)
    del holder, one_of_each["lineno"]
    gc.collect()
    assert gone() is None


def test_keys_take_no_part_in_comparing(one_of_each):
    for found in one_of_each.values():
        made = Statistic(
            Traceback(raw_frames(found.traceback)), found.size, found.count
        )
        assert found == made and hash(found) == hash(made)
        assert made.key is made.traceback
        for again in (pickle.loads(pickle.dumps(found)), copy.copy(found)):
            assert again == found and again.key is again.traceback
        with pytest.raises(AttributeError, match="property 'key' of 'Statistic'"):
            found.key = 3
    with pytest.raises(AttributeError, match="no attribute 'traceback'"):
        Statistic.__new__(Statistic).key  # noqa: B018
    difference = StatisticDiff(made.traceback, 1, 1, 1, 1)
    assert difference.key is made.traceback


def test_functions_of_one_name(snapshot_of):
    """In two files two groups; in one file one. Tracebacks tell the file only."""
    frames = [("a.py", "f", 1), ("a.py", "f", 2), ("b.py", "f", 1), ("a.py", "g", 1)]
    snapshot = snapshot_of([((frame,), 8, 0, 1, 1, 1) for frame in frames])
    found = snapshot.statistics("function")
    assert {s.key: s.count for s in found} == {
        ("a.py", "f"): 2, ("b.py", "f"): 1, ("a.py", "g"): 1,
    }  # fmt: skip
    by_key = {s.key: s.traceback for s in found}
    assert by_key["a.py", "f"] == by_key["a.py", "g"] != by_key["b.py", "f"]
    assert [s.key for s in found[1:]] == [("b.py", "f"), ("a.py", "g")]


@pytest.mark.parametrize("group_by", ["traceback", "size", "domain"])
@pytest.mark.parametrize("cumulative", [True, "once", 1])
def test_no_cumulative_mode(group_by, cumulative):
    snapshot = Snapshot([], 1)
    words = f"^cumulative mode cannot by used with key type '{group_by}'$"
    with pytest.raises(ValueError, match=words):
        snapshot.statistics(group_by, cumulative)
    with pytest.raises(ValueError, match=words):
        snapshot.compare_to(snapshot, group_by, cumulative=cumulative)


@pytest.mark.parametrize(
    "keywords, error, words",
    [
        ({"limit": -1}, ValueError, "^limit must be 0 or more, not -1$"),
        ({"limit": -(10**30)}, ValueError, "^limit must be 0 or more, not -1000"),
        ({"limit": 1.5}, TypeError, "^limit must be an int or None, not float$"),
        ({"limit": "3"}, TypeError, "^limit must be an int or None, not str$"),
        ({"metric": "end"}, ValueError, "^unknown metric: 'end', it must be 'live'"),
        ({"metric": 3}, ValueError, "^unknown metric: 3, it must be"),
        ({"cumulative": "x"}, ValueError, "^unknown cumulative: 'x', it must be False"),
    ],
)  # fmt: skip
def test_wrong_arguments(keywords, error, words):
    snapshot = Snapshot([], 1)
    with pytest.raises(error, match=words):
        snapshot.statistics("module", **keywords)
    with pytest.raises(error, match=words):
        snapshot.compare_to(snapshot, "module", **keywords)


def test_huge_limit(snapshot_of):
    snapshot = snapshot_of([SITE])
    assert snapshot.statistics("size", limit=10**30) == snapshot.statistics("size")
    assert snapshot.statistics("size", limit=True) == snapshot.statistics("size")


def test_what_a_list_of_traces_does_not_tell(snapshot_of, tmp_path):
    made_by_hand = Snapshot([(0, 8, (("a.py", 1),), 1)], 1)
    made_by_hand.dump(tmp_path / "s")
    known = snapshot_of([])
    for snapshot in (made_by_hand, Snapshot.load(tmp_path / "s")):
        assert snapshot.statistics("lineno", metric="live") == snapshot.statistics(
            "lineno"
        )
        for metric in ("peak", "allocated", "freed"):
            words = (
                f"^this snapshot does not tell metric='{metric}': it comes from a list"
            )
            with pytest.raises(ValueError, match=words):
                snapshot.statistics("lineno", metric=metric)
            with pytest.raises(ValueError, match=words):
                known.compare_to(snapshot, "lineno", metric=metric)
            with pytest.raises(ValueError, match=words):
                snapshot.compare_to(known, "lineno", metric=metric)


def test_what_a_foreign_profile_does_not_tell(profile):
    """Only the columns that are there are known, whoever wrote the file."""
    made = profile()
    data = made.column("inuse_objects", "count") + made.column("inuse_space", "bytes")
    snapshot = _core._snapshot_of_profile(data + made.string_table())[0]
    assert snapshot.statistics("size", metric="live") == []
    for metric in ("peak", "allocated", "freed"):
        with pytest.raises(ValueError, match=f"does not tell metric='{metric}'"):
            snapshot.statistics("size", metric=metric)


def test_hand_made_snapshots_have_one_module():
    raw = [(0, 8, (("a.py", 1),), 1), (0, 8, (("b.py", 1),), 1)]
    (statistic,) = Snapshot(raw, 1).statistics("module")
    assert (statistic.key, statistic.count) == (None, 2)
    assert raw_frames(statistic.traceback) == (("<unknown>", 0),)
    assert str(statistic).startswith("<unknown>: size=16 B")


def test_blocks_whose_sizes_are_not_known(snapshot_of):
    """Recycled sites of several sizes: a group of their own, the last among equals."""
    frames = (("a.py", "f", 1),)
    sites = [(frames, 0, 0, 0, 0, 2), (frames, None, 0, 0, 0, 2)]
    snapshot = snapshot_of([*sites, (frames, 5, 0, 0, 0, 2)])
    found = snapshot.statistics("size", metric="allocated")
    assert [(s.key, s.size, s.count) for s in found] == [
        (5, 10, 2), (None, 10, 2), (0, 0, 2),
    ]  # fmt: skip
    assert raw_frames(found[1].traceback) == (("<unknown>", 0),)
    assert str(found[1]) == "<unknown>: size=10 B, count=2, average=5 B"
