# SPDX-License-Identifier: MIT
"""Instructions of one malloc/free pair, counted by callgrind: they do not wobble.

Each figure is (instructions of a run with 2 N pairs − of a run with N) / N, so that
start-up and tracing as such cancel; the hook's price is that less the same untraced.
Every figure is measured twice.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from pathlib import Path

from claims import inside, save_table
from pairs import HERE, child_environment
from venvs import Venvs

N = 20_000
CASES = (
    ("ours:1", 2),
    ("ours:1", 30),
    ("ours:25", 30),
    ("stdlib:1", 30),
    ("stdlib:25", 30),
)


def count(python: Path, tracer: str, n: int, depth: int) -> int:
    """Instructions of one process from start to end."""
    script = HERE / "inside" / "pair.py"
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [str(python), str(script), tracer, str(n), str(depth)]
    done = subprocess.run(
        command,
        env=child_environment(HERE / "inside", seed=0),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise RuntimeError("\n".join(done.stderr.splitlines()[-5:]))
    return int(found.group(1))


def per_pair(python: Path, tracer: str, depth: int) -> float:
    """Instructions of one pair, the loop around it included."""
    twice, once = (count(python, tracer, k * N, depth) for k in (2, 1))
    return (twice - once) / N


def cells(python: Path, tracer: str, depth: int) -> list[float]:
    """The same figure twice, with the byte code of all modules on disk."""
    inside(python, "pair", tracer, "1", str(depth))
    return [per_pair(python, tracer, depth) for _ in range(2)]


def main(venvs: Venvs, results: Path, options: argparse.Namespace) -> Path:
    """Two rounds of every case."""
    if shutil.which("valgrind") is None:
        raise SystemExit("instructions: valgrind is missing (Debian: valgrind)")
    python = venvs.python("core")
    wanted = options.contestants.split(",")
    bare = {depth: cells(python, "none", depth) for depth in {d for _, d in CASES}}
    lines, raw = [], {"untraced": bare}
    for tracer, depth in CASES:
        if tracer not in wanted:
            continue
        try:
            found = cells(python, tracer, depth)
        except RuntimeError as error:
            lines.append([f"{tracer}, {depth} deep", "**void**", str(error), "", ""])
            continue
        raw[f"{tracer}, {depth} deep"] = found
        hook = [traced - base for traced, base in zip(found, bare[depth], strict=True)]
        counts = [f"{found[0]:.1f}", *(f"{value:.1f}" for value in hook)]
        name = f"{tracer.replace(':', ' ')}, {depth} calls deep"
        lines.append([name, f"{bare[depth][0]:.1f}", *counts])
    head = ["instructions per pair", "untraced", "traced", "the hook", "again"]
    out = results / "instructions.json"
    return save_table(out, venvs.version, head, lines, [], raw)
