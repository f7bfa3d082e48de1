# SPDX-License-Identifier: MIT
"""What Go's pprof tells of our files is what statistics tell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytracemalloc import Snapshot

GO = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")

pytestmark = pytest.mark.skipif(GO is None, reason="there is no Go to build pprof with")

#: sample types of the file: moment of the snapshot, what of a statistic
TYPES = {
    "inuse_space": ("end", "size"),
    "inuse_objects": ("end", "count"),
    "peak_space": ("peak", "size"),
    "peak_objects": ("peak", "count"),
    "alloc_space": ("allocated", "size"),
    "alloc_objects": ("allocated", "count"),
}

#: flat, %, sum of %, cumulative, %, name
ROW = re.compile(r" *(-?\d+)B? +\S+ +\S+ +(-?\d+)B? +\S+ +(.+)")

Pprof = Callable[..., str]
Table = dict[str, tuple[int, int]]


@pytest.fixture
def pprof(project: Path, tmp_path: Path) -> Pprof:
    tool = project / "build" / "pprof" / "pprof"
    if not tool.exists():
        pytest.skip("`make pprof` could not fetch it (`make test` tries)")

    def run(*words: Any) -> str:
        done = subprocess.run(
            [tool, *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "PPROF_TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def top(pprof: Pprof, *words: Any) -> Table:
    """Name -> (flat, cumulative) of all rows that are not all 0."""
    whole = ("-nodecount=0", "-nodefraction=0", "-edgefraction=0", "-unit=B")
    out = pprof("-top", *whole, *words)
    head, _, rows = out.partition("cum%\n")
    assert rows, out
    table: Table = {}
    for line in rows.splitlines():
        match = ROW.fullmatch(line)
        assert match, line
        assert match[3] not in table
        table[match[3]] = int(match[1]), int(match[2])
    return {name: row for name, row in table.items() if row != (0, 0)}


def cumulative(
    snapshot: Snapshot, what: str, name_of: Callable[[Any], str]
) -> Counter[str]:
    """Once per block, also under recursion; our statistics count every frame."""
    whole: Counter[str] = Counter()
    for s in snapshot.statistics("traceback"):
        for name in set(map(name_of, s.traceback)):
            whole[name] += getattr(s, what)
    return whole


def by_line(snapshot: Snapshot, what: str) -> Table:
    def name_of(frame: Any) -> str:
        return f"{frame.name} {frame.filename}:{frame.lineno}"

    flat = {
        name_of(s.traceback[0]): getattr(s, what) for s in snapshot.statistics("lineno")
    }
    whole = cumulative(snapshot, what, name_of)
    assert set(flat) <= set(whole)
    return {name: (flat.get(name, 0), whole[name]) for name in whole}


def by_function(snapshot: Snapshot, what: str) -> Table:
    flat: Counter[str] = Counter()
    for s in snapshot.statistics("lineno"):
        flat[s.traceback[0].name] += getattr(s, what)
    whole = cumulative(snapshot, what, lambda frame: frame.name)
    return {name: (flat[name], whole[name]) for name in whole}


@pytest.mark.parametrize("sample_type", TYPES)
def test_lines(pprof: Pprof, two_snapshots: Any, tmp_path: Path, sample_type: str):
    at, what = TYPES[sample_type]
    for snapshot in two_snapshots:
        snapshot.dump(tmp_path / "s.pb.gz")
        table = top(pprof, "-lines", f"-sample_index={sample_type}", "s.pb.gz")
        assert len(table) > 4
        assert table == by_line(snapshot.view(at), what)


@pytest.mark.parametrize("sample_type", TYPES)
def test_functions(pprof: Pprof, two_snapshots: Any, tmp_path: Path, sample_type: str):
    at, what = TYPES[sample_type]
    for snapshot in two_snapshots:
        snapshot.dump(tmp_path / "s.pb.gz")
        table = top(pprof, f"-sample_index={sample_type}", "s.pb.gz")
        assert {"main", "descend", "leaf"} <= set(table)
        assert table == by_function(snapshot.view(at), what)


def test_what_is_shown_without_options(
    pprof: Pprof, two_snapshots: Any, tmp_path: Path
):
    two_snapshots[0].dump(tmp_path / "s.pb.gz")
    out = pprof("-top", "s.pb.gz")
    assert "Type: inuse_space" in out and "pytracemalloc 1\n" in out
    assert "#pytracemalloc" not in out
    total = sum(s.size for s in two_snapshots[0].statistics("lineno"))
    assert top(pprof, "s.pb.gz")["main"][1] <= total
    assert sum(flat for flat, _ in top(pprof, "s.pb.gz").values()) == total


@pytest.mark.parametrize("sample_type", TYPES)
def test_differences(
    pprof: Pprof, two_snapshots: Any, tmp_path: Path, sample_type: str
):
    at, what = TYPES[sample_type]
    old, new = two_snapshots
    old.dump(tmp_path / "old.pb.gz")
    new.dump(tmp_path / "new.pb.gz")
    words = ("-lines", f"-sample_index={sample_type}", "-diff_base", "old.pb.gz")
    table = top(pprof, *words, "new.pb.gz")
    ours = {
        f"{s.traceback[0].name} {s.traceback[0]}": getattr(s, f"{what}_diff")
        for s in new.view(at).compare_to(old.view(at), "lineno")
    }
    flat = {name: row[0] for name, row in table.items() if row[0] != 0}
    assert flat == {name: n for name, n in ours.items() if n != 0} and flat


def positions(snapshot: Snapshot, at: str) -> list[Any]:
    return [
        (s, [(f.name, f.end_lineno, f.colno, f.end_colno) for f in s.traceback])
        for s in snapshot.view(at).statistics("traceback")
    ]


def test_what_pprof_writes_loads_equal(
    pprof: Pprof, two_snapshots: Any, tmp_path: Path
):
    snapshot = two_snapshots[0]
    snapshot.note = ["é", {"a": 1}]
    snapshot.dump(tmp_path / "ours.pb.gz")
    pprof("-proto", "-output=theirs.pb.gz", "ours.pb.gz")
    loaded = Snapshot.load(tmp_path / "theirs.pb.gz")
    for at in ("end", "peak", "allocated"):
        assert positions(loaded, at) == positions(snapshot, at)
    assert len(loaded.traces) == len(snapshot.traces)
    assert Counter(loaded.traces) == Counter(snapshot.traces)
    totals = Counter(t.traceback.total_nframe for t in snapshot.traces)
    assert Counter(t.traceback.total_nframe for t in loaded.traces) == totals
    assert loaded.traceback_limit == snapshot.traceback_limit
    assert loaded.note == snapshot.note and loaded.lost == snapshot.lost


def test_what_pprof_has_left_of_a_file_loads(
    pprof: Pprof, two_snapshots: Any, tmp_path: Path
):
    """-focus keeps some stacks and numbers everything anew."""
    snapshot = two_snapshots[0]
    snapshot.dump(tmp_path / "ours.pb.gz")
    pprof("-proto", "-focus=leaf", "-output=theirs.pb.gz", "ours.pb.gz")
    loaded = Snapshot.load(tmp_path / "theirs.pb.gz")
    kept = [
        row for row in positions(snapshot, "end") if any(f[0] == "leaf" for f in row[1])
    ]
    assert positions(loaded, "end") == kept and kept
