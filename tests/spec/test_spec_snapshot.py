# SPDX-License-Identifier: MIT
"""The specification's snapshots and statistics, sentence by sentence."""

from __future__ import annotations

import inspect

import pytest

import pytracemalloc
from pytracemalloc import (
    Filter,
    Snapshot,
    Statistic,
    StatisticDiff,
    Trace,
    Traceback,
)

# Most recent frame first, as everywhere in this face.
A_B = (("a.py", 2), ("b.py", 4))
A5_B = (("a.py", 5), ("b.py", 4))
B1 = (("b.py", 1),)
C = (("c.py", 578),)


def old():
    return Snapshot(
        [(0, 10, A_B, 3)] * 3 + [(0, 2, A5_B, 3), (0, 66, B1, 1), (0, 7, C, 1)], 2
    )


def new():
    return Snapshot(
        [(0, 10, A_B, 3)] * 3
        + [(0, 2, A5_B, 3), (0, 5000, A5_B, 3), (0, 400, (("d.py", 1),), 1)],
        2,
    )


def plain(statistics):
    """(frames, size, count, …) of statistics, without the classes under test."""
    rows = []
    for one in statistics:
        frames = tuple((f.filename, f.lineno) for f in one.traceback)
        row = (frames, one.size, one.count)
        if isinstance(one, StatisticDiff):
            row = (frames, one.size, one.size_diff, one.count, one.count_diff)
        rows.append(row)
    return rows


@pytest.mark.sentence(
    "compare_to(old_snapshot: Snapshot, group_by: str, cumulative: bool=False)"
)
@pytest.mark.sentence("statistics(group_by: str, cumulative: bool=False)")
@pytest.mark.sentence("dump(filename)")
@pytest.mark.sentence("filter_traces(filters)")
def test_signatures():
    """What is ours alone is by keyword only and may be left out."""

    def parameters(name):
        signature = inspect.signature(getattr(Snapshot, name))
        known = signature.parameters.values()
        extra = [p for p in known if p.kind is inspect.Parameter.KEYWORD_ONLY]
        assert all(p.default is None for p in extra)
        theirs = [p for p in known if p not in extra]
        return str(signature.replace(parameters=theirs))

    compare_to = "(self, old_snapshot, group_by, cumulative=False)"
    assert parameters("compare_to") == compare_to
    assert parameters("statistics") == "(self, group_by, cumulative=False)"
    assert parameters("dump") == "(self, filename)"
    assert parameters("filter_traces") == "(self, filters)"
    assert old().statistics(group_by="lineno", cumulative=True)
    assert new().compare_to(old_snapshot=old(), group_by="lineno", cumulative=True)


@pytest.mark.sentence("Compute the differences with an old snapshot.")
@pytest.mark.sentence(
    "Get statistics as a sorted list of StatisticDiff instances grouped by group_by."
)
@pytest.mark.sentence(
    "Snapshot.compare_to() returns a list of StatisticDiff instances."
)
@pytest.mark.sentence(
    "Statistic difference on memory allocations between an old and a new "
    "Snapshot instance."
)
def test_compare_to():
    differences = new().compare_to(old(), "lineno")
    assert type(differences) is list
    assert {type(one) for one in differences} == {StatisticDiff}
    assert plain(differences) == [
        ((("a.py", 5),), 5002, 5000, 2, 1),
        ((("d.py", 1),), 400, 400, 1, 1),
        ((("b.py", 1),), 0, -66, 0, -1),
        ((("c.py", 578),), 0, -7, 0, -1),
        ((("a.py", 2),), 30, 0, 3, 0),
    ]
    assert plain(new().compare_to(old(), "filename"))[0][0] == (("a.py", 0),)
    assert plain(new().compare_to(old(), "traceback"))[0][0] == A5_B


@pytest.mark.sentence(
    "The result is sorted from the biggest to the smallest by: absolute value of "
    "StatisticDiff.size_diff, StatisticDiff.size, absolute value of "
    "StatisticDiff.count_diff, Statistic.count and then by "
    "StatisticDiff.traceback."
)
def test_order_of_differences():
    def blocks(name, count, size):
        return [(0, size, ((name, 1),), 1)] * count

    before = Snapshot(
        blocks("b", 1, 50) + blocks("c", 1, 100) + blocks("d", 2, 50)
        + blocks("e", 4, 25) + blocks("z", 4, 25) + blocks("y", 4, 25), 1
    )  # fmt: skip
    after = Snapshot(
        blocks("a", 1, 60) + blocks("b", 2, 75) + blocks("c", 2, 75)
        + blocks("d", 3, 50) + blocks("e", 6, 25) + blocks("z", 6, 25)
        + blocks("y", 8, 25), 1
    )  # fmt: skip
    rows = plain(after.compare_to(before, "lineno"))
    assert rows == sorted(
        rows,
        key=lambda row: (abs(row[2]), row[1], abs(row[4]), row[3], row[0]),
        reverse=True,
    )
    names = [row[0][0][0] for row in rows]
    # by size_diff: y, b (100) before a (60) before c, d, e, z (50)
    assert names == ["y", "b", "a", "z", "e", "d", "c"]


