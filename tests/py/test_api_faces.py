# SPDX-License-Identifier: MIT
"""Where the two faces differ: docs/two-faces.md has one table, a test per row."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import subprocess
import sys

import pytest

import pytracemalloc as main
from pytracemalloc import stdlib

RAW = [
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (0, 10, (("b.py", 1), ("a.py", 9)), 2),
]


def pairs(frames):
    return [(frame.filename, frame.lineno) for frame in frames]


def recursion(n):
    return bytes(3000) if n == 0 else recursion(n - 1)


def test_order_of_frames():
    frames = [("recent.py", 1), ("oldest.py", 2)]
    assert pairs(main.Traceback(frames)) == frames
    assert pairs(stdlib.Traceback(frames)) == frames[::-1]
    main.start(2)
    block = recursion(1)
    lines = pairs(main.get_object_traceback(block))
    assert pairs(stdlib.get_object_traceback(block)) == lines[::-1]


def test_text_of_a_traceback():
    frames = [("recent.py", 1), ("oldest.py", 2)]
    assert str(main.Traceback(frames)) == "recent.py:1"
    assert str(stdlib.Traceback(frames)) == "oldest.py:2"


def test_order_of_equal_statistics():
    def order(module):
        found = module.Snapshot(RAW, 2).statistics("traceback")
        return [set(pairs(one.traceback)) for one in found]

    assert order(main) == [set(RAW[1][2]), set(RAW[0][2])]
    assert order(stdlib) == [set(RAW[1][2]), set(RAW[0][2])][::-1]


def test_format_is_the_same():
    frames = [("recent.py", 1), ("oldest.py", 2), ("start.py", 3)]
    ours, theirs = main.Traceback(frames), stdlib.Traceback(frames)
    for limit in (None, 0, 1, 2, 9, -1, -2, -9):
        for most_recent_first in (False, True):
            lines = ours.format(limit, most_recent_first)
            assert lines == theirs.format(limit, most_recent_first)
    assert ours.format()[-1] == '  File "recent.py", line 1'


def test_empty_traceback():
    assert pairs(main.Traceback(())) == [("<unknown>", 0)]
    assert pairs(stdlib.Traceback(())) == []


def test_pyo():
    assert main.Filter(True, "a.pyo").filename_pattern == "a.py"
    assert stdlib.Filter(True, "a.pyo").filename_pattern == "a.pyo"
    raw = [(0, 1, (("a.pyo", 1),), 1)]
    for module, kept in ((main, 1), (stdlib, 0)):
        snapshot = module.Snapshot(raw, 1).filter_traces([module.Filter(True, "a.py")])
        assert len(snapshot.traces) == kept


def test_limit_when_off():
    with pytest.raises(RuntimeError, match="must be tracing"):
        main.get_traceback_limit()
    code = "from pytracemalloc import stdlib; print(stdlib.get_traceback_limit())"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"1\n"
    stdlib.start(7)
    stdlib.stop()
    assert stdlib.get_traceback_limit() == 7


def test_start_by_keyword():
    with pytest.raises(TypeError, match=r"_tracemalloc\.start\(\) takes no keyword"):
        stdlib.start(nframe=5)
    main.start(nframe=5)
    assert main.get_traceback_limit() == 5


def test_name_of_the_key():
    ours, theirs = main.Snapshot(RAW, 2), stdlib.Snapshot(RAW, 2)
    for name in ("group_by", "key_type"):
        assert ours.statistics(**{name: "lineno"})
        assert ours.compare_to(ours, **{name: "lineno"})
    assert theirs.statistics(key_type="lineno")
    with pytest.raises(TypeError):
        theirs.statistics(group_by="lineno")
    with pytest.raises(TypeError, match="both group_by and key_type"):
        ours.statistics("lineno", key_type="lineno")
    with pytest.raises(TypeError, match="missing required argument 'group_by'"):
        ours.statistics()


def test_words_for_an_unknown_key():
    with pytest.raises(ValueError, match="^unknown group_by: 'foo'$"):
        main.Snapshot(RAW, 2).statistics("foo")
    with pytest.raises(ValueError, match="^unknown key_type: 'foo'$"):
        stdlib.Snapshot(RAW, 2).statistics("foo")


def test_load_is_a_classmethod(tmp_path):
    class Main(main.Snapshot):
        pass

    class Stdlib(stdlib.Snapshot):
        pass

    main.Snapshot(RAW, 2).dump(tmp_path / "main")
    stdlib.Snapshot(RAW, 2).dump(tmp_path / "stdlib")
    assert type(Main.load(tmp_path / "main")) is Main
    assert type(Stdlib.load(tmp_path / "stdlib")) is stdlib.Snapshot


def test_files(tmp_path):
    path = tmp_path / "file"
    main.Snapshot(RAW, 2).dump(path)
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    stdlib.Snapshot(RAW, 2).dump(path)
    assert path.read_bytes()[:1] == pickle.PROTO
    assert main.Snapshot.load(path).traces == main.Snapshot(RAW, 2).traces


def test_names_of_classes():
    assert main.Snapshot.__module__ == "pytracemalloc"
    assert stdlib.Snapshot.__module__ == "tracemalloc"
    assert main.Traces.__name__ == "Traces"
    assert stdlib._Traces.__name__ == "_Traces"


def test_object_traceback_tells_its_depth():
    main.start(2)
    block = recursion(30)
    assert main.get_object_traceback(block).total_nframe > 30
    assert stdlib.get_object_traceback(block).total_nframe is None


def test_names_and_columns():
    main.start()
    block = recursion(0)
    (frame,) = main.get_object_traceback(block)
    assert frame.name == "recursion"
    assert not hasattr(stdlib.get_object_traceback(block)[0], "name")


def test_moments_of_a_snapshot():
    main.start()
    assert main.take_snapshot(at="peak").at == "peak"
    with pytest.raises(TypeError):
        stdlib.take_snapshot(at="peak")
    assert not hasattr(stdlib.take_snapshot(), "at")


def test_raw_list_of_traces():
    ours, theirs = main.Snapshot([], 1), stdlib.Snapshot([], 1)
    main.start()
    block = bytes(5000)
    ours, theirs = main.take_snapshot(), stdlib.take_snapshot()
    ours.traces._traces.clear()
    assert len(ours.traces) > 0
    theirs.traces._traces.clear()
    assert len(theirs.traces) == 0 and len(block) == 5000


def test_own_filter_classes():
    """main asks once for each distinct trace, stdlib for each block."""
    main.start()
    kept = [bytes(5000) for _ in range(100)]
    for module, least, most in ((main, 1, 99), (stdlib, 100, 10**6)):
        calls = []

        class Own(module.BaseFilter):
            def _match(self, trace, calls=calls):
                calls.append(trace)
                return trace[1] > 5000

        snapshot = module.take_snapshot()
        filtered = snapshot.filter_traces([Own(True)])
        assert len(filtered.traces) == len(kept)
        big = [trace for trace in calls if trace[1] > 5000]
        assert least <= len(big) <= most


def test_late_bound_names(monkeypatch):
    raw = [(0, 5, (("a.py", 2),), 10)]
    monkeypatch.setattr(stdlib, "is_tracing", lambda: True)
    monkeypatch.setattr(stdlib, "get_traceback_limit", lambda: 5)
    monkeypatch.setattr(stdlib, "_get_traces", lambda: raw)
    snapshot = stdlib.take_snapshot()
    assert snapshot.traces._traces is raw and snapshot.traceback_limit == 5
    monkeypatch.setattr(stdlib, "_format_size", lambda size, sign: (size, sign))
    assert str(snapshot.traces[0]) == "a.py:2: (5, False)"
    monkeypatch.setattr(main, "is_tracing", lambda: True)
    with pytest.raises(RuntimeError):
        main.take_snapshot()


def test_replaced_classes(monkeypatch):
    for module in (main, stdlib):

        class Own(module.Snapshot):
            def _group_by(self, key_type, cumulative):
                return {}

        class Statistic(module.Statistic):
            __slots__ = ()

        monkeypatch.setattr(module, "Statistic", Statistic)
        stats = Own(RAW, 2).statistics("lineno")
        assert len(stats) == 2 and type(stats[0]) is not Statistic
        monkeypatch.setattr(module, "Snapshot", Own)
        module.start()
        assert (type(module.take_snapshot()) is Own) == (module is stdlib)


def test_copies_stay_in_their_face():
    for module in (main, stdlib):
        snapshot = module.Snapshot(RAW, 2)
        for value in (snapshot, snapshot.traces, snapshot.traces[0].traceback):
            assert type(copy.copy(value)) is type(value)
            assert type(copy.deepcopy(value)) is type(value)


def test_a_new_group_shows_all_of_it():
    for module in (main, stdlib):
        differences = module.Snapshot(RAW, 2).compare_to(
            module.Snapshot([], 2), "filename"
        )
        assert [(d.size_diff, d.count_diff) for d in differences] == [(10, 1)] * 2


def test_compare_with_something_else():
    with pytest.raises(TypeError, match="old_snapshot must be a Snapshot, not int"):
        main.Snapshot(RAW, 2).compare_to(3, "lineno")
    with pytest.raises(AttributeError, match="'int' object has no attribute"):
        stdlib.Snapshot(RAW, 2).compare_to(3, "lineno")


def test_values_that_are_no_traces():
    """Beyond what the tracer could say, stdlib groups anything; ours says what."""
    for module in (main, stdlib):
        for raw, words in (
            ((-1, 1, (("a", 1),), 1), "the domain of a trace must be in range"),
            ((0, -1, (("a", 1),), 1), "the size of a trace must be in range"),
            ((0, 1, (("a", -1),), 1), "the line of a trace must be in range"),
            ((0, 1, ((3, 1),), 1), "the file name of a frame must be a str"),
            ((0, 1, (("a", 1, 2),), 1), "a frame must be"),
        ):
            with pytest.raises((OverflowError, TypeError, ValueError), match=words):
                module.Snapshot([raw], 1).statistics("lineno")
        much = [(0, 2**62, (("a", 1),), 1)] * 2
        with pytest.raises(OverflowError, match="more than 9223372036854775807 bytes"):
            module.Snapshot(much, 1).statistics("lineno")


def test_every_row_of_the_table_has_its_test(project):
    table = (project / "docs" / "two-faces.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    named = [re.fullmatch(r".*\| `(test_\w+)` \|", row) for row in rows]
    assert rows and all(named)
    names = {match.group(1) for match in named if match}
    tests = {
        name
        for name, value in globals().items()
        if name.startswith("test_") and inspect.isfunction(value)
    }
    assert names == tests - {"test_every_row_of_the_table_has_its_test"}
