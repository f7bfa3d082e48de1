# SPDX-License-Identifier: MIT
"""Paired runs: the untraced program and the traced one, one after the other.

A pair is two processes started back to back, A then B, with the same hash seed, or
both at once on one core, where what disturbs the one disturbs the other. Their quotient
is one ratio; a figure is the median of the ratios of all pairs. CPU time is user plus
system time of the process (os.wait4), and of the measured region in it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = Path(os.environ.get("PTM_BENCH_DIR", ROOT / "build" / "bench")).absolute()

CONTESTANTS = ("ours:1", "stdlib:1", "ours:25", "stdlib:25")
TIMEOUT_S = 1800


@dataclass(frozen=True)
class Program:
    """One row: what to run. `argv` follows the interpreter."""

    name: str
    argv: tuple[str, ...]
    family: str = ""


@dataclass(frozen=True)
class Run:
    """One process: CPU seconds and what it reported of itself."""

    process_cpu: float
    region_cpu: float | None
    report: dict[str, Any] | None
    status: int

    def valid(self, tracer: str) -> bool:
        """Ended well and, if traced, says so itself, with a peak above 0."""
        if self.status != 0 or self.report is None:
            return False
        if tracer == "none":
            return not self.report["is_tracing"]
        nframe = int(self.report.get("limit", 0))
        return (
            bool(self.report["is_tracing"])
            and self.report["peak"] > 0
            and f"{tracer.partition(':')[0]}:{nframe}" == tracer
        )


@dataclass
class Row:
    """All pairs of one program and one contestant."""

    program: str
    family: str
    tracer: str
    untraced: list[dict[str, Any]] = field(default_factory=list)
    traced: list[dict[str, Any]] = field(default_factory=list)
    void: str = ""

    def ratios(self, what: str) -> list[float]:
        """`what` of traced / untraced, a ratio per pair."""
        pairs = zip(self.untraced, self.traced, strict=True)
        return [b[what] / a[what] for a, b in pairs if a[what] and b[what] is not None]


def pairs_of(options: argparse.Namespace) -> dict[str, int]:
    """How many pairs each contestant runs, those with none left out."""
    counts = {"stdlib:1": options.stdlib_pairs, "stdlib:25": options.stdlib25_pairs}
    names = [name for name in options.contestants.split(",") if name]
    unknown = [n for n in names if n.partition(":")[0] not in ("ours", "stdlib")]
    if unknown:
        raise SystemExit(
            f"no such contestant: {', '.join(unknown)} (ours:1, stdlib:25)"
        )
    pairs = {name: counts.get(name, options.pairs) for name in names}
    return {name: n for name, n in pairs.items() if n > 0}


def child_path() -> Path:
    """The directory on every child's path, with the entry point pyperf looks for."""
    path = BUILD / "child"
    info = path / "ptm_bench_child-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    for source in (HERE / "child").glob("*.py"):
        put(path / source.name, source.read_text())
    put(
        info / "METADATA",
        "Metadata-Version: 2.1\nName: ptm-bench-child\nVersion: 1\n",
    )
    put(
        info / "entry_points.txt",
        "[pyperf.hook]\nptm_bench = ptm_bench_child:PyperfHook\n",
    )
    return path


def put(path: Path, text: str) -> None:
    """Write a file once: another benchmark may be reading it."""
    if not path.exists() or path.read_text() != text:
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_text(text)
        scratch.replace(path)


def child_environment(path: Path, seed: int) -> dict[str, str]:
    """A small fixed environment: nothing of the caller's reaches the programs."""
    keep = {k: os.environ[k] for k in ("PATH", "HOME", "TMPDIR") if k in os.environ}
    return {
        **keep,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": str(seed),
        "PYTHONPATH": str(path),
    }


@dataclass(frozen=True)
class Started:
    """A process under way: what it writes, and where."""

    child: subprocess.Popen[bytes]
    tracer: str
    report: Path
    log: Path