@pytest.mark.sentence("Write the snapshot into a file.")
@pytest.mark.sentence("Use load() to reload the snapshot.")
@pytest.mark.sentence("classmethod load(filename)")
@pytest.mark.sentence("Load a snapshot from a file.")
def test_dump_and_load(tmp_path):
    class Own(Snapshot):
        pass

    path = str(tmp_path / "snapshot")
    assert old().dump(path) is None
    loaded = Snapshot.load(filename=path)
    assert type(loaded) is Snapshot
    assert list(loaded.traces) == list(old().traces)
    assert loaded.traceback_limit == 2
    assert type(Own.load(path)) is Own


@pytest.mark.sentence(
    "Create a new Snapshot instance with a filtered traces sequence, filters is a "
    "list of Filter instances."
)
def test_filter_traces():
    taken = old()
    filtered = taken.filter_traces([Filter(True, "b.py")])
    assert type(filtered) is Snapshot and filtered is not taken
    assert [trace.size for trace in filtered.traces] == [66]
    assert filtered.traceback_limit == 2
    assert len(taken.traces) == 6


@pytest.mark.sentence(
    "If filters is an empty list, return a new Snapshot instance with a copy of "
    "the traces."
)
def test_no_filters():
    taken = old()
    copy = taken.filter_traces([])
    assert type(copy) is Snapshot and copy is not taken
    assert copy.traces == taken.traces and copy.traces is not taken.traces


@pytest.mark.sentence(
    "All inclusive filters are applied at once, a trace is ignored if no "
    "inclusive filters match it."
)
def test_inclusive_filters_at_once():
    filters = [Filter(True, "b.py"), Filter(True, "c.py")]
    sizes = [trace.size for trace in old().filter_traces(filters).traces]
    assert sizes == [66, 7]


@pytest.mark.sentence("A trace is ignored if at least one exclusive filter matchs it.")
def test_exclusive_filters():
    filters = [Filter(False, "b.py"), Filter(False, "a.py", 2), Filter(True, "[ab].py")]
    sizes = [trace.size for trace in old().filter_traces(filters).traces]
    assert sizes == [2]


@pytest.mark.sentence(
    "Get statistics as a sorted list of Statistic instances grouped by group_by:"
)
@pytest.mark.sentence("Snapshot.statistics() returns a list of Statistic instances.")
@pytest.mark.sentence("Statistic on memory allocations.")
@pytest.mark.sentence(
    "Use the Snapshot.statistics() method to get a sorted list of statistics."
)
@pytest.mark.sentence("'lineno' filename and line number")
def test_statistics_by_line():
    statistics = old().statistics("lineno")
    assert type(statistics) is list
    assert {type(one) for one in statistics} == {Statistic}
    assert plain(statistics) == [
        ((("b.py", 1),), 66, 1),
        ((("a.py", 2),), 30, 3),
        ((("c.py", 578),), 7, 1),
        ((("a.py", 5),), 2, 1),
    ]


@pytest.mark.sentence("'filename' filename")
def test_statistics_by_file():
    assert plain(old().statistics("filename")) == [
        ((("b.py", 0),), 66, 1),
        ((("a.py", 0),), 32, 4),
        ((("c.py", 0),), 7, 1),
    ]


@pytest.mark.sentence("'traceback' traceback")
def test_statistics_by_traceback():
    assert plain(old().statistics("traceback")) == [
        (B1, 66, 1),
        (A_B, 30, 3),
        (C, 7, 1),
        (A5_B, 2, 1),
    ]


@pytest.mark.sentence(
    "If cumulative is True, cumulate size and count of memory blocks of all "
    "frames of the traceback of a trace, not only the most recent frame."
)
def test_cumulative():
    assert plain(old().statistics("filename", True)) == [
        ((("b.py", 0),), 98, 5),
        ((("a.py", 0),), 32, 4),
        ((("c.py", 0),), 7, 1),
    ]
    assert plain(old().statistics("lineno", cumulative=True)) == [
        ((("b.py", 1),), 66, 1),
        ((("b.py", 4),), 32, 4),
        ((("a.py", 2),), 30, 3),
        ((("c.py", 578),), 7, 1),
        ((("a.py", 5),), 2, 1),
    ]


