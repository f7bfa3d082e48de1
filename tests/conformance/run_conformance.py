#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPython's own tracemalloc tests against ours, on every CPython of this machine.

For each interpreter the wheel is built and installed into an environment of its own
(build/conformance), and the interpreter's own tests run in four manners, each in a
fresh process:

    engine   test_tracemalloc; our functions as `_tracemalloc` under the standard
             library's Python layer
    module   test_tracemalloc; our module as `tracemalloc`, whole
    around   what other suites say about tracemalloc, against our module
    traced   suites that are hard on a tracer (threads, fork, interpreters, generators),
             while ours traces

What may fail stands in expected.toml with its reason; what stands there and passes is
a failure too, and so is a test that skips itself without standing there.

The last line is "N passed, N failed". Exit: 0 nothing failed and no CPython is absent.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from interpreters import MINORS, Interpreter, clean_environment, usable, version_key

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "conformance"
SUITE_SECONDS = 900  # only a hang takes that long
WHY_LINES = 25


@dataclass(frozen=True)
class Manner:
    """What runs, and the environment that brings ours into play."""

    tests: tuple[str, ...]
    environment: dict[str, str]
    may_skip: bool = False  # the suite's own conditions are not about tracing


INSTALLED = {"PYTRACEMALLOC_INSTALL": "1"}
HARD_ON_TRACERS = (
    *("test.test_gc", "test.test_threading", "test.test_fork1", "test.test_code"),
    *("test.test_generators", "test.test_coroutines", "test.test_capi.test_mem"),
    *("test.test_interpreters", "test.test__xxsubinterpreters"),
)
# These cannot even be imported where there is no GIL.
NEED_THE_GIL = ("test.test_interpreters", "test.test__xxsubinterpreters")
# Without one of these the run has failed; the others are made if they can be.
REQUIRED = ("3.11", "3.12", "3.13")

MANNERS = {
    "engine": Manner(("test.test_tracemalloc",), INSTALLED),
    "module": Manner(("test.test_tracemalloc",), INSTALLED),
    "around": Manner(
        ("-k", "test_tracemalloc", "test.test_warnings", "test.test_inspect"),
        INSTALLED,
    ),
    "traced": Manner(HARD_ON_TRACERS, {"PYTRACEMALLOC": "3"}, may_skip=True),
}


def tests_for(interpreter: Interpreter, how: Manner) -> list[str]:
    without = NEED_THE_GIL if interpreter.free_threaded else ()
    return [test for test in how.tests if test not in without]


TRACEMALLOC = ("engine", "module")  # the manners of expected.toml


@dataclass
class Tally:
    """What one suite run came to."""

    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # test -> why
    expected: list[str] = field(default_factory=list)
    ours: int = 0  # children in which our module answered
    core: list[str] = field(default_factory=list)  # children that core decided


def expectations(interpreter: Interpreter, manner: str) -> dict[str, dict[str, str]]:
    """Test -> entry of expected.toml, for this version and manner."""
    entries = tomllib.loads((HERE / "expected.toml").read_text())["expected"]
    return {
        entry["test"]: entry
        for entry in entries
        if interpreter.minor in entry["versions"]
        and manner in entry.get("manners", TRACEMALLOC)
        and version_key(interpreter.version) >= version_key(entry.get("since", "0"))
    }


# -- the environment under test -------------------------------------------------------


