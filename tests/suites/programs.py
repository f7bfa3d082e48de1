# SPDX-License-Identifier: MIT
"""Large packages whose own tests are run: as installed, with tests of the same version.

numpy and pandas have their tests in the wheel. The others' are in the sdist, of which
only the folder of tests is used.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from outcomes import Suite

# isort: split
# found by outcomes
from interpreters import Interpreter, clean_environment
from run_conformance import ROOT, environment, run

REQUIREMENTS = ROOT / "requirements" / "suites.txt"
PYTEST = ("-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "ptm_suites")


def programs_environment(interpreter: Interpreter, folder: Path) -> Path:
    """The Python of an environment with the packages, and our wheel of this tree."""
    ours = environment(interpreter).parents[2] / "dist"
    python = folder / "venv" / "bin" / "python"
    stamp = folder / "installed"
    wanted = f"{interpreter.path}\n{REQUIREMENTS.read_text()}"
    env = clean_environment()
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--no-input")
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(interpreter.path, "-m", "venv", folder / "venv", env=env)
        run(*pip, "install", "-q", "-r", REQUIREMENTS, env=env)
        stamp.write_text(wanted)
    offline = ("-q", "--force-reinstall", "--no-deps", "--no-index")
    run(*pip, "install", *offline, *ours.glob("*.whl"), env=env)
    return python


def pinned(name: str) -> str:
    lines = REQUIREMENTS.read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{name}=="))


def unpacked(python: Path, folder: Path, name: str) -> Path:
    """The package's sdist, unpacked, in the version that is installed."""
    sdists = folder / "sdists" / name
    if not list(sdists.glob("*.tar.gz")):
        pip = (python, "-m", "pip", "download", "-q", "--no-deps", "-d", sdists)
        run(*pip, "--no-binary", name, pinned(name), env=clean_environment())
    archive = next(sdists.glob("*.tar.gz"))
    place = sdists / "unpacked"
    if not place.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(place, filter="data")
    return next(place.iterdir())


def libraries(python: Path) -> Path:
    return next((python.parents[1] / "lib").glob("python3.*/site-packages"))


# -- the programs: each tells how its suite is run ------------------------------------


def numpy(python: Path, folder: Path) -> Suite:
    """Iterators, memory policies, indexing, coercion, records, old mistakes."""
    names = ("nditer", "mem_policy", "regression", "indexing", "array_coercion")
    names += ("hashtable", "records")
    tests = tuple(f"numpy/_core/tests/test_{name}.py" for name in names)
    place = libraries(python)
    ini = ("-c", "/dev/null", "--rootdir", str(place))
    return Suite("numpy", (*PYTEST, *ini), tests, place)


def pandas(python: Path, folder: Path) -> Suite:
    """Blocks of data frames, hash tables, copies and views."""
    place = libraries(python)
    tests = tuple(f"pandas/tests/{name}" for name in ("internals", "libs", "copy_view"))
    ini = ("-c", "/dev/null", "--rootdir", str(place))
    return Suite("pandas", (*PYTEST, *ini), tests, place)


def sqlalchemy(python: Path, folder: Path) -> Suite:
    """The ORM, the engine and the C extensions, on SQLite."""
    place = unpacked(python, folder, "SQLAlchemy")
    return Suite("sqlalchemy", PYTEST, ("test/base", "test/engine"), place)


def django(python: Path, folder: Path) -> Suite:
    """Models, queries, templates, forms and requests, on SQLite."""
    place = unpacked(python, folder, "Django") / "tests"
    options = ("--settings=ptm_django", "--parallel=1", "-v0")
    apps = ("model_fields", "queries", "expressions", "template_tests", "forms_tests")
    return Suite("django", ("runtests.py", *options), apps, place)


PROGRAMS: dict[str, Callable[[Path, Path], Suite]] = {
    "numpy": numpy,
    "pandas": pandas,
    "sqlalchemy": sqlalchemy,
    "django": django,
}
