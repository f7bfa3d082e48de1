# SPDX-License-Identifier: MIT
"""The engine of this tree against that of another commit, and both against none.

Of each row three processes run at once on one core, with the same hash seed: untraced,
the other engine, ours. What disturbs one of them disturbs all. A figure is the median
over the rounds of traced / untraced CPU time.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable
from pathlib import Path

from claims import save_table
from pairs import Program, Run, bind_to_one_core, child_path, finish, geomean, start
from suites import FIGURE, VENV, programs_of
from venvs import Venvs

TRACERS = ("ours:1", "ours:25")
# Of (b) those that allocate most; --only takes others.
OF_PYPERF = (
    "json_dumps",
    "mako",
    "docutils",
    "sqlalchemy_declarative",
    "sympy_expand",
    "sqlglot_v2_optimize",
    "deepcopy",
    "pickle_pure_python",
    "unpickle_list",
    "json_loads",
    "xml_etree_generate",
    "async_tree_none",
)


def at_once(
    python: Path, program: Program, tracer: str, seed: int, other: Path
) -> tuple[Run, Run, Run]:
    """Untraced, the other engine's, ours."""
    theirs = {"PYTHONPATH": f"{other}:{child_path()}"}
    started = [
        start(python, program.argv, "none", seed, mark="-untraced"),
        start(python, program.argv, tracer, seed, theirs, mark="-theirs"),
        start(python, program.argv, tracer, seed, mark="-ours"),
    ]
    untraced, before, now = (finish(one) for one in started)
    return untraced, before, now


def ratios(
    python: Path, suite: str, program: Program, tracer: str, rounds: int, other: Path
) -> tuple[float, float] | None:
    """Medians of theirs and ours, over untraced; None if a run was void."""
    found = []
    what = FIGURE[suite]
    for k in range(rounds):
        untraced, *traced = at_once(python, program, tracer, k, other)
        if not untraced.valid("none") or not all(t.valid(tracer) for t in traced):
            return None
        base = getattr(untraced, what)
        found.append([getattr(t, what) / base for t in traced])
    theirs, ours = (statistics.median(column) for column in zip(*found, strict=True))
    return theirs, ours


def rows_of(venvs: Venvs, only: set[str]) -> Iterable[tuple[str, Path, Program]]:
    """Suite, interpreter and program: the real ones, and some of pyperformance."""
    for suite in ("programs", "pyperf"):
        python = venvs.python(VENV[suite])
        wanted = only or (set(OF_PYPERF) if suite == "pyperf" else set())
        for program in programs_of(suite, python):
            if not wanted or program.name in wanted:
                yield suite, python, program


def main(venvs: Venvs, results: Path, options: argparse.Namespace) -> Path:
    """Each row at both limits; the means of those that both engines ran."""
    bind_to_one_core()
    other = venvs.unpacked(options.against)
    only = set(filter(None, options.only.split(",")))
    columns: dict[str, list[float]] = {}
    lines = []
    for suite, python, program in rows_of(venvs, only):
        cells = []
        for tracer in TRACERS:
            found = ratios(python, suite, program, tracer, options.pairs, other)
            cells += ["**void**"] * 2 if found is None else [f"{f:.3f}" for f in found]
            for who, value in zip(("before", "now"), found or (), strict=False):
                columns.setdefault(f"{who} {tracer}", []).append(value)
        lines.append([program.name, *cells])
        print("  ".join(lines[-1]), flush=True)
    means = [f"**{geomean(columns.get(name, ())):.3f}**" for name in heads()]
    lines.append(["**geometric mean**", *means])
    out = results / "engines.json"
    return save_table(
        out,
        venvs.version,
        ["program", *heads()],
        lines,
        [f"- before: {options.against}"],
        columns,
    )


def heads() -> list[str]:
    """The columns."""
    return [f"{who} {tracer}" for tracer in TRACERS for who in ("before", "now")]