def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run to the end; on failure show the output and raise."""
    done = subprocess.run(
        [str(w) for w in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    if done.returncode:
        sys.stdout.write(done.stdout)
        done.check_returncode()
    return done


def source_digest() -> str:
    """Changes when anything that goes into the wheel or the environment does."""
    digest = hashlib.sha256()
    named = ("pyproject.toml", "meson.build", "meson.options", "requirements/build.txt")
    files = [ROOT / name for name in named]
    for folder in ("csrc", "src"):
        files += sorted(p for p in (ROOT / folder).rglob("*") if p.is_file())
    for path in files:
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def environment(interpreter: Interpreter) -> Path:
    """The Python of an environment with the wheel and our start-up line in it."""
    name = hashlib.sha256(str(interpreter.path).encode()).hexdigest()[:8]
    folder = BUILD / f"{interpreter.version}-{name}"
    python = folder / "venv" / "bin" / "python"
    stamp = folder / "installed"
    digest = source_digest()
    if not stamp.exists() or stamp.read_text() != digest:
        install(interpreter, folder, python)
        stamp.write_text(digest)
    libraries = next((folder / "venv" / "lib").glob("python3.*/site-packages"))
    shutil.copy(HERE / "ptm_conformance.py", libraries)
    (libraries / "zz_ptm_conformance.pth").write_text(
        "import ptm_conformance; ptm_conformance.at_interpreter_start()\n"
    )
    return python


def install(interpreter: Interpreter, folder: Path, python: Path) -> None:
    env = clean_environment()
    shutil.rmtree(folder / "venv", ignore_errors=True)
    shutil.rmtree(folder / "dist", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    run(interpreter.path, "-m", "venv", folder / "venv", env=env)
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--no-input")
    run(*pip, "install", "-q", "-r", ROOT / "requirements" / "build.txt", env=env)
    env["PATH"] = f"{python.parent}:{env['PATH']}"
    offline = ("-q", "--no-deps", "--no-index")
    run(
        *(*pip, "wheel", *offline, "--no-build-isolation", "-w", folder / "dist"),
        f"-Cbuild-dir={folder / 'meson'}",
        ROOT,
        env=env,
    )
    run(*pip, "install", *offline, *(folder / "dist").glob("*.whl"), env=env)


# -- one suite run --------------------------------------------------------------------


def suite(interpreter: Interpreter, python: Path, manner: str) -> Tally:
    how = MANNERS[manner]
    folder = python.parents[2] / manner
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    log, results, output = folder / "log", folder / "results.json", folder / "output"
    log.touch()
    env = (
        clean_environment()
        | how.environment
        | {
            "PTM_CONFORMANCE_LOG": str(log),
            "PTM_CONFORMANCE_MANNER": manner,
        }
    )
    with output.open("w") as stream:
        try:
            ended = subprocess.run(
                [
                    python,
                    "-P",
                    HERE / "suite.py",
                    results,
                    *tests_for(interpreter, how),
                ],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=env | {"PYTHONPATH": str(HERE)},
                cwd=folder,
                timeout=SUITE_SECONDS,
            ).returncode
        except subprocess.TimeoutExpired:
            ended = "no end within its time"
    if ended or not results.exists():
        return Tally(failed={"the suite": f"ended with {ended}\n{output.read_text()}"})
    outcomes = json.loads(results.read_text())
    if how.may_skip:
        outcomes = {t: o for t, o in outcomes.items() if o[0] != "skipped"}
    tally = judge(outcomes, expectations(interpreter, manner))
    count_children(tally, log.read_text())
    return tally


def judge(
    outcomes: dict[str, tuple[str, str]], expected: dict[str, dict[str, str]]
) -> Tally:
    """Compare what happened with what stands in expected.toml."""
    tally = Tally()
    for test, (outcome, why) in sorted(outcomes.items()):
        entry = expected.get(test)
        if outcome == (entry["outcome"] if entry else "passed"):
            if entry:
                tally.expected.append(test)
            else:
                tally.passed += 1
        elif entry:
            tally.failed[test] = f"expected.toml says {entry['outcome']}: {outcome}"
        else:
            tally.failed[test] = f"{outcome}: {why}"
    for test in expected:
        if test not in outcomes:
            tally.failed[test] = "stands in expected.toml, but there is no such test"
    return tally


def count_children(tally: Tally, log: str) -> None:
    """Which of the Python children had our module, and which core decided."""
    started: dict[str, str] = {}
    answered: dict[str, str] = {}
    for line in log.splitlines():
        pid, what, *rest = line.split()
        if what == "started":
            started[rest[0]] = rest[1]
        else:
            answered[pid] = rest[0]
    for pid, test in started.items():
        if answered.get(pid) == "ours":
            tally.ours += 1
        else:
            tally.core.append(test)


# -- the report -----------------------------------------------------------------------


def report(interpreter: Interpreter, manner: str, tally: Tally) -> None:
    counts = f"ran, {tally.passed} passed" if not tally.failed else "failed"
    if tally.failed:
        counts += f": {len(tally.failed)} of {len(tally.failed) + tally.passed}"
    print(
        f"{interpreter.path} · {interpreter.version} · {manner}: {counts},"
        f" {len(tally.expected)} expected to fail; children: ours answered in"
        f" {tally.ours}, core decided {len(tally.core)} before site",
        flush=True,
    )
    for test in sorted(set(tally.core)):
        print(f"    core before site: {test} ({tally.core.count(test)})")
    for test, why in tally.failed.items():
        lines = why.rstrip().splitlines()[-WHY_LINES:]
        print(f"    FAILED {test}:", *lines, sep="\n        ")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=MINORS, help="this version alone")
    only = parser.parse_args().only
    good, lacking, absent = usable(ROOT / "tools" / "get-cpythons")
    passed = failed = 0
    for interpreter in good:
        if only not in (None, interpreter.minor):
            continue
        python = environment(interpreter)
        for manner in MANNERS:
            tally = suite(interpreter, python, manner)
            report(interpreter, manner, tally)
            passed += tally.passed
            failed += len(tally.failed)
    for interpreter in lacking:
        wants = ", ".join(interpreter.lacks)
        print(f"{interpreter.path} · {interpreter.version} · absent: lacks {wants}")
    for minor in absent:
        print(f"python{minor} · {minor} · absent: none here, and none could be made")
    failed += len(set(absent) & set(REQUIRED))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
