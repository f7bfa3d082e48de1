# SPDX-License-Identifier: MIT
"""What the installed wheel adds to the start of an interpreter that asks nothing of it.

Pairs of `python -c pass` in an environment without and one with the wheel, none of our
variables set; medians of the differences, by CPU time and by the clock.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

from claims import judge, save_table
from venvs import Venvs

PAIRS = 150


def once(python: Path) -> tuple[float, float]:
    """One start: CPU and clock, in milliseconds."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    started = time.perf_counter()
    child = os.posix_spawn(python, [str(python), "-c", "pass"], environment)
    _, status, usage = os.wait4(child, 0)
    clock = time.perf_counter() - started
    if status != 0:
        raise RuntimeError(f"{python} -c pass ended with {status}")
    return (usage.ru_utime + usage.ru_stime) * 1e3, clock * 1e3


def main(venvs: Venvs, results: Path, options: argparse.Namespace) -> Path:
    """All pairs; plain and with the wheel take turns at being first."""
    plain, wheel = venvs.python("plain"), venvs.python("core")
    once(plain), once(wheel)
    found: list[tuple[float, float, float, float]] = []
    for k in range(PAIRS):
        if k % 2:
            with_wheel, without = once(wheel), once(plain)
        else:
            without, with_wheel = once(plain), once(wheel)
        found.append((*without, *with_wheel))
    lines, raw = [], {"pairs": found}
    costs = {}
    for at, name in enumerate(("CPU, ms", "clock, ms")):
        base = statistics.median(pair[at] for pair in found)
        ours = statistics.median(pair[at + 2] for pair in found)
        cost = statistics.median(pair[at + 2] - pair[at] for pair in found)
        costs[name] = cost
        lines.append([name, f"{base:.2f}", f"{ours:.2f}", f"{cost:.3f}"])
    judged = [judge("start-up, CPU: more", costs["CPU, ms"], 1, "ms")]
    head = [f"{PAIRS} pairs", "without the wheel", "with it", "median difference"]
    out = results / "startup.json"
    return save_table(out, venvs.version, head, lines, judged, raw)
