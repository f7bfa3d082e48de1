# SPDX-License-Identifier: MIT
"""The formats of convert: each is read back and adds up to the statistics.

The command itself: test_cli_convert.py.
"""

from __future__ import annotations

import collections
import csv
import gzip
import io
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytracemalloc
from pytracemalloc import Filter, Snapshot, convert
from pytracemalloc.convert import _table

AT = {"live": "end", "peak": "peak", "allocated": "allocated"}
MAIN = "<module> (app.py:1)"


def leaf(n):
    return bytes(n)


def recursive(depth, n):
    return recursive(depth - 1, n) if depth else leaf(n)


@pytest.fixture(scope="module")
def taken():
    """With a peak that is not the end, freed blocks, recursion and several sizes."""
    pytracemalloc.start(12)
    kept = [leaf(1000 + n % 7) for n in range(300)]
    gone = [recursive(n % 5, 5000) for n in range(200)]
    del gone
    kept += [recursive(3, 200), "x" * 10_000]
    snapshot = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    assert kept
    return snapshot


def written(snapshot, name, **options):
    file = io.BytesIO()
    convert.write(
        snapshot, convert.format_named(name), convert.Options(**options), file
    )
    return file.getvalue()


def total(snapshot, metric):
    """(blocks, bytes) by the statistics of the API."""
    if metric == "freed":
        whole, live = total(snapshot, "allocated"), total(snapshot, "live")
        return whole[0] - live[0], whole[1] - live[1]
    stats = snapshot.view(AT[metric]).statistics("filename")
    return sum(s.count for s in stats), sum(s.size for s in stats)


def by_place(snapshot, metric, group_by):
    stats = snapshot.view(AT[metric]).statistics(group_by)
    return {
        tuple((f.filename, f.lineno) for f in s.traceback): (s.count, s.size)
        for s in stats
    }


def test_the_snapshot_tells_the_metrics_apart(taken):
    assert len({total(taken, metric) for metric in convert.METRICS}) == 4


# -- profiles and pickles ----------------------------------------------------


def test_pprof(taken, tmp_path):
    taken.dump(tmp_path / "s")
    data = written(taken, "pprof")
    assert data == (tmp_path / "s").read_bytes()
    assert written(taken, "pprof-raw") == gzip.decompress(data)
    peak = Snapshot.load(io.BytesIO(written(taken, "pprof", metric="peak")))
    assert peak.at == "peak" and peak.traces == taken.view("peak").traces


PLAIN = """if True:
    import json, sys, tracemalloc
    assert not any("pytracemalloc" in name for name in sys.modules)
    snapshot = tracemalloc.Snapshot.load(sys.argv[1])
    assert type(snapshot) is tracemalloc.Snapshot
    assert type(snapshot.traces) is tracemalloc._Traces
    rows = [
        ([(f.filename, f.lineno) for f in s.traceback], s.size, s.count)
        for s in snapshot.statistics("traceback")
    ]
    domains = sorted({trace.domain for trace in snapshot.traces})
    totals = sorted({t.traceback.total_nframe or 0 for t in snapshot.traces})
    print(json.dumps([rows, snapshot.traceback_limit, domains, totals]))
    """


