# SPDX-License-Identifier: MIT
"""Snapshot.load of the main face on pickles by the standard library and others.

Pickles are made by Python's own pickler, and opcode by opcode where it would refuse.
"""

from __future__ import annotations

import builtins
import collections
import copyreg
import os
import pickle
import pickletools
import resource
import struct
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytracemalloc
from pytracemalloc import Snapshot, stdlib

RAW = [
    (0, 1033, (("a.py", 2), ("b.py", 4)), 3),
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (0, 1033, (("a.py", 2), ("b.py", 4)), 3),
    (7, 2**40, (("\udcff\x00é%.py", 5),), None),
    (0, 1, (("a.py", 70000), ("a.py", 70000), ("c.py", 0)), 65535),
    (0, 0, (), 1),
]


def same_traces(loaded, raw):
    """Equal but for the order: blocks of one site stand together in ours."""
    unknown = (("<unknown>", 0),)
    expected = collections.Counter(
        (domain, size, tuple(frames) or unknown, total)
        for domain, size, frames, total in raw
    )
    return collections.Counter(trace._trace for trace in loaded.traces) == expected


def load(tmp_path, data):
    path = tmp_path / "s.pickle"
    path.write_bytes(data)
    return Snapshot.load(path)


def refused(tmp_path, data, words):
    with pytest.raises(ValueError) as caught:
        load(tmp_path, data)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 's.pickle'} is not a snapshot: ")
    assert words in text and "\n" not in text
    return text


@pytest.fixture
def taken(tmp_path):
    """The standard library's own snapshot, and its file."""
    tracemalloc.start(7)
    kept = [[bytes(1000 + n % 7) for n in range(300)], {n: str(n) for n in range(300)}]
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    assert kept
    snapshot.dump(tmp_path / "std.pickle")
    return snapshot, tmp_path / "std.pickle"


def test_a_pickle_of_the_standard_library(taken):
    snapshot, path = taken
    loaded = Snapshot.load(path)
    assert type(loaded) is Snapshot and loaded.at == "end"
    assert loaded.traceback_limit == 7
    assert same_traces(loaded, snapshot.traces._traces)
    assert loaded.statistics("lineno", metric="live") == loaded.statistics("lineno")
    for metric in ("peak", "allocated", "freed"):
        with pytest.raises(ValueError, match=f"does not tell metric='{metric}'"):
            loaded.statistics("lineno", metric=metric)


@pytest.mark.parametrize("group_by", ["filename", "lineno", "traceback"])
def test_statistics_are_those_of_the_other_readers(taken, group_by):
    """The frames are the right way round: the most recent first, as in our own."""
    snapshot, path = taken

    def rows(statistics, step):
        return sorted(
            ([(f.filename, f.lineno) for f in s.traceback][::step], s.size, s.count)
            for s in statistics
        )

    ours = rows(Snapshot.load(path).statistics(group_by), 1)
    assert ours == rows(stdlib.Snapshot.load(path).statistics(group_by), -1)
    assert ours == rows(snapshot.statistics(group_by), -1)
    raw = Snapshot(snapshot.traces._traces, snapshot.traceback_limit)
    assert ours == rows(raw.statistics(group_by), 1)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("module", [tracemalloc, stdlib], ids=["theirs", "ours"])
@pytest.mark.parametrize("change", [bytes, pickletools.optimize], ids=["", "optimized"])
def test_protocols_and_writers(tmp_path, protocol, module, change):
    data = change(pickle.dumps(module.Snapshot(RAW, 3), protocol))
    loaded = load(tmp_path, data)
    assert same_traces(loaded, RAW) and loaded.traceback_limit == 3
    assert loaded.view("peak").traces == loaded.traces
    loaded.dump(tmp_path / "again")
    assert Snapshot.load(tmp_path / "again").traces == loaded.traces


def test_pickles_by_the_installed_face(tmp_path):
    pytracemalloc.install()
    data = pickle.dumps(stdlib.Snapshot(RAW, 3), 5)
    pytracemalloc.uninstall()
    assert same_traces(load(tmp_path, data), RAW)


def test_many_traces_in_a_pickle(tmp_path):
    """More than one batch of APPENDS, and memo numbers beyond a byte."""
    raw = [(0, n % 999, ((f"f{n % 300}.py", n % 7),), 1) for n in range(5000)]
    assert same_traces(load(tmp_path, pickle.dumps(tracemalloc.Snapshot(raw, 1))), raw)


def test_traces_of_three_parts(tmp_path):
    """As Python wrote them up to 3.8."""
    raw = [(0, 5, (("a.py", 1),))] * 2
    loaded = load(tmp_path, pickle.dumps(tracemalloc.Snapshot(raw, 1)))
    assert [t._trace for t in loaded.traces] == [(*raw[0], None)] * 2


