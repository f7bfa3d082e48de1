# SPDX-License-Identifier: MIT
"""Memory of our own: per live block, against the maps, and where it could run away.

Own memory per block is the growth of the traced process less that of the untraced one,
by a million live objects; `get_tracemalloc_memory` stands beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from claims import Facts, inside, judge, save_table
from venvs import Venvs

MILLION = 1_000_000
LIVE = ("objects", "floats", "slots", "strings", "tuples", "mixed")
PER_BLOCK = ("ours:1", "stdlib:1", "ours:25", "stdlib:25")
BOUNDS = {
    "recursion": ("ours:1", "ours:65535", "stdlib:65535"),
    "codes": ("ours:1", "ours:25", "stdlib:1", "stdlib:25"),
    "dead_sites": ("ours:1", "ours:25", "stdlib:1", "stdlib:25"),
}


def mib(value: float) -> str:
    """Bytes as MiB."""
    return f"{value / 2**20:.2f}"


def line_of(scenario: str, tracer: str, untraced: Facts, facts: Facts) -> list[str]:
    """One scenario under one tracer."""
    head = [f"{scenario}, {tracer.replace(':', ' ')}"]
    if not facts or not untraced or not facts["peak"]:
        return [*head, "**void**", "", "", "", ""]
    extra = facts["grown"] - untraced["grown"]
    per_block = f"{extra / MILLION:.1f}" if scenario in LIVE else ""
    held = mib(facts["held"]) if tracer.startswith("ours") else ""
    cpu = f"{facts['cpu'] / untraced['cpu']:.2f}"
    return [*head, mib(extra), per_block, mib(facts["own"]), held, cpu]


def truth(name: str, facts: Facts) -> str:
    """get_tracemalloc_memory() against the resident bytes of our maps."""
    if not facts or not facts["held"]:
        return f"- {name}: own against maps: **no figure**"
    off = abs(facts["own"] / facts["held"] - 1) * 100
    return judge(
        f"{name}: get_tracemalloc_memory differs from the maps by", off, 5, "%"
    )


def main(venvs: Venvs, results: Path, options: argparse.Namespace) -> Path:
    """All scenarios; ours and the standard library's, beside the untraced one."""
    python = venvs.python("core")
    wanted = options.contestants.split(",")
    families = {name.partition(":")[0] for name in wanted}
    plan = {**dict.fromkeys(LIVE, PER_BLOCK), **BOUNDS}
    lines, judged, raw = [], [], {}
    for scenario, tracers in plan.items():
        untraced = inside(python, "memory", scenario, "none")
        raw[scenario] = {"none": untraced}
        for tracer in tracers:
            if tracer.partition(":")[0] not in families:
                continue
            facts = raw[scenario][tracer] = inside(python, "memory", scenario, tracer)
            lines.append(line_of(scenario, tracer, untraced, facts))
            if tracer.startswith("ours"):
                judged.append(truth(f"{scenario}, {tracer}", facts))
    judged = per_block(raw) + judged
    head = [
        "scenario",
        "growth, MiB",
        "bytes per block",
        "says, MiB",
        "maps, MiB",
        "CPU",
    ]
    out = results / "memory.json"
    return save_table(out, venvs.version, head, lines, judged, raw)


def per_block(raw: dict[str, dict[str, Facts]]) -> list[str]:
    """At most 16 bytes per live block."""
    lines = []
    for scenario in LIVE:
        untraced, facts = raw[scenario]["none"], raw[scenario].get("ours:1")
        if facts and untraced:
            value = (facts["grown"] - untraced["grown"]) / MILLION
            what = f"{scenario}, ours:1: own memory per live block"
            lines.append(judge(what, value, 16, "bytes"))
    return lines
