# SPDX-License-Identifier: MIT
"""Snapshots as polars, pyarrow, duckdb and pandas read them (`make arrow-test`).

Every library is asked the same questions, and all answer as the snapshot itself does.
What the stream is made of is tested in tests/py/test_arrow.py.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import duckdb
import pandas
import polars
import pyarrow
import pytest

import pytracemalloc
from pytracemalloc import Filter, Snapshot

COLUMNS = [
    "block_size", "count", "total", "domain",
    "file", "line", "function", "module", "stack",
]  # fmt: skip
Rows = list[dict[str, Any]]

# -- the consumers: each takes a snapshot and gives plain rows -----------------------


def by_polars(snapshot: Snapshot) -> Rows:
    return polars.DataFrame(snapshot).to_dicts()


def by_pyarrow(snapshot: Snapshot) -> Rows:
    table = pyarrow.table(snapshot)
    table.validate(full=True)
    return table.to_pylist()


def by_duckdb(snapshot: Snapshot) -> Rows:
    with duckdb.connect() as connection:  # of its own: a connection serves one thread
        relation = connection.sql("select * from snapshot")
        rows = relation.fetchall()
        return [dict(zip(relation.columns, row, strict=True)) for row in rows]


def none_for_nan(value: Any) -> Any:
    """Pandas has no null of its own for numbers: it makes them floats with NaN."""
    if isinstance(value, dict):
        return {key: none_for_nan(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return None if value != value else int(value)
    return value


def by_pandas(snapshot: Snapshot) -> Rows:
    rows = pandas.DataFrame.from_arrow(snapshot).to_dict("records")
    for row in rows:
        row["stack"] = list(row["stack"])
    return [
        {k: list(map(none_for_nan, v)) if k == "stack" else none_for_nan(v)
         for k, v in row.items()}
        for row in rows
    ]  # fmt: skip


def by_pandas_through_pyarrow(snapshot: Snapshot) -> Rows:
    frame = pyarrow.table(snapshot).to_pandas(types_mapper=pandas.ArrowDtype)
    return pyarrow.Table.from_pandas(frame).to_pylist()


CONSUMERS = [
    by_polars,
    by_pyarrow,
    by_duckdb,
    by_pandas,
    by_pandas_through_pyarrow,
]
Consumer = Callable[[Snapshot], Rows]


@pytest.fixture(params=CONSUMERS)
def read(request: pytest.FixtureRequest) -> Consumer:
    return request.param


# -- snapshots -----------------------------------------------------------------


def make(n: int) -> bytes:
    return bytes(n)


@pytest.fixture(scope="module")
def taken() -> Snapshot:
    pytracemalloc.start(5)
    kept = [make(1000 + n % 7) for n in range(300)]
    kept.append([make(n) for n in range(2000)][-1])
    import email.parser

    kept.append(email.parser.Parser().parsestr("To: a\n\n" + "x" * 1000))
    snapshot = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    return snapshot


RAW = [
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (7, 2, (("\udcff\x01é.py", 5),), None),
    (7, 2, (("\udcfe\x01é.py", 5),), None),
    (2**32 - 1, 2**63 - 1, (("<unknown>", 0),), 1),
]


def stack_of(trace: pytracemalloc.Trace) -> list[tuple[Any, ...]]:
    return [
        (None if f.filename == "<unknown>" else f.filename, f.lineno or None, f.name)
        for f in trace.traceback
    ]


def blocks_of(rows: Rows) -> list[tuple[Any, ...]]:
    blocks = []
    for row in rows:
        stack = [(f["file"], f["line"], f["function"]) for f in row["stack"]]
        assert stack[0] == (row["file"], row["line"], row["function"])
        assert row["total"] == row["count"] * row["block_size"]
        blocks += [(row["block_size"], row["domain"], stack)] * row["count"]
    return blocks


# -- tests ---------------------------------------------------------------------


@pytest.mark.parametrize("at", ["end", "peak", "allocated"])
def test_rows_are_the_traces(read, taken, at):
    rows = read(taken.view(at))
    assert list(rows[0]) == COLUMNS
    assert blocks_of(rows) == [
        (trace.size, trace.domain, stack_of(trace)) for trace in taken.view(at).traces
    ]


def test_sums_are_the_statistics(read, taken):
    sizes, modules = Counter(), Counter()
    for row in read(taken):
        sizes[row["file"]] += row["total"]
        modules[row["module"]] += row["total"]
    assert {stat.key: stat.size for stat in taken.statistics("module")} == modules
    assert "email.feedparser" in modules
    assert {
        stat.traceback[0].filename: stat.size for stat in taken.statistics("filename")
    } == {file or "<unknown>": size for file, size in sizes.items()}


def test_a_loaded_snapshot(read, taken, tmp_path):
    taken.dump(tmp_path / "s")
    assert read(Snapshot.load(tmp_path / "s")) == read(taken)


def test_a_filtered_snapshot(read, taken):
    rows = read(taken.filter_traces([Filter(True, __file__)]))
    assert rows == [row for row in read(taken) if row["file"] == __file__] != []


def test_an_empty_snapshot(read):
    assert read(Snapshot([], 1)) == []


def test_a_list_of_traces(read):
    rows = read(Snapshot(RAW, 3))
    assert [row["file"] for row in rows] == [
        "a.py", "\\udcff\x01é.py", "\\udcfe\x01é.py", None
    ]  # fmt: skip
    assert [row["line"] for row in rows] == [2, 5, 5, None]
    assert [row["block_size"] for row in rows] == [10, 2, 2, 2**63 - 1]
    assert [row["domain"] for row in rows] == [0, 7, 7, 2**32 - 1]
    assert [len(row["stack"]) for row in rows] == [2, 1, 1, 1]


def test_several_batches(read):
    raw = [(0, n, ((f"{n % 11}.py", n % 5 + 1),), 1) for n in range(65_536 + 100)]
    rows = read(Snapshot(raw, 1))
    assert [row["block_size"] for row in rows] == list(range(len(raw)))
    assert [row["file"] for row in rows] == [trace[2][0][0] for trace in raw]


def test_one_snapshot_read_twice_and_by_threads(read, taken):
    expected = read(taken)
    answers: list[Rows] = []
    threads = [
        threading.Thread(target=lambda: answers.append(read(taken))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 4


def test_what_was_read_outlives_the_snapshot():
    snapshot = Snapshot(RAW, 3)
    tables = pyarrow.table(snapshot), polars.DataFrame(snapshot)
    column = tables[0].column("file")
    del snapshot
    assert tables[1]["file"].to_list() == tables[0]["file"].to_pylist()
    del tables
    assert column.to_pylist()[0] == "a.py"


def test_a_consumer_may_stop_early_and_hand_on(taken):
    reader = pyarrow.RecordBatchReader.from_stream(taken)
    batch = reader.read_next_batch()
    del reader
    frame = polars.DataFrame(batch)
    expected = batch.num_rows
    del batch
    assert frame.group_by("file").len()["len"].sum() == expected


def test_the_types(taken):
    frame = polars.DataFrame(taken)
    assert frame.schema["file"] == polars.Categorical
    assert frame.schema["stack"] == polars.List(
        polars.Struct(
            {
                "file": polars.Categorical,
                "line": polars.Int32,
                "function": polars.Categorical,
            }
        )
    )
    schema = pyarrow.table(taken).schema
    assert schema.field("count") == pyarrow.field("count", pyarrow.int64(), False)
    assert schema.field("file").type == pyarrow.dictionary(
        pyarrow.int32(), pyarrow.large_string()
    )
    assert schema.metadata == {
        b"pytracemalloc:at": b"end",
        b"pytracemalloc:traceback_limit": b"5",
        b"pytracemalloc:lost_blocks": b"0",
        b"pytracemalloc:lost_bytes": b"0",
    }
    assert str(pandas.DataFrame.from_arrow(taken)["file"].dtype) == "category"
    types = dict(r[:2] for r in duckdb.sql("describe from taken").fetchall())
    assert types["file"] == "VARCHAR" and types["total"] == "BIGINT"
    assert types["stack"] == 'STRUCT(file VARCHAR, line INTEGER, "function" VARCHAR)[]'


def test_a_schema_asked_for_is_cast_by_who_asks(taken):
    fields = {field.name: field.type for field in pyarrow.table(taken).schema}
    plain = pyarrow.schema(list((fields | {"file": pyarrow.large_string()}).items()))
    table = pyarrow.table(taken, schema=plain)
    assert table.schema.field("file").type == pyarrow.large_string()
    assert table["file"].to_pylist() == pyarrow.table(taken)["file"].to_pylist()


def test_questions_in_sql(taken):
    rows = duckdb.sql(
        "select f.file, sum(total)::bigint size"
        " from (select total, unnest(stack) f from taken) group by all"
    ).fetchall()
    expected = {
        stat.traceback[0].filename: stat.size
        for stat in taken.statistics("filename", cumulative=True)
    }
    assert {file or "<unknown>": size for file, size in rows} == expected


def test_questions_in_polars(taken):
    frame = polars.DataFrame(taken)
    rows = frame.group_by("function").agg(polars.col("total").sum()).rows()
    expected = Counter()
    for trace in taken.traces:
        expected[trace.traceback[0].name] += trace.size
    assert dict(rows) == expected


def test_questions_in_pandas(taken):
    frame = pandas.DataFrame.from_arrow(taken)
    sums = frame.groupby("file", dropna=False)["total"].sum()
    expected = [stat.size for stat in taken.statistics("filename")]
    assert sorted(sums, reverse=True) == expected