def test_simple_attributes_do_not_hinder(tmp_path):
    snapshot = tracemalloc.Snapshot(RAW, 3)
    snapshot.note = {"list": [1, None, True, ("x",)]}
    loaded = load(tmp_path, pickle.dumps(snapshot))
    assert same_traces(loaded, RAW)
    assert sorted(vars(loaded)) == ["traceback_limit", "traces"]
    unpickled = stdlib.Snapshot.load(tmp_path / "s.pickle")
    assert unpickled.note == snapshot.note


def test_a_stack_beyond_the_limit_loses_its_oldest_frames(tmp_path):
    frames = tuple(("f.py", n) for n in range(70000))
    loaded = load(tmp_path, pickle.dumps(tracemalloc.Snapshot([(0, 1, frames, 1)], 1)))
    assert [f.lineno for f in loaded.traces[0].traceback] == list(range(65535))


def test_a_subclass_loads_its_own(tmp_path):
    class Mine(Snapshot):
        pass

    (tmp_path / "s").write_bytes(pickle.dumps(tracemalloc.Snapshot(RAW, 3)))
    assert type(Mine.load(tmp_path / "s")) is Mine


# -- hostile pickles ---------------------------------------------------------


class Calls:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


def hidden(value):
    """The value as an attribute of a snapshot that is right otherwise."""
    snapshot = tracemalloc.Snapshot(RAW, 3)
    snapshot.note = value
    return pickle.dumps(snapshot, 5)


