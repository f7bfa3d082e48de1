# SPDX-License-Identifier: MIT
"""Single calls: start and stop, and two questions asked often."""

from __future__ import annotations

import argparse
from pathlib import Path

from claims import Facts, inside, judge, save_table
from pairs import CONTESTANTS
from venvs import Venvs

MILLISECONDS = ("start_stop", "first_start_stop", "start_stop_worst")


def shown(key: str, value: float | None) -> str:
    """A time in the unit that reads best."""
    if value is None:
        return "–"
    if key.endswith("_ns"):
        return f"{value:.0f} ns"
    return f"{value * 1e3:.3f} ms" if key in MILLISECONDS else f"{value:.3f} s"


def verdicts(found: dict[str, Facts]) -> list[str]:
    """The figures to reach."""
    lines = []
    for name in (name for name in found if name.startswith("ours")):
        facts = found[name]
        pair = facts.get("start_stop")
        milliseconds = pair * 1e3 if pair is not None else None
        lines.append(judge(f"{name}: start + stop", milliseconds, 1, "ms"))
        for key in ("get_traced_memory", "is_tracing"):
            lines.append(judge(f"{name}: {key}", facts.get(f"{key}_ns"), 200, "ns"))
    return lines


def main(venvs: Venvs, results: Path, options: argparse.Namespace) -> Path:
    """Run it for every contestant and save the table."""
    python = venvs.python("core")
    names = [name for name in CONTESTANTS if name in options.contestants.split(",")]
    found = {name: inside(python, "calls", name) for name in names}
    keys = next((list(facts) for facts in found.values() if facts), [])
    lines = []
    for key in keys:
        cells = [shown(key, found[name].get(key)) for name in names]
        lines.append([key.removesuffix("_ns").replace("_", " "), *cells])
    head = ["call", *(name.replace(":", " ") for name in names)]
    out = results / "calls.json"
    return save_table(out, venvs.version, head, lines, verdicts(found), found)
