# SPDX-License-Identifier: MIT
"""Pickles and copies of both faces."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import tracemalloc

import pytest

import pytracemalloc as main
from pytracemalloc import stdlib

RAW = [
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (2, 66, (("b.py", 1),), 1),
]
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


def make(n):
    return bytes(n)


def values(module):
    traceback = module.Traceback([("f", 1), ("g", 2)], 7)
    return [
        module.Frame(("f", 1)),
        traceback,
        module.Trace(RAW[0]),
        module.Snapshot(list(RAW), 2).traces,
        module.Statistic(traceback, 3, 4),
        module.StatisticDiff(traceback, 3, 4, 5, 6),
    ]


def filters(module):
    return [module.Filter(False, "x.pyc", 3, True, 4), module.DomainFilter(True, 3)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_main_values(protocol):
    for value in values(main):
        again = pickle.loads(pickle.dumps(value, protocol))
        assert type(again) is type(value) and again == value
    for value in filters(main):
        again = pickle.loads(pickle.dumps(value, protocol))
        assert type(again) is type(value) and vars(again) == vars(value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_main_snapshot(protocol):
    main.start(3)
    kept = [make(1000 + n % 9) for n in range(100)]
    snapshot = main.take_snapshot("peak")
    main.stop()
    snapshot.note = {1: (2, 3), "self": {4}}
    again = pickle.loads(pickle.dumps(snapshot, protocol))
    assert type(again) is main.Snapshot and again.at == "peak" and kept
    assert again.traces == snapshot.traces and again.note == snapshot.note
    assert again.traceback_limit == 3
    assert again.view("end").traces == snapshot.view("end").traces
    for one, two in zip(snapshot.traces, again.traces, strict=True):
        assert [f.name for f in one.traceback] == [f.name for f in two.traceback]


def test_main_values_keep_names():
    main.start(2)
    block = make(5000)
    snapshot = main.take_snapshot()
    traceback = main.get_object_traceback(block)
    trace = snapshot.traces[snapshot.traces.index(max(snapshot.traces, key=size))]
    statistic = snapshot.statistics("lineno")[0]
    for value in (traceback, trace.traceback, statistic.traceback):
        again = pickle.loads(pickle.dumps(value))
        assert again == value and again[0].name == value[0].name == "make"
        assert again[0].colno == value[0].colno
        assert pickle.loads(pickle.dumps(value[0])).name == "make"
    assert pickle.loads(pickle.dumps(trace)).traceback[0].name == "make"


def size(trace):
    return trace.size


class Own(main.Snapshot):
    pass


def test_subclasses():
    own = Own(list(RAW), 2)
    own.note = 1
    again = pickle.loads(pickle.dumps(own))
    assert type(again) is Own and again.traces == own.traces and again.note == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_stdlib_values_load_in_the_standard_library(protocol):
    for value in values(stdlib):
        again = pickle.loads(pickle.dumps(value, protocol))
        assert type(again) is getattr(tracemalloc, type(value).__name__)
        assert repr(again) == repr(value)
    for value in filters(stdlib):
        again = pickle.loads(pickle.dumps(value, protocol))
        assert type(again) is getattr(tracemalloc, type(value).__name__)
        assert vars(again) == vars(value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_stdlib_values_stay_ours_when_installed(protocol):
    main.install()
    for value in values(stdlib):
        again = pickle.loads(pickle.dumps(value, protocol))
        assert type(again) is type(value) and again == value


@pytest.mark.parametrize("installed", [False, True])
def test_stdlib_snapshot_in_a_process_without_us(tmp_path, installed):
    if installed:
        main.install()
    stdlib.start(3)
    kept = [make(1000 + n % 9) for n in range(100)]
    snapshot = stdlib.take_snapshot()
    stdlib.stop()
    snapshot.note = "n"
    snapshot.dump(tmp_path / "s")
    code = """
import sys, tracemalloc
snapshot = tracemalloc.Snapshot.load(sys.argv[1])
assert type(snapshot) is tracemalloc.Snapshot and snapshot.note == "n"
assert "pytracemalloc._core" not in sys.modules
snapshot.dump(sys.argv[2])
print(len(snapshot.traces), sum(trace.size for trace in snapshot.traces))
"""
    arguments = [sys.executable, "-c", code, tmp_path / "s", tmp_path / "theirs"]
    output = subprocess.check_output(arguments, text=True)
    total = sum(trace.size for trace in snapshot.traces)
    assert output.split() == [str(len(snapshot.traces)), str(total)] and kept
    again = stdlib.Snapshot.load(tmp_path / "theirs")
    assert type(again) is stdlib.Snapshot and again.traces == snapshot.traces


def test_their_pickles_give_our_classes_when_installed():
    data = pickle.dumps(tracemalloc.Snapshot(list(RAW), 2))
    assert type(pickle.loads(data)) is tracemalloc.Snapshot
    main.install()
    assert type(pickle.loads(data)) is stdlib.Snapshot


@pytest.mark.parametrize("module", [main, stdlib])
def test_copies(module):
    for value in values(module):
        for again in (copy.copy(value), copy.deepcopy(value)):
            assert type(again) is type(value) and again == value
    for value in filters(module):
        assert vars(copy.deepcopy(value)) == vars(value)
    snapshot = module.Snapshot(list(RAW), 2)
    snapshot.note = [1]
    shallow, deep = copy.copy(snapshot), copy.deepcopy(snapshot)
    assert shallow.note is snapshot.note and deep.note is not snapshot.note
    assert shallow.traces is snapshot.traces and deep.traces == snapshot.traces


@pytest.mark.parametrize("module", [main, stdlib])
def test_copies_of_a_taken_snapshot(module):
    module.start(2)
    kept = [make(3000) for _ in range(5)]
    snapshot = module.take_snapshot()
    module.stop()
    again = copy.deepcopy(snapshot)
    assert again.traces == snapshot.traces and again.traces is not snapshot.traces
    assert again.statistics("lineno") == snapshot.statistics("lineno") and kept


def test_a_deep_copy_of_a_cycle():
    snapshot = main.Snapshot(list(RAW), 2)
    snapshot.me = snapshot
    again = copy.deepcopy(snapshot)
    assert again.me is again


@pytest.mark.parametrize(
    "state", [(None, {"_frame": 1, "_details": 3}), (None, {"_details": (1, 2, 3, 4)})]
)
def test_damaged_states(state):
    frame = main.Frame.__new__(main.Frame)
    with pytest.raises(TypeError):
        for name, value in state[1].items():
            setattr(frame, name, value)


def test_objects_that_were_never_made():
    for module in (main, stdlib):
        for name in ("Frame", "Traceback", "Trace", "Statistic", "StatisticDiff"):
            cls = getattr(module, name)
            empty = cls.__new__(cls)
            for function in (repr, str, hash, pickle.dumps, copy.copy):
                with pytest.raises(AttributeError):
                    function(empty)
        empty = type(module.Snapshot([], 1).traces)
        with pytest.raises(AttributeError):
            len(empty.__new__(empty))


@pytest.mark.parametrize("module", [main, stdlib])
def test_a_state_that_its_own_class_empties(module):
    class Emptying(type(module.Snapshot(list(RAW), 2).traces)):
        def __setattr__(self, name, value):
            state.clear()
            held.extend(bytes(64) for _ in range(200))  # what was freed is written over
            told.append((name, value))

    held, told = [], []
    traces = Emptying(list(RAW))
    told.clear()
    state = {f"attribute {n}": f"value {n}" * 9 for n in range(5)}
    traces.__setstate__(state)
    assert told == [("attribute 0", "value 0" * 9)]
