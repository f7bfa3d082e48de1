# SPDX-License-Identifier: MIT
"""Finds the CPythons of this machine, and has the missing ones made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MINORS = ("3.11", "3.12", "3.13", "3.13t", "3.14", "3.15")

PROBE = """
import importlib.util as u, json, os, platform, sys, sysconfig
def has(name):
    try:
        return u.find_spec(name) is not None
    except ImportError:
        return False
print(json.dumps({
    "kind": sys.implementation.name,
    "version": platform.python_version(),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "base": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
    "lacks": [what for what, there in (
        ("headers", os.path.exists(sysconfig.get_path("include") + "/Python.h")),
        ("venv", has("venv") and has("ensurepip")),
        ("test package", has("test.test_tracemalloc")),
    ) if not there],
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython that runs here."""

    path: Path
    version: str
    lacks: tuple[str, ...] = ()

    free_threaded: bool = False

    @property
    def minor(self) -> str:
        return self.version.rpartition(".")[0] + ("t" if self.free_threaded else "")


def clean_environment() -> dict[str, str]:
    """The environment without what would change a Python's behaviour."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("PYTHON", "PYTRACEMALLOC", "PTM_", "VIRTUAL_ENV", "LD_")
        )
    }


def candidates() -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for minor in MINORS:
            yield Path(folder, f"python{minor}")
        yield Path(folder, "python3")
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    made = Path(os.environ.get("CPYTHONS", home / ".cache" / "cpythons"))
    for minor in MINORS:
        digits = minor.rstrip("t")
        yield from sorted(pyenv.glob(f"versions/{digits}.*/bin/python{minor}"))
        yield made / minor / "bin" / f"python{minor}"


def probe(path: Path) -> Interpreter | None:
    """The interpreter, if it runs and is one of those we support."""
    try:
        out = subprocess.run(
            [path, "-I", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=180,
            env=clean_environment(),
            cwd="/",
        )
        told = json.loads(out.stdout) if out.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    if told.get("kind") != "cpython":
        return None
    found = Interpreter(
        Path(told["base"]), told["version"], tuple(told["lacks"]), told["free_threaded"]
    )
    return found if found.minor in MINORS else None


def found_here() -> list[Interpreter]:
    """Every supported CPython, once, by version."""
    by_path = {}
    for path in candidates():
        found = probe(path) if os.access(path, os.X_OK) else None
        if found:
            by_path.setdefault(found.path, found)
    return sorted(
        by_path.values(),
        key=lambda i: (version_key(i.version), i.free_threaded, i.path),
    )


def version_key(version: str) -> tuple[int, ...]:
    digits = "".join(c if c.isdigit() else " " for c in version)
    return tuple(map(int, digits.split()))


def make(minor: str, tool: Path) -> Interpreter | None:
    """Have tools/get-cpythons make the interpreter."""
    print(f"no usable CPython {minor} here: making one", file=sys.stderr, flush=True)
    out = subprocess.run([tool, minor], stdout=subprocess.PIPE, text=True, check=False)
    path = out.stdout.strip()
    return probe(Path(path)) if path else None


def usable(tool: Path) -> tuple[list[Interpreter], list[Interpreter], list[str]]:
    """(those that can be tested, those that lack something, minors without any)."""
    everything = found_here()
    good = [i for i in everything if not i.lacks]
    absent = []
    for minor in MINORS:
        if not any(i.minor == minor for i in good):
            made = make(minor, tool)
            if made and not made.lacks:
                good.append(made)
            else:
                absent.append(minor)
    return good, [i for i in everything if i.lacks], absent


if __name__ == "__main__":  # one path per minor: those `make test` can run on
    tool = Path(__file__).resolve().parents[2] / "tools" / "get-cpythons"
    paths = {i.minor: i.path for i in usable(tool)[0]}
    print(*paths.values(), sep="\n")