def start(
    python: Path,
    argv: Sequence[str],
    tracer: str = "none",
    seed: int = 0,
    env: dict[str, str] | None = None,
    mark: str = "",
) -> Started:
    """Start one process. Of those that run at once each has a mark of its own."""
    path = child_path()
    out = BUILD / "child" / f"report-{os.getpid()}{mark}.json"
    out.unlink(missing_ok=True)
    environment = child_environment(path, seed)
    environment |= {"PTM_BENCH_TRACER": tracer, "PTM_BENCH_OUT": str(out)}
    environment |= env or {}
    log = BUILD / "child" / f"output-{os.getpid()}{mark}.txt"
    with log.open("wb") as sink:
        child = subprocess.Popen(
            [str(python), *argv], env=environment, stdout=sink, stderr=sink
        )
    return Started(child, tracer, out, log)


def finish(started: Started) -> Run:
    """Wait for its end."""
    cpu, status = _wait(started.child)
    out = started.report
    report = json.loads(out.read_text()) if out.exists() else None
    out.unlink(missing_ok=True)
    if status != 0:
        tail = started.log.read_text(errors="replace").strip().splitlines()[-8:]
        end = f"  {started.tracer} ended with {status}:"
        print(end, *tail, sep="\n    ", file=sys.stderr)
    region = report["region_cpu"] if report else None
    return Run(cpu, region, report, status)


def run(
    python: Path,
    argv: Sequence[str],
    tracer: str = "none",
    seed: int = 0,
    env: dict[str, str] | None = None,
) -> Run:
    """Run one process to its end."""
    return finish(start(python, argv, tracer, seed, env))


def _wait(child: subprocess.Popen[bytes]) -> tuple[float, int]:
    alarm = threading.Timer(TIMEOUT_S, child.kill)
    alarm.start()
    try:
        _, status, usage = os.wait4(child.pid, 0)
    finally:
        alarm.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, child.returncode


def _entry(one: Run) -> dict[str, Any]:
    report = one.report or {}
    keys = ("rss_peak", "rss_end", "peak", "current", "own")
    entry: dict[str, Any] = {key: report.get(key) for key in keys}
    return {**entry, "process_cpu": one.process_cpu, "region_cpu": one.region_cpu}


def bind_to_one_core() -> None:
    """This process and all that it starts from now on."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measure(
    python: Path, program: Program, pairs: dict[str, int], at_once: bool = False
) -> list[Row]:
    """All contestants of one program: round k holds pair k of each that has one."""
    rows = {t: Row(program.name, program.family, t) for t in pairs}
    first = run(python, program.argv)  # fills disk and byte-code caches; not counted
    if not first.valid("none"):
        for row in rows.values():
            row.void = f"the program itself does not run (status {first.status})"
    for k in range(max(pairs.values(), default=0)):
        for tracer, row in rows.items():
            if k < pairs[tracer] and not row.void:
                _pair(python, program, row, k, at_once)
    return list(rows.values())


def _pair(python: Path, program: Program, row: Row, seed: int, at_once: bool) -> None:
    if at_once:
        first = start(python, program.argv, "none", seed, mark="-untraced")
        second = start(python, program.argv, row.tracer, seed)
        a, b = finish(first), finish(second)
    else:
        a = run(python, program.argv, "none", seed)
        b = run(python, program.argv, row.tracer, seed)
    row.untraced.append(_entry(a))
    row.traced.append(_entry(b))
    if not a.valid("none"):
        row.void = f"the untraced run did not end well (status {a.status})"
    elif not b.valid(row.tracer):
        row.void = f"the traced run was not traced to its end (status {b.status})"


def geomean(values: Iterable[float]) -> float:
    """Geometric mean; of nothing: not a number."""
    found = list(values)
    return statistics.geometric_mean(found) if found else float("nan")


def save(path: Path, facts: dict[str, Any]) -> None:
    """Write JSON at once, so that a run that is cut short leaves what it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(facts, indent=1) + "\n")
    scratch.replace(path)


def machine() -> dict[str, Any]:
    """What a figure depends on besides the program."""
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": os.uname().release}


def as_facts(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows as plain data."""
    return [asdict(row) for row in rows]
