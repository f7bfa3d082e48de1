# SPDX-License-Identifier: MIT
"""Whether two threads that allocate at once go on as they do untraced.

On a free-threaded build two threads need as long as one, as long as nothing is between
them. Per tracer: what two threads at once need, over what one needs, and that over the
same of an untraced process that ran just before. With a GIL the figure is about 2 for
everybody.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from claims import Facts, inside, judge, save_table
from pairs import pairs_of
from venvs import Venvs

ROUNDS = 15  # in a process
LIMIT = 1.10


def scaling(found: Facts, clock: str) -> float | None:
    """Two threads at once, over one: the median of the rounds."""
    rounds = found.get(clock)
    return statistics.median(two / one for one, two in rounds) if rounds else None


def pair(facts: list[Facts], clock: str) -> list[float]:
    """Untraced, traced, and traced over untraced."""
    untraced, traced = (scaling(found, clock) for found in facts)
    if untraced is None or traced is None:
        return []
    return [untraced, traced, traced / untraced]


def medians(pairs: list[list[float]]) -> list[float]:
    """Of each column, over the pairs that were no void."""
    return [
        statistics.median(column) for column in zip(*filter(None, pairs), strict=True)
    ]


def main(venvs: Venvs, results: Path, options: argparse.Namespace) -> Path:
    """Pairs of processes per contestant; the table has medians."""
    python = venvs.python("core")
    lines, judged, raw = [], [], {}
    for name, n in pairs_of(options).items():
        runs = [
            [inside(python, "threads", who, str(ROUNDS)) for who in ("none", name)]
            for _ in range(n)
        ]
        raw[name] = runs
        for clock in ("clock", "cpu"):
            found = medians([pair(facts, clock) for facts in runs])
            lines.append([f"{name}, {clock}", *(f"{value:.2f}" for value in found)])
            if clock == "clock" and name.startswith("ours"):
                worse = found[2] if found else None
                judged.append(judge(f"{name}: two threads", worse, LIMIT, "times"))
    head = ["two threads / one", "untraced", "traced", "ratio"]
    out = results / "threads.json"
    return save_table(out, venvs.version, head, lines, judged, raw)
