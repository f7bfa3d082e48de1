# SPDX-License-Identifier: MIT
"""What the at-peak and allocated books cost: the engine with them against one without.

Two environments, the second with a wheel built with -DPTM_NO_BOOKS, run the workloads
and the real programs in pairs, both traced with the same limit.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from claims import judge, save_table
from pairs import Program, geomean, run
from suites import FIGURE, programs_of
from venvs import Venvs

TRACERS = ("ours:1", "ours:25")


def ratio(
    with_books: Path,
    without: Path,
    program: Program,
    tracer: str,
    what: str,
    pairs: int,
) -> float | None:
    """The median over pairs of CPU with the books / without; None if a run was void."""
    found = []
    for k in range(pairs):
        b = run(without, program.argv, tracer, k)
        a = run(with_books, program.argv, tracer, k)
        if not (a.valid(tracer) and b.valid(tracer)):
            return None
        found.append(getattr(a, what) / getattr(b, what))
    return statistics.median(found)


def main(venvs: Venvs, results: Path, options: argparse.Namespace) -> Path:
    """Workloads and programs, at both limits."""
    with_books, without = venvs.python("programs"), venvs.python("nobooks")
    only = set(filter(None, options.only.split(",")))
    values: dict[str, list[float]] = {tracer: [] for tracer in TRACERS}
    lines = []
    for suite in ("workloads", "programs"):
        for program in programs_of(suite, with_books):
            if only and program.name not in only:
                continue
            cells = []
            for tracer in TRACERS:
                what = FIGURE[suite]
                found = ratio(with_books, without, program, tracer, what, options.pairs)
                cells.append("**void**" if found is None else f"{found:.3f}")
                values[tracer] += [] if found is None else [found]
            lines.append([program.name, *cells])
            print("  ".join(lines[-1]), flush=True)
    means = {tracer: geomean(found) for tracer, found in values.items()}
    lines.append(["**geometric mean**", *(f"**{m:.3f}**" for m in means.values())])
    judged = [
        judge(f"{t}: with / without the books", m, 1.03, "") for t, m in means.items()
    ]
    head = ["program", *(tracer.replace(":", " ") for tracer in TRACERS)]
    out = results / "books.json"
    return save_table(out, venvs.version, head, lines, judged, values)
