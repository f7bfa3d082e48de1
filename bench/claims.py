# SPDX-License-Identifier: MIT
"""What the claims beside the suites share: running a script inside, saving tables."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from pairs import HERE, child_environment, machine, save

Facts = dict[str, Any]


def inside(python: Path, script: str, *argv: str) -> Facts:
    """Run inside/<script> in an environment; its last line is the answer."""
    path = HERE / "inside" / f"{script}.py"
    done = subprocess.run(
        [str(python), str(path), *argv],
        env=child_environment(HERE / "inside", seed=0),
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        command = " ".join((script, *argv))
        print(f"  void: {command} ended with {done.returncode}", flush=True)
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def save_table(
    out: Path,
    version: str,
    head: list[str],
    lines: list[list[str]],
    verdicts: list[str],
    raw: Any,
) -> Path:
    """One claim's result, in the form that table.py renders."""
    facts = {
        "part": out.stem,
        "python": version,
        "machine": machine(),
        "head": head,
        "lines": lines,
        "verdicts": verdicts,
        "raw": raw,
    }
    save(out, facts)
    return out


def judge(what: str, value: float | None, limit: float, unit: str) -> str:
    """One figure against its limit; a missing figure is said to be missing."""
    if value is None:
        return f"- {what}: **no figure**"
    word = "reached" if value <= limit else "**missed**"
    return f"- {what} {value:.3g} {unit}, at most {limit:g} {unit}: {word}"