def plain_load(path):
    """What a Python without this package reads."""
    words = [sys.executable, "-I", "-S", "-c", PLAIN, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("metric", ["live", "peak"])
def test_a_pickle_for_the_standard_library(taken, tmp_path, metric):
    path = tmp_path / "s.pickle"
    path.write_bytes(written(taken, "pickle", metric=metric))
    rows, limit, domains, totals = plain_load(path)
    found = {tuple(map(tuple, f[::-1])): (n, size) for f, size, n in rows}
    assert found == by_place(taken, metric, "traceback")
    shown = taken.view(AT[metric]).traces
    assert limit == 12 and domains == sorted({trace.domain for trace in shown})
    assert totals == sorted({trace.traceback.total_nframe for trace in shown})
    loaded = Snapshot.load(path)
    assert by_place(loaded, "live", "traceback") == found


def test_a_pickle_of_odd_traces(tmp_path):
    """Counts around the batches, big numbers, names that are no UTF-8, no depth."""
    raw = [(0, 7, (("b\udcff.py", 70000), ("a.py", 0)), None)] * 3001
    for count in (1, 2, 999, 1000, 1001, 2000):
        raw += [(2**32 - 1, 2**40 + count, (("é.py", count),), 65535)] * count
    snapshot = Snapshot(raw, 65535)
    path = tmp_path / "s.pickle"
    path.write_bytes(written(snapshot, "pickle"))
    rows, limit, domains, totals = plain_load(path)
    found = {tuple(map(tuple, f[::-1])): (n, size) for f, size, n in rows}
    assert found == by_place(snapshot, "live", "traceback")
    assert (limit, domains, totals) == (65535, [0, 2**32 - 1], [0, 65535])
    traces = collections.Counter(t._trace for t in Snapshot.load(path).traces)
    assert traces == collections.Counter(raw)


def test_a_pickle_has_no_allocated_blocks(taken):
    with pytest.raises(ValueError, match="ask for the metric live or peak"):
        written(taken.view("allocated"), "pickle")
    assert written(taken.view("peak"), "pickle") == written(
        taken, "pickle", metric="peak"
    )


def test_a_pickle_names_the_blocks_of_a_site(tmp_path):
    """A block more is two bytes more: nothing is said twice."""
    one = Snapshot([(0, 8, (("a.py", 1),), 1)], 1)
    many = Snapshot.load(
        io.BytesIO(written(Snapshot(list(one.traces._traces) * 100_000, 1), "pickle"))
    )
    assert total(many, "live") == (100_000, 800_000)
    data = written(many, "pickle")
    assert len(data) < len(written(one, "pickle")) + 202_000


# -- stacks ------------------------------------------------------------------


def collapsed(data):
    rows = [line.rpartition(" ") for line in data.decode().splitlines()]
    assert len({stack for stack, _, _ in rows}) == len(rows)
    return {tuple(stack.split(";")): int(value) for stack, _, value in rows}


@pytest.mark.parametrize("metric", convert.METRICS)
@pytest.mark.parametrize("by", ["line", "function", "file"])
def test_collapsed_stacks(taken, metric, by):
    stacks = collapsed(written(taken, "collapsed", metric=metric, by=by))
    assert sum(stacks.values()) == total(taken, metric)[1]
    assert all(value > 0 for value in stacks.values())
    if by == "line" and metric != "freed":
        expected = collections.Counter()
        for place, (_, size) in by_place(taken, metric, "lineno").items():
            expected[place[0]] += size
        found = collections.Counter()
        for stack, size in stacks.items():
            place = stack[-1].rpartition("(")[2].rstrip(")")
            file, _, line = place.rpartition(":")
            found[file, int(line)] += size
        assert +expected == found


def test_the_oldest_frame_comes_first(taken):
    stacks = collapsed(written(taken, "collapsed", metric="live"))
    names = [[frame.partition(" ")[0] for frame in stack] for stack in stacks]
    deep = ["recursive"] * 4 + ["leaf"]
    assert any(stack[-5:] == deep for stack in names)
    merged = collapsed(written(taken, "collapsed", by="file", metric="live"))
    assert all(a != b for stack in merged for a, b in zip(stack, stack[1:]))  # noqa: B905


def test_the_metric_is_the_snapshots_own(taken):
    for metric, at in AT.items():
        own = written(taken.view(at), "collapsed")
        assert own == written(taken, "collapsed", metric=metric)


def test_names_cannot_break_a_line():
    raw = [(0, 3, (("a;b\nc\udcff \t.py", 5), ("é 1.py", 2)), 2)]
    (line,) = written(Snapshot(raw, 2), "collapsed").decode().splitlines()
    assert line == "é 1.py:2;a:b\\nc\\udcff \\t.py:5 3"


@pytest.fixture(scope="session")
def check_speedscope(project):
    import jsonschema

    path = project / "tests/assets/speedscope-file-format-schema.json"
    schema = json.loads(path.read_text())
    validator = jsonschema.Draft7Validator(schema)
    validator.check_schema(schema)
    assert list(validator.iter_errors({"profiles": []}))
    return validator.validate


@pytest.mark.parametrize("by", [None, "line", "function", "file"])
@pytest.mark.parametrize("metric", [None, *convert.METRICS])
def test_speedscope(taken, check_speedscope, metric, by):
    document = json.loads(written(taken, "speedscope", metric=metric, by=by, title="t"))
    check_speedscope(document)
    assert document["name"] == "t" and document["activeProfileIndex"] == 0
    names = {"live": "in use", "peak": "peak", "allocated": "allocated"}
    names = {metric: names.get(metric, metric)} if metric else names
    frames = document["shared"]["frames"]
    for profile, (kind, name) in zip(document["profiles"], names.items(), strict=True):
        assert (profile["type"], profile["unit"]) == ("sampled", "bytes")
        assert profile["name"] == name
        assert profile["startValue"] == 0
        assert profile["endValue"] == sum(profile["weights"]) == total(taken, kind)[1]
        assert len(profile["samples"]) == len(profile["weights"])
        assert {f for sample in profile["samples"] for f in sample} <= {
            *range(len(frames))
        }
    assert ("line" in frames[0]) == (by in (None, "line"))


def test_speedscope_and_collapsed_agree(taken):
    document = json.loads(written(taken, "speedscope", by="function", metric="peak"))
    frames = document["shared"]["frames"]
    (profile,) = document["profiles"]
    texts = [f"{f['name']} ({f['file']})" for f in frames]
    found = {
        tuple(texts[i] for i in sample): weight
        for sample, weight in zip(profile["samples"], profile["weights"], strict=True)
    }
    lines = collapsed(written(taken, "collapsed", by="function", metric="peak"))
    named = {k: v for k, v in lines.items() if all("(" in frame for frame in k)}
    assert named and named.items() <= found.items()


def test_the_shown_profile_is_in_front(taken):
    document = json.loads(written(taken.view("peak"), "speedscope"))
    active = document["profiles"][document["activeProfileIndex"]]
    assert active["name"] == "peak"


def test_dhat(taken):
    document = json.loads(written(taken, "dhat", title="app.pb.gz"))
    for field, kind in {
        "dhatFileVersion": int, "mode": str, "verb": str, "bklt": bool, "bkacc": bool,
        "tu": str, "Mtu": str, "tuth": int, "cmd": str, "pid": int, "te": int,
        "tg": int, "pps": list, "ftbl": list,
    }.items():  # fmt: skip
        assert type(document[field]) is kind, field
    assert document["dhatFileVersion"] == 2 and document["cmd"] == "app.pb.gz"
    frames, points = document["ftbl"], document["pps"]
    assert frames[0] == "[root]" and all(type(frame) is str for frame in frames)
    for fields, metric in {
        ("tbk", "tb"): "allocated", ("gbk", "gb"): "peak", ("ebk", "eb"): "live",
    }.items():  # fmt: skip
        sums = tuple(sum(point[field] for point in points) for field in fields)
        assert sums == total(taken, metric)
    for point in points:
        assert {type(point[f]) for f in ("tl", "mb", "mbk")} == {int}
        assert point["tb"] >= point["mb"] >= max(point["gb"], point["eb"])
        assert all(0 < frame < len(frames) for frame in point["fs"])
    stacks = [tuple(point["fs"]) for point in points]
    assert len(set(stacks)) == len(stacks)  # the viewer refuses a repeated one
    assert any(frames[stack[0]].startswith("leaf (") for stack in stacks)
    assert document["te"] == total(taken, "allocated")[0]


# -- rows --------------------------------------------------------------------


def read_csv(data):
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def numbers(row, metric):
    if metric != "freed":
        return int(row[f"{metric}_blocks"]), int(row[f"{metric}_bytes"])
    (all_blocks, all_bytes), (blocks, size) = (
        numbers(row, "allocated"), numbers(row, "live"),
    )  # fmt: skip
    return all_blocks - blocks, all_bytes - size


@pytest.mark.parametrize("metric", [None, *convert.METRICS])
@pytest.mark.parametrize("by", [None, "site", "traceback", "line", "function", "file"])
def test_csv(taken, metric, by):
    rows = read_csv(written(taken, "csv", metric=metric, by=by))
    key = metric or "live"
    values = [numbers(row, key) for row in rows]
    assert tuple(map(sum, zip(*values, strict=True))) == total(taken, key)
    sizes = [size for _, size in values]
    assert sizes == sorted(sizes, reverse=True)
    if metric is None:
        for other in convert.METRICS:
            sums = map(sum, zip(*(numbers(row, other) for row in rows), strict=True))
            assert tuple(sums) == total(taken, other)
    else:
        assert all(count > 0 for count, _ in values)


@pytest.mark.parametrize("metric", AT)
def test_rows_are_those_of_the_statistics(taken, metric):
    lines = read_csv(written(taken, "csv", by="line", metric=metric))
    found = {
        ((row["filename"], int(row["lineno"])),): numbers(row, metric) for row in lines
    }
    assert len(found) == len(lines) and found == by_place(taken, metric, "lineno")
    files = read_csv(written(taken, "csv", by="file", metric=metric))
    found = {((row["filename"], 0),): numbers(row, metric) for row in files}
    assert len(found) == len(files) and found == by_place(taken, metric, "filename")
    stacks = read_csv(written(taken, "csv", by="traceback", metric=metric))
    found = [numbers(row, metric) for row in stacks]
    assert sorted(found) == sorted(by_place(taken, metric, "traceback").values())


def test_sites_have_a_size_each(taken):
    for row in read_csv(written(taken, "csv")):
        if row["block_size"]:
            for metric in AT:
                blocks, size = numbers(row, metric)
                assert size == blocks * int(row["block_size"])
        assert row["depth"] == "" or int(row["depth"]) >= 1
        assert (
            row["stack"]
            .split(";")[-1]
            .endswith(
                f"{row['filename']}:{row['lineno']}" + (")" if row["function"] else "")
            )
        )


def test_a_filtered_snapshot(taken):
    line = recursive.__code__.co_firstlineno + 1
    mine = taken.filter_traces([Filter(True, __file__, line, all_frames=True)])
    assert 0 < total(mine, "live")[1] < total(taken, "live")[1]
    for name in ("collapsed", "csv"):
        assert len(written(mine, name)) < len(written(taken, name))
    stacks = collapsed(written(mine, "collapsed"))
    assert sum(stacks.values()) == total(mine, "live")[1]


def test_parquet(taken, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    from pytracemalloc.convert import _rows

    monkeypatch.setattr(_rows, "ROWS_AT_ONCE", 17)
    for by in ("site", "traceback", "line", "function", "file"):
        path = tmp_path / f"{by}.parquet"
        path.write_bytes(written(taken, "parquet", by=by))
        table = parquet.read_table(path).to_pylist()
        rows = read_csv(written(taken, "csv", by=by))
        assert len(table) == len(rows) > 0
        for found, row in zip(table, rows, strict=True):
            found = found | (
                {"stack": ";".join(found["stack"])} if row.get("stack") else {}
            )
            assert {k: "" if v is None else str(v) for k, v in found.items()} == row
        schema = parquet.read_schema(path)
        assert str(schema.field("live_bytes").type) == "int64"
    assert str(parquet.read_schema(tmp_path / "site.parquet").field("stack").type) in (
        "list<element: string>", "list<item: string>",
    )  # fmt: skip


def test_parquet_of_odd_values():
    parquet = pytest.importorskip("pyarrow.parquet")
    raw = [(0, 2**62, (("\udcff.py", 5),), None)] * 3
    table = parquet.read_table(io.BytesIO(written(Snapshot(raw, 1), "parquet")))
    (row,) = table.to_pylist()
    assert row["filename"] == "\\udcff.py" and row["depth"] is None
    assert row["function"] is None and row["live_bytes"] == 2**63 - 1
    empty = Snapshot([], 1)
    assert parquet.read_table(io.BytesIO(written(empty, "parquet"))).num_rows == 0


# -- what the snapshot does not tell -----------------------------------------

A, B, C = ((("a.py", "f", 1),), (("a.py", "f", 2),), (("b.py", "g", 3),))

#: As a file may have it: twice more blocks alive than were ever allocated.
ODD = [(A, 8, 0, 3, 2, 1), (A, 16, 0, 0, 1, 5), (B, 8, 0, 3, 0, 1), (C, 4, 0, 1, 1, 9)]


def freed(snapshot):
    stats = snapshot.statistics("lineno", metric="freed")
    return {(s.key[0], s.key[1]): s.size for s in stats}


@pytest.mark.parametrize("by", ["line", "function", "file"])
def test_nothing_is_freed_less_than_never(snapshot_of, by):
    """Site by site, as in the statistics, and not after they were added up."""
    snapshot = snapshot_of(ODD)
    assert freed(snapshot) == {("a.py", 1): 80, ("b.py", 3): 32}
    stacks = collapsed(written(snapshot, "collapsed", metric="freed", by=by))
    assert sorted(stacks.values()) == [32, 80]
    (profile,) = json.loads(written(snapshot, "speedscope", metric="freed", by=by))[
        "profiles"
    ]
    assert sorted(profile["weights"]) == [32, 80]
    rows = read_csv(written(snapshot, "csv", metric="freed", by=by))
    assert len(rows) == 2


def untold(metric):
    return pytest.raises(ValueError, match=f"does not tell metric='{metric}'")


def as_a_list():
    return Snapshot([(0, 8, (("a.py", 1),), 1)] * 3, 1)


@pytest.mark.parametrize("format", convert.FORMATS, ids=lambda f: f.name)
def test_what_is_not_told_is_refused(snapshot_of, format):
    if format.name == "parquet":
        pytest.importorskip("pyarrow")
    for metric in {*format.metrics} - {"live"}:
        file = io.BytesIO()
        with untold(metric):
            convert.write(as_a_list(), format, convert.Options(metric), file)
        assert file.getvalue() == b""
    if "live" in format.metrics:
        assert written(as_a_list(), format.name, metric="live")
        with untold("live"):
            made = snapshot_of(ODD, lacks="live peak freed")
            written(made, format.name, metric="live")


@pytest.mark.parametrize("name", ["collapsed", "pickle"])
def test_one_metric_that_is_shown_and_not_told(name):
    with untold("peak"):
        written(as_a_list().view("peak"), name)


@pytest.mark.parametrize("name", ["csv", "speedscope", "dhat"])
def test_a_snapshot_that_tells_nothing(snapshot_of, name):
    file = io.BytesIO()
    with untold("live"):
        made = snapshot_of(ODD, lacks="live peak allocated freed")
        convert.write(made, convert.format_named(name), convert.Options(), file)
    assert file.getvalue() == b""


@pytest.mark.parametrize("told", AT)
@pytest.mark.parametrize("by", ["site", "traceback", "line", "function", "file"])
def test_columns_that_are_told(snapshot_of, told, by):
    made = snapshot_of(ODD, lacks=" ".join({*convert.METRICS} - {told}))
    rows = read_csv(written(made, "csv", by=by))
    sums = [name for name in rows[0] if name.endswith(("_blocks", "_bytes"))]
    assert sums == [f"{told}_blocks", f"{told}_bytes"]
    values = [numbers(row, told) for row in rows]
    assert tuple(map(sum, zip(*values, strict=True))) == total(made, told)
    sizes = [size for _, size in values]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("told", AT)
def test_profiles_that_are_told(snapshot_of, check_speedscope, told):
    made = snapshot_of(ODD, lacks=" ".join({*convert.METRICS} - {told}))
    document = json.loads(written(made, "speedscope"))
    check_speedscope(document)
    (profile,) = document["profiles"]
    assert profile["endValue"] == total(made, told)[1]
    assert document["activeProfileIndex"] == 0
    two = json.loads(written(snapshot_of(ODD, lacks="peak"), "speedscope"))
    assert [p["name"] for p in two["profiles"]] == ["in use", "allocated"]


@pytest.mark.parametrize("told", AT)
def test_dhat_of_one_metric(snapshot_of, told):
    """Without lifetimes, which the viewer has a mode for."""
    made = snapshot_of(ODD, lacks=" ".join({*convert.METRICS} - {told}))
    document = json.loads(written(made, "dhat"))
    assert document["bklt"] is False and not {"tg", "tuth"} & {*document}
    assert {tuple(point) for point in document["pps"]} == {("tb", "tbk", "fs")}
    points = [(point["tbk"], point["tb"]) for point in document["pps"]]
    assert tuple(map(sum, zip(*points, strict=True))) == total(made, told)
    assert all(blocks > 0 for blocks, _ in points)
    verbs = {"live": "In use, ", "peak": "In use at the peak, ", "allocated": "Alloc"}
    assert document["verb"].startswith(verbs[told])


# -- all formats -------------------------------------------------------------

TEXTS = [f.name for f in convert.FORMATS if f.is_text]


def test_an_empty_snapshot(check_speedscope):
    empty = Snapshot([], 1)
    assert written(empty, "collapsed") == b""
    assert len(written(empty, "csv").splitlines()) == 1
    check_speedscope(json.loads(written(empty, "speedscope")))
    assert json.loads(written(empty, "dhat"))["pps"] == []
    assert list(Snapshot.load(io.BytesIO(written(empty, "pickle"))).traces) == []


def test_stacks_are_read_some_at_a_time(taken, monkeypatch):
    before = {name: written(taken, name) for name in TEXTS}
    for frames in (1, 5, 100):
        monkeypatch.setattr(_table, "FRAMES_AT_ONCE", frames)
        assert {name: written(taken, name) for name in TEXTS} == before


FRAMES = st.tuples(
    st.sampled_from(["a.py", "b;.py", "\udc80", "é\n"]), st.integers(0, 3)
)
TRACES = st.tuples(
    st.sampled_from([0, 3]),
    st.integers(0, 5),
    st.lists(FRAMES, min_size=1, max_size=4).map(tuple),
    st.sampled_from([None, 1, 4]),
)


@given(st.lists(TRACES, max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_traces(raw):
    snapshot = Snapshot(raw, 4)
    size = sum(trace[1] for trace in raw)
    assert (
        sum(collapsed(written(snapshot, "collapsed", by="function")).values()) == size
    )
    rows = read_csv(written(snapshot, "csv", by="traceback"))
    assert sum(int(row["live_bytes"]) for row in rows) == size
    assert len(rows) == len({trace[2] for trace in raw})
    back = Snapshot.load(io.BytesIO(written(snapshot, "pickle")))
    assert collections.Counter(t._trace for t in back.traces) == collections.Counter(
        raw
    )
    points = json.loads(written(snapshot, "dhat"))["pps"]
    assert sum(point["tb"] for point in points) == size


def test_columns_are_checked(taken):
    core = pytracemalloc._core
    with pytest.raises(IndexError, match="stack 4294967295 is not in the snapshot"):
        core._frames_of_stacks(taken, b"\xff\xff\xff\xff")
    with pytest.raises(AttributeError):
        core._columns_of_snapshot(3)
    assert core._frames_of_stacks(taken, b"") == b""
