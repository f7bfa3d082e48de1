# SPDX-License-Identifier: MIT
"""The specification's frames and tracebacks, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import pytracemalloc
from pytracemalloc import Frame, Traceback

HERE = __file__


def inner():
    return bytes(4321)


def outer():
    return inner()


@pytest.fixture
def traceback():
    pytracemalloc.start(3)
    block = outer()
    found = pytracemalloc.get_object_traceback(block)
    pytracemalloc.stop()
    return found


def first_line(function):
    return function.__code__.co_firstlineno + 1


@pytest.mark.sentence("Frame of a traceback.")
@pytest.mark.sentence("Filename (str).")
@pytest.mark.sentence("Line number (int).")
def test_frame(traceback):
    frame = traceback[0]
    assert type(frame) is Frame
    assert (type(frame.filename), frame.filename) == (str, HERE)
    assert (type(frame.lineno), frame.lineno) == (int, first_line(inner))


@pytest.mark.sentence("The Traceback class is a sequence of Frame instances.")
def test_sequence_of_frames(traceback):
    assert isinstance(traceback, Sequence)
    assert len(traceback) == 3
    assert [type(frame) for frame in traceback] == [Frame] * 3
    assert traceback[-1] == list(traceback)[2] and traceback[1] in traceback
    assert traceback[:2] == (traceback[0], traceback[1])
    with pytest.raises(IndexError):
        traceback[3]


@pytest.mark.sentence(
    "Sequence of Frame instances sorted from the most recent frame to the oldest frame."
)
def test_most_recent_first(traceback):
    lines = [frame.lineno for frame in traceback]
    assert lines[:2] == [first_line(inner), first_line(outer)]
    frames = (("recent.py", 1), ("oldest.py", 2))
    assert [f.filename for f in Traceback(frames)] == ["recent.py", "oldest.py"]


@pytest.mark.sentence("A traceback contains at least 1 frame.")
@pytest.mark.sentence(
    "If the tracemalloc module failed to get a frame, the filename "
    '"<unknown>" at line number 0 is used.'
)
def test_at_least_one_frame():
    (frame,) = Traceback(())
    assert (frame.filename, frame.lineno) == ("<unknown>", 0)
    snapshot = pytracemalloc.Snapshot([(0, 1, (), 0)], 1)
    (frame,) = snapshot.traces[0].traceback
    assert (frame.filename, frame.lineno) == ("<unknown>", 0)
    (frame,) = snapshot.statistics("traceback")[0].traceback
    assert (frame.filename, frame.lineno) == ("<unknown>", 0)
