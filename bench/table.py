#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns the JSON of a run into markdown tables, those of docs/cost.md.

python bench/table.py build/bench/results/3.13/*.json
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

from pairs import CONTESTANTS, Row, geomean
from suites import FIGURE, TITLE, limits_of

Facts = dict[str, Any]


def facts_of(suite: str, version: str, machine: Facts, engine: str) -> Facts:
    """The head of a result: what it is and what it depends on."""
    return {"part": suite, "python": version, "machine": machine, "engine": engine}


def kept_rows(path: Path) -> list[Facts]:
    """The rows of the last run, if there was one."""
    return json.loads(path.read_text())["rows"] if path.exists() else []


def merge(kept: list[Facts], new: list[Facts]) -> list[Facts]:
    """New rows take the place of kept ones; a program keeps its place in the list."""
    rows = {(row["program"], row["tracer"]): row for row in kept}
    rows |= {(row["program"], row["tracer"]): row for row in new}
    return list(rows.values())


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A markdown table: first column to the left, numbers to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *rows])


def times(value: float | None) -> str:
    """A ratio, short."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


# -- suites ----------------------------------------------------------------------------


def rows_of(facts: Facts) -> dict[str, dict[str, Row]]:
    """program → contestant → row, in the order of the file."""
    found: dict[str, dict[str, Row]] = {}
    for entry in facts["rows"]:
        row = Row(**entry)
        found.setdefault(row.program, {})[row.tracer] = row
    return found


def figure(row: Row | None, what: str) -> float | None:
    """The median of a row's ratios; None for a void or missing row."""
    if row is None or row.void or not row.ratios(what):
        return None
    return statistics.median(row.ratios(what))


def untraced_seconds(rows: dict[str, Row], what: str) -> float:
    """The median over all untraced runs of one program."""
    all_runs = [run[what] for row in rows.values() for run in row.untraced]
    return statistics.median([seconds for seconds in all_runs if seconds] or [math.nan])


def cell(row: Row | None, what: str) -> str:
    """One ratio, or why there is none."""
    if row is not None and row.void:
        return "**void**"
    return times(figure(row, what))


def suite_table(facts: Facts) -> str:
    """One line per program, then the geometric means and the worst."""
    what = FIGURE[facts["part"]]
    programs = rows_of(facts)
    names = [c for c in CONTESTANTS if any(c in rows for rows in programs.values())]
    lines = []
    for program, rows in programs.items():
        cells = [cell(rows.get(name), what) for name in names]
        lines.append([program, f"{untraced_seconds(rows, what):.2f}", *cells])
    head = ["program", "untraced, s", *(name.replace(":", " ") for name in names)]
    return grid(head, lines + summary(programs, names, what))


def values_of(
    programs: dict[str, dict[str, Row]], name: str, what: str
) -> dict[str, float]:
    """program → figure of one contestant, where there is one."""
    found = {p: figure(rows.get(name), what) for p, rows in programs.items()}
    return {p: value for p, value in found.items() if value is not None}


def summary(
    programs: dict[str, dict[str, Row]], names: list[str], what: str
) -> list[list[str]]:
    """Geometric mean, worst, per family, and the other CPU time."""
    other = "process_cpu" if what == "region_cpu" else "region_cpu"
    label = {"process_cpu": "whole process", "region_cpu": "measured region"}
    means, worst, families, others = [], [], [], []
    for name in names:
        values = values_of(programs, name, what)
        means.append(f"**{times(geomean(values.values()))}**")
        worst.append(times(max(values.values(), default=math.nan)))
        families.append(times(geomean(by_family(programs, values))))
        others.append(times(geomean(values_of(programs, name, other).values())))
    lines = [["**geometric mean**", "", *means], ["worst", "", *worst]]
    if any(row.family for rows in programs.values() for row in rows.values()):
        lines.append(["geometric mean, one vote per script", "", *families])
    return [*lines, [f"geometric mean, {label[other]}", "", *others]]


def by_family(
    programs: dict[str, dict[str, Row]], values: dict[str, float]
) -> list[float]:
    """The mean of each script's rows."""
    groups: dict[str, list[float]] = {}
    for program, value in values.items():
        family = next(iter(programs[program].values())).family or program
        groups.setdefault(family, []).append(value)
    return [geomean(group) for group in groups.values()]


def verdicts(facts: Facts) -> list[str]:
    """Figures to reach, figures reached, void rows."""
    what = FIGURE[facts["part"]]
    programs = rows_of(facts)
    lines = []
    limits = limits_of(facts["part"], facts["python"])
    for name, (mean, worst) in limits.items():
        values = values_of(programs, name, what)
        if not values:
            continue
        lines.append(verdict(f"{name}: geometric mean", geomean(values.values()), mean))
        if worst is not None:
            lines.append(verdict(f"{name}: worst", max(values.values()), worst))
    void = [r for rows in programs.values() for r in rows.values() if r.void]
    lines += [f"- void: {r.program}, {r.tracer}: {r.void}" for r in void]
    return lines


def verdict(what: str, value: float, limit: float) -> str:
    """One figure against its limit."""
    word = "reached" if value <= limit else "**missed**"
    return f"- {what} {value:.3f}, at most {limit:.2f}: {word}"


def growth_table(facts: Facts) -> str:
    """What the process grows by at its peak, ours beside the standard library."""
    lines, shares = [], {"1": [], "25": []}
    for program, rows in rows_of(facts).items():
        line = [program]
        for nframe, found in shares.items():
            ours, theirs = (
                growth(rows.get(f"{t}:{nframe}")) for t in ("ours", "stdlib")
            )
            share = ours / theirs if ours and theirs else None
            line += [mib(ours), mib(theirs), times(share)]
            found += [share] if share and share > 0 else []
        lines.append(line)
    mean = ["**geometric mean**"]
    for found in shares.values():
        mean += ["", "", f"**{times(geomean(found))}**"]
    head = ["growth at the peak, MiB"]
    for nframe in shares:
        head += [f"ours {nframe}", f"stdlib {nframe}", "share"]
    return grid(head, [*lines, mean])


def growth(row: Row | None) -> float | None:
    """Bytes a traced process needs more than the untraced one: median over pairs."""
    if row is None or row.void:
        return None
    pairs = zip(row.untraced, row.traced, strict=True)
    return statistics.median(b["rss_peak"] - a["rss_peak"] for a, b in pairs)


def mib(value: float | None) -> str:
    """Bytes as MiB."""
    return "–" if value is None else f"{value / 2**20:.1f}"


def pairs_line(facts: Facts) -> str:
    """How many pairs stand behind the columns."""
    counts: dict[str, set[int]] = {}
    for row in facts["rows"]:
        counts.setdefault(row["tracer"], set()).add(len(row["traced"]))
    said = [f"{name} {min(n)}" for name, n in counts.items() if n]
    return "Pairs per row, at least: " + ", ".join(said) + "."


def progress(rows: list[Row], suite: str, seconds: float) -> str:
    """One line while it runs."""
    cells = [f"{row.tracer} {cell(row, FIGURE[suite])}" for row in rows]
    return f"{rows[0].program if rows else '':34} {'  '.join(cells)}  ({seconds:.0f} s)"


# -- all -------------------------------------------------------------------------------


def render(path: Path) -> str:
    """One result as markdown."""
    facts = json.loads(path.read_text())
    part = facts["part"]
    title = f"### {TITLE.get(part, part)}, CPython {facts['python']}\n"
    if part not in TITLE:
        return "\n".join([title, plain_table(facts), *facts.get("verdicts", [])]) + "\n"
    parts = [title, suite_table(facts), "", pairs_line(facts), *verdicts(facts)]
    if part == "programs":
        parts += ["", growth_table(facts)]
    return "\n".join(parts) + "\n"


def plain_table(facts: Facts) -> str:
    """A claim's own table."""
    return grid(facts["head"], facts["lines"]) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(render(Path(name)))
