# SPDX-License-Identifier: MIT
"""The environments of the benchmarks: made once, with a wheel, never editable.

    plain      nothing but the interpreter                 start-up without us
    core       our wheel                                   workloads, calls, memory
    pyperf     our wheel and requirements-pyperf.txt       the programs of pyperformance
    programs   our wheel and requirements.txt              the real programs
    nobooks    as programs, wheel built with PTM_NO_BOOKS  what the books cost

All live in build/bench/<version>/. The wheel is built anew for every run and installed
again where its contents changed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import zipfile
from pathlib import Path

from pairs import BUILD, HERE, ROOT

REQUIREMENTS = {
    "plain": None,
    "core": None,
    "pyperf": HERE / "requirements-pyperf.txt",
    "programs": HERE / "requirements.txt",
    "nobooks": HERE / "requirements.txt",
}
# No wheel, and none to be made without Rust: the rows that need them are void there.
NOT_FREE_THREADED = ("libcst", "fastapi", "pydantic")
NO_BOOKS = ("-Csetup-args=-Dc_args=-DPTM_NO_BOOKS",)


def version_of(interpreter: str) -> str:
    """3.13, 3.13t and the like."""
    code = "import sys; print('%d.%d' % sys.version_info[:2] + sys.abiflags)"
    return subprocess.check_output([interpreter, "-c", code], text=True).strip()


class Venvs:
    """The environments of one interpreter."""

    def __init__(self, interpreter: str, with_ours: bool = True) -> None:
        self.interpreter = interpreter
        self.version = version_of(interpreter)
        self.folder = BUILD / self.version
        self.with_ours = with_ours
        self._wheels: dict[bool, Path] = {}

    def python(self, name: str) -> Path:
        """The interpreter of an environment, made or brought up to date first."""
        python = self._made(name, REQUIREMENTS[name])
        if self.with_ours and name != "plain":
            self._install(python, self._wheel(no_books=name == "nobooks"))
        return python

    def _made(self, name: str, requirements: Path | None) -> Path:
        folder = self.folder / name
        python = folder / "bin" / "python"
        wanted = self._wanted(requirements) if requirements else ""
        stamp = folder / "made-from.txt"
        if stamp.exists() and stamp.read_text() == wanted:
            return python
        print(f"making {folder}", flush=True)
        _call(self.interpreter, "-m", "venv", "--clear", str(folder))
        if requirements:
            listed = folder / "requirements.txt"
            listed.write_text(wanted)
            _call(python, "-m", "pip", "install", "-q", "-r", str(listed))
        stamp.write_text(wanted)
        return python

    def _wanted(self, requirements: Path) -> str:
        """The requirements that can be had for this interpreter."""
        left_out = NOT_FREE_THREADED if self.version.endswith("t") else ()
        lines = requirements.read_text().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith(left_out))

    def _wheel(self, no_books: bool) -> Path:
        if no_books not in self._wheels:
            self._wheels[no_books] = self._build(no_books)
        return self._wheels[no_books]

    def _build(self, no_books: bool) -> Path:
        builder = self._made("builder", ROOT / "requirements" / "build.txt")
        where = self.folder / ("dist-nobooks" if no_books else "dist")
        for old in where.glob("*.whl"):
            old.unlink()
        print(f"building the wheel in {where}", flush=True)
        options = ("--no-deps", "--no-index", "--no-build-isolation", "-w", str(where))
        config = (f"-Cbuild-dir={where}/meson", *(NO_BOOKS if no_books else ()))
        _call(builder, "-m", "pip", "wheel", "-q", *options, *config, str(ROOT))
        (wheel,) = where.glob("*.whl")
        return wheel

    def _install(self, python: Path, wheel: Path) -> None:
        stamp = python.parent.parent / "installed.txt"
        digest = wheel_digest(wheel)
        if stamp.exists() and stamp.read_text() == digest:
            return
        options = ("-q", "--force-reinstall", "--no-deps", "--no-index")
        _call(python, "-m", "pip", "install", *options, str(wheel))
        stamp.write_text(digest)

    def unpacked(self, revision: str) -> Path:
        """A folder with the package of another commit, to stand first on the path."""
        folder = self.folder / "revisions" / revision
        if not (folder / "pytracemalloc").is_dir():
            self._unpack(revision, folder)
        return folder

    def _unpack(self, revision: str, folder: Path) -> None:
        builder = self._made("builder", ROOT / "requirements" / "build.txt")
        with tempfile.TemporaryDirectory() as scratch:
            tree, dist = Path(scratch, "tree"), Path(scratch, "dist")
            _call("git", "clone", "-q", "--shared", str(ROOT), str(tree))
            _call("git", "-C", str(tree), "checkout", "-q", revision)
            options = (
                "--no-deps",
                "--no-index",
                "--no-build-isolation",
                "-w",
                str(dist),
            )
            _call(builder, "-m", "pip", "wheel", "-q", *options, str(tree))
            (wheel,) = dist.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)

    def engine(self) -> str:
        """A short name of the wheel that was measured."""
        return wheel_digest(self._wheel(no_books=False))[:12] if self.with_ours else ""


def wheel_digest(wheel: Path) -> str:
    """The wheel's files, whatever their time stamps."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            digest.update(name.encode() + b"\0" + archive.read(name))
    return digest.hexdigest()


def _call(python: str | Path, *argv: str) -> None:
    """One pip or venv call; meson and ninja are found beside the interpreter."""
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(python).parent}:{environment['PATH']}"
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    subprocess.run([str(python), *argv], env=environment, check=True)
