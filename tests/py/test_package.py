# SPDX-License-Identifier: MIT
"""The wheel carries what the tree has, and exports nothing but its module."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import pytracemalloc
from pytracemalloc import _core

IMPORTED = {".py", ".pyi", ".typed"}


def in_tree(project: Path) -> set[str]:
    package = project / "src" / "pytracemalloc"
    found = {p for p in package.rglob("*") if p.suffix in IMPORTED}
    found |= set(package.rglob("py.typed"))
    return {p.relative_to(package.parent).as_posix() for p in found}


def in_wheel() -> set[str]:
    files = importlib.metadata.files("pytracemalloc")
    assert files
    return {f.as_posix() for f in files}


def test_every_file_of_the_tree_is_in_the_wheel(project: Path) -> None:
    carried = {f for f in in_wheel() if f.startswith("pytracemalloc/")}
    carried = {f for f in carried if not f.endswith((".pyc", ".so"))}
    assert carried == in_tree(project)


def test_the_start_up_line_is_at_the_root() -> None:
    assert "pytracemalloc.pth" in in_wheel()


def test_one_version() -> None:
    version = importlib.metadata.version("pytracemalloc")
    assert pytracemalloc.__version__ == version


def test_version_is_the_build_files(project: Path) -> None:
    text = (project / "meson.build").read_text()
    declared = re.search(r"version: '([^']+)'", text)
    assert declared and declared.group(1) == pytracemalloc.__version__


def test_no_dependency_at_run_time() -> None:
    needed = importlib.metadata.requires("pytracemalloc") or []
    assert [line for line in needed if "extra ==" not in line] == []


def test_licence_travels_with_it() -> None:
    assert any(f.endswith("LICENSE") for f in in_wheel())


def test_the_command_is_installed() -> None:
    command = Path(sysconfig.get_path("scripts"), "pytracemalloc")
    out = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert out.returncode == 0
    assert pytracemalloc.__version__ in out.stdout


@pytest.mark.skipif(not shutil.which("nm"), reason="needs nm")
def test_only_the_module_is_exported() -> None:
    out = subprocess.run(
        ["nm", "-D", "--defined-only", _core.__file__],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.split()[-1] for line in out.stdout.splitlines()}
    linkers = ("__", "_init", "_fini", "_edata", "_end")
    assert {n for n in names if not n.startswith(linkers)} == {"PyInit__core"}


def test_import_takes_nothing_else_of_ours() -> None:
    code = (
        "import sys, pytracemalloc; "
        "print(*sorted(m for m in sys.modules if m.startswith('pytracemalloc')))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(out.stdout.split()) <= {
        "pytracemalloc",
        "pytracemalloc._core",
        "pytracemalloc.stdlib",
    }
