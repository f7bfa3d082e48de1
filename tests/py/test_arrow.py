# SPDX-License-Identifier: MIT
"""Snapshot.__arrow_c_stream__ against the traces and statistics of the same snapshot.

The reader below is a consumer in ctypes, so that this runs wherever the tests do;
its calls let go of the GIL. The libraries read the same in tests/arrow.
"""

from __future__ import annotations

import ctypes
import gc
import inspect
import json
import os
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytracemalloc
from pytracemalloc import Filter, Snapshot, stdlib

WORD_COLUMNS = ("file", "function", "module")
ROWS_MAX = 65_536

# -- a consumer ----------------------------------------------------------------


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


class Stream(ctypes.Structure):
    pass


Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", ctypes.POINTER(Schema)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))),
    ("private_data", ctypes.c_void_p),
]
Array._fields_ = [
    *((name, ctypes.c_int64) for name in ("length", "null_count", "offset")),
    *((name, ctypes.c_int64) for name in ("n_buffers", "n_children")),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))),
    ("dictionary", ctypes.POINTER(Array)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))),
    ("private_data", ctypes.c_void_p),
]
Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Stream))),
    ("private_data", ctypes.c_void_p),
]

capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
capsule_pointer.restype = ctypes.c_void_p


def stream_of(snapshot: Snapshot) -> Stream:
    """The stream, moved out of its capsule, which is gone then."""
    capsule = snapshot.__arrow_c_stream__()
    inside = Stream.from_address(capsule_pointer(capsule, b"arrow_array_stream"))
    stream = Stream.from_buffer_copy(inside)
    ctypes.memset(ctypes.addressof(inside) + Stream.release.offset, 0, 8)
    return stream


def release(thing: Schema | Array | Stream) -> None:
    thing.release(ctypes.byref(thing))
    assert not thing.release


def next_batch(stream: Stream) -> Array | None:
    batch = Array()
    assert stream.get_next(ctypes.addressof(stream), ctypes.addressof(batch)) == 0
    return batch if batch.release else None


def schema_of(stream: Stream) -> Schema:
    schema = Schema()
    assert stream.get_schema(ctypes.addressof(stream), ctypes.addressof(schema)) == 0
    return schema


def items(array: Array, buffer: int, kind: Any, count: int) -> list[int]:
    return list((kind * count).from_address(array.buffers[buffer])) if count else []


def words(array: Array) -> list[str]:
    ends = items(array, 1, ctypes.c_int64, array.length + 1)
    data = ctypes.string_at(array.buffers[2], ends[-1]) if ends[-1] else b""
    return [data[a:b].decode() for a, b in zip(ends, ends[1:], strict=False)]


def plain_values(schema: Schema, array: Array) -> list[Any]:
    """As they stand, whatever the validity says."""
    if schema.format == b"+s":
        names = [
            schema.children[i].contents.name.decode() for i in range(schema.n_children)
        ]
        columns = [
            values(schema.children[i].contents, array.children[i].contents)
            for i in range(schema.n_children)
        ]
        return [
            dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)
        ]
    if schema.format == b"+l":
        ends = items(array, 1, ctypes.c_int32, array.length + 1)
        inner = values(schema.children[0].contents, array.children[0].contents)
        return [inner[a:b] for a, b in zip(ends, ends[1:], strict=False)]
    kind = {b"l": ctypes.c_int64, b"i": ctypes.c_int32}[schema.format]
    numbers: list[Any] = items(array, 1, kind, array.length)
    if schema.dictionary:
        texts = words(array.dictionary.contents)
        numbers = [texts[n] if texts else None for n in numbers]
    return numbers


