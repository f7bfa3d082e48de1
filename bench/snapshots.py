# SPDX-License-Identifier: MIT
"""What questions to a snapshot take: ours beside the standard library's, and limits.

inside/snapshots.py says what is traced and what is asked. Ours is the median of five,
each of a snapshot of its own; the standard library, which takes minutes, runs once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from claims import Facts, inside, judge, save_table
from venvs import Venvs

CASES = ("many", "hard")
CONTESTANTS = ("stdlib:25", "ours:25")
FILE = "file_bytes"

#: Milliseconds by the first word of a question; of the file bytes.
LIMITS = {
    "many": {
        "take_snapshot": 5,
        "statistics": 5,
        "cumulative": 10,
        "compare_to": 10,
        "filter_traces": 5,
        "dump": 20,
        "load": 20,
        FILE: 1_000_000,
    },
    "hard": {
        "take_snapshot": 300,
        "statistics": 300,
        "cumulative": 300,
        "compare_to": 300,
        "filter_traces": 300,
        "dump": 400,
        "load": 300,
    },
}


def limit_of(case: str, question: str) -> float | None:
    """What ours may take, if anything was said."""
    return LIMITS[case].get(question.split(" ")[0])


def shown(question: str, value: float | None) -> str:
    """Seconds as seconds or milliseconds, bytes as kilobytes."""
    if value is None:
        return "–"
    if question == FILE:
        return f"{value / 1000:,.0f} kB"
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def in_unit(question: str, value: float) -> float:
    """As the limits have it."""
    return value if question == FILE else value * 1000


def limit_cell(case: str, question: str, ours: float | None) -> str:
    """The limit, and whether it was kept."""
    limit = limit_of(case, question)
    if limit is None:
        return "–"
    text = f"{limit / 1000:,.0f} kB" if question == FILE else f"{limit} ms"
    if ours is None:
        return text
    kept = in_unit(question, ours) <= limit
    return f"{text}, {'kept' if kept else '**missed**'}"


def line_of(question: str, found: dict[str, dict[str, Facts]]) -> list[str]:
    """One question, in both cases."""
    name = "bytes of the file" if question == FILE else question
    cells = []
    for case in CASES:
        stdlib, ours = (found[case].get(c, {}).get(question) for c in CONTESTANTS)
        cells += [shown(question, stdlib), shown(question, ours)]
        cells.append(limit_cell(case, question, ours))
    return [name, *cells]


def verdicts(found: dict[str, dict[str, Facts]]) -> list[str]:
    """Every limit that was missed; one line if there is none."""
    lines = []
    for case in CASES:
        facts = found[case].get("ours:25")
        if facts is None:
            continue
        if not facts:
            lines.append(f"- {case}: **no figures**")
        for question, value in facts.items():
            limit = limit_of(case, question)
            if limit is not None and in_unit(question, value) > limit:
                unit = "bytes" if question == FILE else "ms"
                ours = in_unit(question, value)
                lines.append(judge(f"{case}: {question}", ours, limit, unit))
    return lines or ["- every limit is kept"]


def save_all(out: Path, version: str, found: dict[str, dict[str, Facts]]) -> None:
    """The table of what has been run so far."""
    facts = [facts for of_case in found.values() for facts in of_case.values()]
    questions = dict.fromkeys(question for one in facts for question in one)
    lines = [line_of(question, found) for question in questions]
    head = ["25 frames"]
    for case in CASES:
        head += [f"{case}: stdlib", "ours", "limit"]
    save_table(out, version, head, lines, verdicts(found), found)


def main(venvs: Venvs, results: Path, options: argparse.Namespace) -> Path:
    """Both cases under both tracers, ours first; saved after each."""
    python = venvs.python("core")
    wanted = options.contestants.split(",")
    out = results / "snapshots.json"
    found: dict[str, dict[str, Facts]] = {case: {} for case in CASES}
    for name in reversed(CONTESTANTS):
        for case in CASES if name in wanted else ():
            found[case][name] = inside(python, "snapshots", name, case)
            save_all(out, venvs.version, found)
            print(f"  {case}, {name}: done", flush=True)
    return out
