# SPDX-License-Identifier: MIT
"""The specification's filters, sentence by sentence."""

from __future__ import annotations

import inspect
import subprocess

import pytest

import pytracemalloc
from pytracemalloc import Filter, Snapshot

A, A2, B = ("a.py", 1), ("a.py", 2), ("b.py", 1)


def snapshot(*stacks, limit=2):
    """A snapshot with a block of one byte per stack, most recent frame first."""
    return Snapshot([(0, 1, stack, len(stack)) for stack in stacks], limit)


def kept(taken, *filters):
    traces = taken.filter_traces(list(filters)).traces
    return [tuple((f.filename, f.lineno) for f in t.traceback) for t in traces]


@pytest.mark.sentence(
    "class Filter(inclusive: bool, filename_pattern: str, lineno: int=None, "
    "all_frames: bool=False)"
)
def test_constructor():
    names = list(inspect.signature(Filter).parameters)
    assert names[:4] == ["inclusive", "filename_pattern", "lineno", "all_frames"]
    made = Filter(True, "a.py")
    assert made.lineno is None and made.all_frames is False
    made = Filter(inclusive=False, filename_pattern="a", lineno=3, all_frames=True)
    assert made.inclusive is False and made.all_frames is True


@pytest.mark.sentence("Filter on traces of memory blocks.")
def test_filter_on_traces():
    assert kept(snapshot((A,), (B,)), Filter(True, "a.py")) == [(A,)]


@pytest.mark.sentence(
    "See the fnmatch.fnmatch() function for the syntax of filename_pattern."
)
def test_pattern_is_fnmatch():
    taken = snapshot((A,), (B,), (("dir/ab.py", 1),))
    assert kept(taken, Filter(True, "*b.py")) == [(B,), (("dir/ab.py", 1),)]
    assert kept(taken, Filter(True, "?.py")) == [(A,), (B,)]
    assert kept(taken, Filter(True, "[!b]*")) == [(A,), (("dir/ab.py", 1),)]


@pytest.mark.sentence("The '.pyc' and '.pyo' file extensions are replaced with '.py'.")
@pytest.mark.parametrize("end", ["pyc", "pyo"])
def test_compiled_extensions(end):
    assert Filter(True, f"a.{end}").filename_pattern == "a.py"
    assert kept(snapshot((A,), (B,)), Filter(True, f"a.{end}")) == [(A,)]
    compiled = (f"a.{end}", 1)
    assert kept(snapshot((compiled,), (B,)), Filter(True, "a.py")) == [(compiled,)]


@pytest.mark.sentence(
    "• Filter(True, subprocess.__file__) only includes traces of the subprocess module"
)
def test_example_subprocess():
    pytracemalloc.start()
    text = subprocess.list2cmdline(["a b"] * 500)
    own = bytes(5000)
    taken = pytracemalloc.take_snapshot()
    only = taken.filter_traces([Filter(True, subprocess.__file__)])
    assert len(text + str(own)) > 5000 and 0 < len(only.traces) < len(taken.traces)
    files = {trace.traceback[0].filename for trace in only.traces}
    assert files == {subprocess.__file__}


@pytest.mark.sentence(
    "• Filter(False, tracemalloc.__file__) excludes traces of the tracemalloc module"
)
def test_example_our_own_file():
    own = (pytracemalloc.__file__, 3)
    assert kept(snapshot((own,), (A,)), Filter(False, pytracemalloc.__file__)) == [(A,)]


@pytest.mark.sentence('• Filter(False, "<unknown>") excludes empty tracebacks')
def test_example_empty_tracebacks():
    assert kept(snapshot((), (A,)), Filter(False, "<unknown>")) == [(A,)]


@pytest.mark.sentence(
    "If inclusive is True (include), only trace memory blocks allocated in a file "
    "with a name matching filename_pattern at line number lineno."
)
def test_inclusive():
    assert Filter(True, "a.py").inclusive is True
    assert kept(snapshot((A,), (A2,), (B,)), Filter(True, "a.py", 2)) == [(A2,)]


@pytest.mark.sentence(
    "If inclusive is False (exclude), ignore memory blocks allocated in a file "
    "with a name matching filename_pattern at line number lineno."
)
def test_exclusive():
    assert Filter(False, "a.py").inclusive is False
    assert kept(snapshot((A,), (A2,), (B,)), Filter(False, "a.py", 2)) == [(A,), (B,)]


@pytest.mark.sentence("Line number (int) of the filter.")
@pytest.mark.sentence("If lineno is None, the filter matches any line number.")
def test_lineno():
    assert Filter(True, "a.py", 2).lineno == 2
    assert kept(snapshot((A,), (A2,), (B,)), Filter(True, "a.py", None)) == [
        (A,),
        (A2,),
    ]
    assert kept(snapshot((A,), (A2,)), Filter(True, "a.py", 0)) == []


@pytest.mark.sentence("Filename pattern of the filter (str).")
def test_filename_pattern():
    assert Filter(True, "a*.py").filename_pattern == "a*.py"


@pytest.mark.sentence("If all_frames is True, all frames of the traceback are checked.")
def test_all_frames():
    taken = snapshot((A, B), (B, A), (A, A2))
    assert kept(taken, Filter(True, "b.py", all_frames=True)) == [(A, B), (B, A)]
    assert kept(taken, Filter(False, "b.py", all_frames=True)) == [(A, A2)]


@pytest.mark.sentence("If all_frames is False, only the most recent frame is checked.")
def test_most_recent_frame():
    taken = snapshot((A, B), (B, A), (A, A2))
    assert kept(taken, Filter(True, "b.py", all_frames=False)) == [(B, A)]
    assert kept(taken, Filter(False, "b.py", all_frames=False)) == [(A, B), (A, A2)]


@pytest.mark.sentence("This attribute has no effect if the traceback limit is 1.")
def test_all_frames_with_a_limit_of_1():
    taken = snapshot((A,), (B,), limit=1)
    for inclusive in (True, False):
        one = kept(taken, Filter(inclusive, "a.py", all_frames=True))
        assert one == kept(taken, Filter(inclusive, "a.py", all_frames=False))