def values(schema: Schema, array: Array) -> list[Any]:
    """A list of rows, of lists, of texts or of numbers, with None for nulls."""
    found = plain_values(schema, array)
    if array.buffers[0]:
        bits = items(array, 0, ctypes.c_uint8, (array.length + 7) // 8)
        valid = [bits[i // 8] >> i % 8 & 1 for i in range(array.length)]
        assert valid.count(0) == array.null_count
        found = [v if there else None for v, there in zip(found, valid, strict=True)]
    return found


def rows_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    stream = stream_of(snapshot)
    schema = schema_of(stream)
    rows = []
    while (batch := next_batch(stream)) is not None:
        assert 0 < batch.length <= ROWS_MAX
        rows += values(schema, batch)
        release(batch)
    release(schema)
    release(stream)
    return rows


# -- what is to be expected ----------------------------------------------------


def escaped(text: str) -> str:
    """As a snapshot's file has it; enough for texts without backslashes."""
    return text.encode("utf-8", "backslashreplace").decode()


def frame_row(filename: str, lineno: int, name: str | None) -> dict[str, Any]:
    return {
        "file": None if filename == "<unknown>" else escaped(filename),
        "line": lineno or None,
        "function": None if name is None else escaped(name),
    }


def trace_rows(snapshot: Snapshot) -> list[tuple[Any, ...]]:
    return [
        (
            trace.size,
            trace.domain,
            [frame_row(f.filename, f.lineno, f.name) for f in trace.traceback],
        )
        for trace in snapshot.traces
    ]


def check(snapshot: Snapshot) -> None:
    """Row by row against the traces, in their order."""
    blocks = []
    for row in rows_of(snapshot):
        assert row["count"] > 0 and row["total"] == row["count"] * row["block_size"]
        frame = {name: row[name] for name in ("file", "line", "function")}
        assert frame == row["stack"][0]
        blocks += [(row["block_size"], row["domain"], row["stack"])] * row["count"]
    assert blocks == trace_rows(snapshot)


def make(n: int) -> bytes:
    return bytes(n)


@pytest.fixture
def taken() -> Snapshot:
    pytracemalloc.start(4)
    kept = [make(1000 + n % 7) for n in range(300)]
    kept.append([make(n) for n in range(500)][-1])
    kept.append(json.loads('[{"a": [1.5, 2.5]}, "text"]'))
    snapshot = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    assert kept
    return snapshot


# -- tests ---------------------------------------------------------------------


@pytest.mark.parametrize("at", ["end", "peak", "allocated"])
def test_rows_are_the_traces(taken, at):
    check(taken.view(at))
    assert rows_of(taken.view(at))


@pytest.mark.parametrize("at", ["end", "peak", "allocated"])
def test_sums_are_the_statistics(taken, at):
    view = taken.view(at)
    sizes, counts = Counter(), Counter()
    for row in rows_of(view):
        sizes[row["file"], row["line"]] += row["total"]
        counts[row["file"], row["line"]] += row["count"]
    expected = {}
    for stat in view.statistics("lineno"):
        frame = frame_row(stat.traceback[0].filename, stat.traceback[0].lineno, None)
        expected[frame["file"], frame["line"]] = stat.size, stat.count
    assert {key: (sizes[key], counts[key]) for key in sizes} == expected


def test_modules_are_the_statistics(taken):
    sizes = Counter()
    for row in rows_of(taken):
        sizes[row["module"]] += row["total"]
    stats = {stat.key: stat.size for stat in taken.statistics("module")}
    assert stats == sizes and "json.decoder" in stats
    assert rows_of(Snapshot([(0, 1, (("os.py", 1),), 1)], 1))[0]["module"] is None


def test_the_columns_and_their_types(taken):
    stream = stream_of(taken)
    schema = schema_of(stream)
    columns = [schema.children[i].contents for i in range(schema.n_children)]
    assert [(c.name.decode(), c.format.decode()) for c in columns] == [
        ("block_size", "l"), ("count", "l"), ("total", "l"), ("domain", "l"),
        ("file", "i"), ("line", "i"), ("function", "i"), ("module", "i"),
        ("stack", "+l"),
    ]  # fmt: skip
    for column in columns:
        assert bool(column.dictionary) == (column.name.decode() in WORD_COLUMNS)
    release(schema)
    release(stream)


def test_a_loaded_snapshot_gives_the_same(taken, tmp_path):
    taken.dump(tmp_path / "s")
    loaded = Snapshot.load(tmp_path / "s")
    for at in ("end", "peak", "allocated"):
        assert rows_of(loaded.view(at)) == rows_of(taken.view(at))


def test_a_filtered_snapshot_gives_its_rows(taken):
    kept = taken.filter_traces([Filter(True, __file__)])
    rows = rows_of(kept)
    assert {row["file"] for row in rows} == {__file__}
    assert rows == [row for row in rows_of(taken) if row["file"] == __file__]
    check(kept)


def test_a_dictionary_has_the_words_of_its_column_only(taken):
    kept = taken.filter_traces([Filter(True, __file__)])
    stream = stream_of(kept)
    batch = next_batch(stream)
    assert words(batch.children[4].contents.dictionary.contents) == [__file__]
    release(batch)
    release(stream)


def test_an_empty_snapshot_has_no_batch():
    for empty in (Snapshot([], 1), Snapshot([(0, 1, (("a", 1),), 1)], 1).view("peak")):
        empty = empty.filter_traces([Filter(True, "nowhere")])
        stream = stream_of(empty)
        assert schema_of(stream).n_children == 9
        assert next_batch(stream) is None
        release(stream)


def test_a_list_of_traces_gives_a_row_for_each():
    raw = [
        (0, 10, (("a.py", 2), ("b.py", 4)), 3),
        (0, 10, (("a.py", 2), ("b.py", 4)), 3),
        (7, 2, (("\udcff\x00é.py", 5),), None),
        (2**32 - 1, 2**63 - 1, (("<unknown>", 0),), 1),
    ]
    rows = rows_of(Snapshot(raw, 9))
    assert [row["count"] for row in rows] == [1] * 4
    assert rows[2]["file"] == "\\udcff\x00é.py"
    assert (rows[3]["file"], rows[3]["line"]) == (None, None)
    check(Snapshot(raw, 9))


def test_different_names_stay_different():
    raw = [(0, 1, ((name, 1),), 1) for name in ("\udcff", "\udcfe", "\\udcff", "�")]
    files = [row["file"] for row in rows_of(Snapshot(raw, 1))]
    assert files == ["\\udcff", "\\udcfe", "\\u005cudcff", "�"]


frames = st.tuples(
    st.sampled_from(["a", "b", "\udc80", "é", "<unknown>"]), st.integers(0, 3)
)
raw_traces = st.tuples(
    st.integers(0, 5),
    st.integers(0, 2**40),
    st.lists(frames, min_size=1, max_size=5).map(tuple),
    st.none() | st.integers(5, 9),
)


@settings(deadline=None)
@given(st.lists(raw_traces, max_size=30))
def test_any_list_of_traces(raw):
    check(Snapshot(raw, 5))


def test_long_tables_come_in_batches():
    raw = [(0, n % 3, (("a.py", n % 5 + 1),), 1) for n in range(ROWS_MAX + 100)]
    stream = stream_of(Snapshot(raw, 1))
    lengths = []
    while (batch := next_batch(stream)) is not None:
        lengths.append(batch.length)
        release(batch)
    release(stream)
    assert lengths == [ROWS_MAX, 100]
    check(Snapshot(raw, 1))


def test_deep_stacks_make_short_batches():
    stack = tuple((f"{n % 9}.py", n) for n in range(1, 50_001))
    raw = [(0, 1, stack, 50_000)] * 41
    stream = stream_of(Snapshot(raw, 50_000))
    lengths = []
    while (batch := next_batch(stream)) is not None:
        lengths.append(batch.length)
        release(batch)
    release(stream)
    assert lengths == [20, 20, 1]  # of at most 2**20 frames


def test_a_stream_outlives_its_snapshot(taken):
    expected = rows_of(taken)
    copy = taken.filter_traces([])
    stream = stream_of(copy)
    del copy
    gc.collect()
    schema = schema_of(stream)
    batch = next_batch(stream)
    release(stream)
    assert values(schema, batch) == expected
    release(batch)
    release(schema)


def test_every_call_gives_a_stream_of_its_own(taken):
    one, two = stream_of(taken), stream_of(taken)
    schema = schema_of(one)
    batches = next_batch(one), next_batch(two)
    assert values(schema, batches[0]) == values(schema, batches[1])
    assert next_batch(one) is None and next_batch(two) is None
    for thing in (one, two, schema, *batches):
        release(thing)


def test_release_on_another_thread(taken):
    stream = stream_of(taken)
    things = [schema_of(stream), next_batch(stream), stream]
    threads = [threading.Thread(target=release, args=(thing,)) for thing in things]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(thing.release for thing in things)


@pytest.mark.skipif(
    "PTM_ASAN" in os.environ, reason="the sanitizer keeps what is freed"
)
def test_a_capsule_nobody_takes_is_freed(taken):
    class Mallinfo2(ctypes.Structure):
        _fields_ = [(f"f{i}", ctypes.c_size_t) for i in range(10)]

    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Mallinfo2
    raw = [(0, n, (("a.py", n),), 1) for n in range(1000)]

    def in_use() -> int:
        info = libc.mallinfo2()
        return info.f4 + info.f7  # bytes in arenas' blocks and in blocks of their own

    for _ in range(10):
        Snapshot(raw, 1).__arrow_c_stream__()
    before = in_use()
    for _ in range(100):
        Snapshot(raw, 1).__arrow_c_stream__()
    assert in_use() - before < 1 << 20  # each snapshot has more than 64 KiB of sites


def test_a_requested_schema_is_a_wish(taken):
    new = ctypes.pythonapi.PyCapsule_New
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    new.restype = ctypes.py_object
    schema = Schema()
    wish = new(ctypes.addressof(schema), b"arrow_schema", None)
    for capsule in (
        taken.__arrow_c_stream__(None),
        taken.__arrow_c_stream__(wish),
        taken.__arrow_c_stream__(requested_schema=wish),
    ):
        assert capsule_pointer(capsule, b"arrow_array_stream")
    other = new(ctypes.addressof(schema), b"arrow_array", None)
    for wrong in (3, "arrow_schema", other):
        with pytest.raises(TypeError, match="^requested_schema must be a PyCapsule"):
            taken.__arrow_c_stream__(wrong)
    with pytest.raises(TypeError):
        taken.__arrow_c_stream__(None, None)


def test_the_signature_is_the_protocols():
    method = Snapshot.__arrow_c_stream__
    assert str(inspect.signature(method)) == "(self, requested_schema=None)"
    assert not hasattr(stdlib.Snapshot, "__arrow_c_stream__")


def test_what_is_no_trace_is_said_at_once():
    wrong = Snapshot([(0, -1, (("a", 1),), 1)], 1)
    with pytest.raises(OverflowError) as told:
        wrong.statistics("lineno")
    with pytest.raises(OverflowError) as found:
        wrong.__arrow_c_stream__()
    assert str(found.value) == str(told.value)