@pytest.mark.sentence(
    "The cumulative mode can only be used with group_by equals to 'filename' and "
    "'lineno'."
)
def test_cumulative_by_traceback():
    with pytest.raises(ValueError):
        old().statistics("traceback", cumulative=True)
    with pytest.raises(ValueError):
        new().compare_to(old(), "traceback", cumulative=True)


@pytest.mark.sentence(
    "The result is sorted from the biggest to the smallest by: Statistic.size, "
    "Statistic.count and then by Statistic.traceback."
)
def test_order_of_statistics():
    def blocks(name, line, count, size):
        return [(0, size, ((name, line),), 1)] * count

    taken = Snapshot(
        blocks("a", 9, 1, 100) + blocks("a", 10, 1, 100) + blocks("b", 1, 1, 100)
        + blocks("c", 1, 2, 50) + blocks("d", 1, 1, 101), 1
    )  # fmt: skip
    frames = [row[0][0] for row in plain(taken.statistics("lineno"))]
    assert frames == [("d", 1), ("c", 1), ("b", 1), ("a", 10), ("a", 9)]


@pytest.mark.sentence(
    "Maximum number of frames stored in the traceback of traces: result of the "
    "get_traceback_limit() when the snapshot was taken."
)
def test_traceback_limit():
    pytracemalloc.start(13)
    taken = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    pytracemalloc.start(2)
    assert taken.traceback_limit == 13


@pytest.mark.sentence(
    "Traces of all memory blocks allocated by Python: sequence of Trace instances."
)
@pytest.mark.sentence("The Snapshot.traces attribute is a sequence of Trace instances.")
def test_traces():
    pytracemalloc.start()
    kept = [bytes(1000 + n) for n in range(50)]
    taken = pytracemalloc.take_snapshot()
    traces = list(taken.traces)
    assert {type(trace) for trace in traces} == {Trace}
    assert len(traces) == len(taken.traces) >= 50
    assert taken.traces[0] == traces[0] and taken.traces[-1] == traces[-1]
    sizes = {trace.size for trace in traces}
    assert {block.__sizeof__() for block in kept} <= sizes


@pytest.mark.sentence("Number of memory blocks (int).")
@pytest.mark.sentence("Total size of memory blocks in bytes (int).")
def test_size_and_count_of_a_statistic():
    statistic = old().statistics("lineno")[1]
    assert (type(statistic.size), statistic.size) == (int, 30)
    assert (type(statistic.count), statistic.count) == (int, 3)


@pytest.mark.sentence(
    "Traceback where the memory block was allocated, Traceback instance."
)
@pytest.mark.sentence(
    "Traceback where the memory blocks were allocated, Traceback instance."
)
@pytest.mark.sentence(
    "The Trace.traceback attribute is an instance of Traceback instance."
)
def test_tracebacks():
    assert type(old().statistics("traceback")[0].traceback) is Traceback
    assert type(new().compare_to(old(), "traceback")[0].traceback) is Traceback
    assert type(old().traces[0].traceback) is Traceback
    assert old().traces[0].traceback == Traceback(A_B)


def row_of(name):
    rows = plain(new().compare_to(old(), "filename"))
    (row,) = [row for row in rows if row[0] == ((name, 0),)]
    return row[1:]


@pytest.mark.sentence(
    "Number of memory blocks in the new snapshot (int): 0 if the memory blocks "
    "have been released in the new snapshot."
)
@pytest.mark.sentence(
    "Total size of memory blocks in bytes in the new snapshot (int): 0 if the "
    "memory blocks have been released in the new snapshot."
)
def test_released_blocks():
    size, size_diff, count, count_diff = row_of("b.py")
    assert (size, count) == (0, 0)
    assert (size_diff, count_diff) == (-66, -1)


# What follows the colon cannot be meant: the difference of 0 and n blocks is n, as
# the old module and the standard library show it. So does this one.
@pytest.mark.sentence(
    "Difference of number of memory blocks between the old and the new snapshots "
    "(int): 0 if the memory blocks have been allocated in the new snapshot."
)
@pytest.mark.sentence(
    "Difference of total size of memory blocks in bytes between the old and the "
    "new snapshots (int): 0 if the memory blocks have been allocated in the new "
    "snapshot."
)
def test_differences():
    assert row_of("a.py") == (5032, 5000, 5, 1)
    assert row_of("d.py") == (400, 400, 1, 1)


@pytest.mark.sentence("Trace of a memory block.")
@pytest.mark.sentence("Size of the memory block in bytes (int).")
def test_size_of_a_trace():
    trace = old().traces[4]
    assert (type(trace.size), trace.size) == (int, 66)