HOSTILE = {
    "os.system": (Calls(os.system, "touch ran"), f"asks for {os.name}.system"),
    "eval": (Calls(eval, "open('ran', 'w')"), "asks for builtins.eval"),
    "exec": (Calls(exec, "open('ran', 'w')"), "asks for builtins.exec"),
    "getattr": (Calls(getattr, "".join, "x"), "asks for builtins.getattr"),
    "import": (Calls(__import__, "antigravity"), "asks for builtins.__import__"),
    "a class": (collections.OrderedDict, "asks for collections.OrderedDict"),
    "ours": (Snapshot(RAW, 1), "asks for pytracemalloc"),
    "another class": (tracemalloc.Filter(True, "*"), "asks for tracemalloc.Filter"),
    "a float": (1.5, "holds a float"),
    "bytes": (b"x", "holds bytes"),
    "a bytearray": (bytearray(b"x"), "holds a bytearray"),
    "a set": ({1}, "holds a set"),
    "a frozenset": (frozenset([1]), "holds a frozenset"),
    "a big number": (1 << 64, "more than 64 bits"),
    "a huge number": (1 << 4000, "more than 64 bits"),
    "many lists": ([[] for _ in range(2000)], "more than 1024 lists"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_a_snapshot_has_not_is_named(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    value, words = HOSTILE[case]
    refused(tmp_path, hidden(value), words)
    assert not (tmp_path / "ran").exists()
    assert "antigravity" not in sys.modules


def test_snapshot_is_not_called_with_arguments(tmp_path):
    call = Calls(tracemalloc.Snapshot, [], 1)
    refused(tmp_path, pickle.dumps(call), "calls tracemalloc.Snapshot as a")
    call = Calls(copyreg._reconstructor, tracemalloc.Snapshot, tuple, ())
    refused(tmp_path, hidden(call), "asks for builtins.tuple")
    call = Calls(copyreg._reconstructor, tracemalloc.Snapshot, object, 1)
    refused(tmp_path, hidden(call), "calls copyreg._reconstructor as a")
    call = Calls(object)
    refused(tmp_path, hidden(call), "calls builtins.object as a")
    assert builtins.object is object


SNAPSHOT = b"\x80\x02ctracemalloc\nSnapshot\n"
TRACES = b"ctracemalloc\n_Traces\n)\x81"
TEXT = b"X\x01\x00\x00\x00a"
STATE = b"}X\x0f\x00\x00\x00traceback_limitK\x01s"
TRACES_KEY = b"X\x06\x00\x00\x00traces"
LIST_KEY = b"X\x07\x00\x00\x00_traces"


def with_traces(items):
    """A right snapshot whose list of traces is what the opcodes `items` make."""
    traces = TRACES_KEY + TRACES + b"}" + LIST_KEY + items + b"sbsb."
    return SNAPSHOT + b")\x81" + STATE + traces


FRAME = TEXT + b"K\x01\x86"
RIGHT = b"]((K\x00K\x05(" + FRAME + b"tK\x01te"

ODD = {
    "no opcode at all": (b"\x80\x04", "ends too early"),
    "nothing on the stack": (b"\x80\x02.", "takes a value that is not there"),
    "a number alone": (b"\x80\x02K\x01.", "holds an int, not a Snapshot"),
    "a class alone": (SNAPSHOT + b".", "holds a class, not a Snapshot"),
    "no state": (SNAPSHOT + b")\x81.", "has no traceback_limit"),
    "a list as state": (SNAPSHOT + b")\x81]b.", "makes a list the state of an object"),
    "slots as state": (SNAPSHOT + b")\x81N}\x86b.", "makes a tuple the state"),
    "the state of a list": (b"\x80\x02]}b.", "makes a dict the state of a list"),
    "the state of a class": (SNAPSHOT + b"}b.", "makes a dict the state of a class"),
    "state twice": (SNAPSHOT + b")\x81" + STATE + b"b" + STATE + b"b.", "twice"),
    "limit of another kind": (
        with_traces(RIGHT)[:-2] + b"X\x0f\x00\x00\x00traceback_limitNsb.",
        "traceback_limit is None, not an int",
    ),
    "limit 0": (
        with_traces(RIGHT)[:-2] + b"X\x0f\x00\x00\x00traceback_limitK\x00sb.",
        "traceback_limit is not from 1 to 65535",
    ),
    "traces that are no object": (
        SNAPSHOT + b")\x81" + STATE + TRACES_KEY + b"]sb.",
        "traces is a list, not an object",
    ),
    "a Snapshot as its traces": (
        SNAPSHOT + b")\x81" + STATE + TRACES_KEY + SNAPSHOT[2:] + b")\x81sb.",
        "has no _traces",
    ),
    "arguments for __new__": (SNAPSHOT + TEXT + b"\x85\x81.", "calls tracemalloc.Snap"),
    "a call of a str": (b"\x80\x02" + TEXT + b")R.", "calls a str as a"),
    "a call of None": (b"\x80\x02N)R.", "calls None as a snapshot's does not"),
    "a traces list of a str": (with_traces(TEXT), "_traces is a str, not a list"),
    "a trace of None": (with_traces(b"]Na"), "a trace of the pickle is not"),
    "a short trace": (with_traces(b"]K\x01K\x01\x86a"), "a trace of the pickle is not"),
    "a negative size": (
        with_traces(b"]((K\x00J\xff\xff\xff\xff(" + FRAME + b"tNte"),
        "a trace of the pickle is not",
    ),
    "frames of a str": (
        with_traces(b"]((K\x00K\x01" + TEXT + b"Nte"),
        "the frames of a trace in the pickle are a str",
    ),
    "a frame of a str": (with_traces(b"]((K\x00K\x01(" + TEXT + b"tNte"), "a frame of"),
    "a frame that is a trace": (
        with_traces(b"]((K\x00K\x05(" + FRAME + b"q\x00tK\x01th\x00e"),
        "a trace of the pickle is not",
    ),
    "a file name that is no UTF-8": (
        with_traces(RIGHT.replace(TEXT, b"X\x02\x00\x00\x00\xc3(")),
        "a file name in the pickle is not UTF-8",
    ),
    "more bytes than there are": (
        with_traces(b"]((K\x00\x8a\x08" + b"\xff" * 7 + b"\x7f(" + FRAME + b"tNtq\x00"
                    + b"h\x00" * 9 + b"e"),
        "more bytes than there are",
    ),
    "a str of 4 GB": (b"\x80\x02X\xff\xff\xff\xffa.", "ends too early"),
    "a str of 2**63 bytes": (
        b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7fa.", "ends too early"
    ),
    "a frame of 2**62 bytes": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 62), "early"),
    "a memo of 4 billion": (b"\x80\x02]r\xff\xff\xff\xff.", "is out of order"),
    "nothing in the memo": (b"\x80\x02h\x05.", "nothing has the memo's number 5"),
    "no mark": (b"\x80\x02t.", "takes a mark that is not there"),
    "below the mark": (b"\x80\x02](a.", "takes a value that is not there"),
    "items for a tuple": (b"\x80\x02)Na.", "puts items into a tuple"),
    "half an item": (b"\x80\x02}(Nu.", "puts items into a dict"),
    "protocol 1": (b"\x80\x01N.", "of protocol 1: 2 to 5 are known"),
    "protocol 6": (b"\x80\x06N.", "of protocol 6: 2 to 5 are known"),
    "a persistent id": (b"\x80\x02NQ.", "holds a persistent id"),
    "an extension": (b"\x80\x02\x82\x01.", "a name from copyreg's registry"),
    "INST": (b"\x80\x02(ios\nsystem\n.", "holds a call of a class"),
    "OBJ": (b"\x80\x02(cos\nsystem\no.", "asks for os.system"),
    "a call with keywords": (SNAPSHOT + b")}\x92.", "holds a call with keywords"),
    "a buffer": (b"\x80\x05\x97.", "holds a buffer"),
    "an unknown opcode": (b"\x80\x02\x7f.", "opcode 0x7f"),
    "a name that is no str": (b"\x80\x04NN\x93.", "asks for a name that is no str"),
    "a dotted name": (b"\x80\x04\x8c\x0btracemalloc\x8c\x0aos.environ\x93.",
                      "asks for tracemalloc.os.environ"),
    "a name with an escape": (b"\x80\x02cos\nx\x1b[31m\xff\n.", "asks for os.x?[31m?,"),
    "an endless name": (b"\x80\x02cos\n" + b"x" * 9999 + b"\n.", "x...,"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_pickles(tmp_path, case):
    data, words = ODD[case]
    refused(tmp_path, data, words)


def test_the_parts_of_the_odd_pickles_are_right(tmp_path):
    assert same_traces(load(tmp_path, with_traces(RIGHT)), [(0, 5, (("a", 1),), 1)])


def test_nothing_of_what_is_named_is_imported(tmp_path):
    refused(tmp_path, b"\x80\x02cxmlrpc.server\nx\n.", "asks for xmlrpc.server.x")
    assert "xmlrpc.server" not in sys.modules


def test_cut_pickles(taken, tmp_path):
    data = taken[1].read_bytes()
    for n in [*range(1, 400), *range(400, len(data) - 1, 97), len(data) - 1]:
        refused(tmp_path, data[:n], "")


BOMBS = {
    # A list that holds the one before it twice, a billion times over.
    "doubled lists": b"\x80\x02]q\x00" + b"".join(
        b"](h%ch%ce" % (n, n) + b"q%c" % (n + 1) for n in range(60)
    ) + b".",
    "doubled tuples": b"\x80\x02)q\x00"
    + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(250)) + b".",
    "deep tuples": b"\x80\x02N" + b"\x85" * 1_000_000 + b".",
    "many marks": b"\x80\x02" + b"(" * 1_000_000 + b".",
    "a list in itself": b"\x80\x02]q\x00" + b"h\x00a" * 500_000 + b".",
    "one trace, many times": with_traces(
        b"]((K\x00K\x05(" + FRAME + b"tK\x01tq\x00" + b"h\x00" * 500_000 + b"e"
    ),
    "one long stack, many times": with_traces(
        b"]((K\x00K\x05(" + FRAME + b"q\x00" + b"h\x00" * 60_000 + b"tq\x01K\x01t"
        + b"(K\x00K\x06h\x01K\x02t" * 50_000 + b"e"
    ),
    "one state of many objects": SNAPSHOT + b"q\x00}q\x01(" + b"K\x01N" * 300_000 + b"u"
    + b"h\x00)\x81h\x01b0" * 1000 + b".",
}  # fmt: skip


@pytest.mark.skipif("PTM_ASAN" in os.environ, reason="its shadow needs address space")
@pytest.mark.parametrize("case", BOMBS)
def test_bombs_cost_what_their_bytes_cost(children, case):
    """In an address space of a few megabytes more than an interpreter needs."""
    path = children.folder / "bomb"
    path.write_bytes(BOMBS[case])
    script = """if True:
        import resource, sys
        from pytracemalloc import Snapshot, _file
        pages = int(open("/proc/self/statm").read().split()[0])
        size = pages * resource.getpagesize() + (160 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        try:
            snapshot = Snapshot.load(sys.argv[1])
            print("loaded", len(snapshot.traces), len(snapshot.statistics("lineno")))
        except ValueError as error:
            print("refused")
        """
    start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = children.python("-c", script, path)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    expected = {
        "one trace, many times": "loaded 500001 1",
        "one long stack, many times": "loaded 50001 1",
    }
    assert done.stdout.strip() == expected.get(case, "refused")
    assert spent < 60


MUTABLE = pickle.dumps(tracemalloc.Snapshot(RAW, 3), 5)


@given(
    st.lists(
        st.tuples(st.integers(0, len(MUTABLE) - 1), st.integers(0, 255)), max_size=4
    ),
    st.integers(0, len(MUTABLE)),
)
@settings(max_examples=400, deadline=None)
def test_damaged_pickles(changes, end):
    """A ValueError, or a snapshot that can be asked."""
    data = bytearray(MUTABLE)
    for at, byte in changes:
        data[at] = byte
    try:
        snapshot = pytracemalloc._core._snapshot_of_pickle(bytes(data[: end or None]))
    except ValueError as error:
        assert str(error)
    else:
        for group_by in ("filename", "lineno", "traceback"):
            repr(snapshot.statistics(group_by))
        assert len(list(snapshot.traces)) == len(snapshot.traces)


@given(st.binary(max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_opcodes(tail):
    for start in (b"\x80\x04", SNAPSHOT, SNAPSHOT + b")\x81" + STATE):
        try:
            pytracemalloc._core._snapshot_of_pickle(start + tail)
        except ValueError as error:
            assert str(error)
