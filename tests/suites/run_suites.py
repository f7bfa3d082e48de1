#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Other people's tests, without the engine and with it on from interpreter start.

    cpython    CPython's own suites that touch memory, threads, processes, interpreters,
               on every CPython of this machine (run by its `test` package)
    programs   the suites of large packages, as installed from the package index

Each suite runs twice, the second time with PYTRACEMALLOC=5, also in the children that
ignore their environment. The outcomes are compared test by test (outcomes.py); what
differs rightly stands in expected.toml with its reason.

The last line is "N passed, N failed": tests that came out the same, and tests that did
not. Exit: 0 nothing differs.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from outcomes import HERE, Suite, Verdict, compare

# isort: split
# found by outcomes
from interpreters import (
    MINORS,
    Interpreter,
    clean_environment,
    probe,
    usable,
    version_key,
)
from programs import PROGRAMS, programs_environment
from run_conformance import ROOT, environment

BUILD = ROOT / "build" / "suites"
PROGRAMS_ON = "3.13"  # of requirements/suites.txt
MODULES = (
    *("test.test_tracemalloc", "test.test_warnings", "test.test_threading"),
    *("test.test_gc", "test.test_fork1", "test.test_capi.test_mem", "test.test_embed"),
    *("test.test_interpreters", "test.test__interpreters"),
    *("test.test__xxsubinterpreters", "test.test__xxinterpchannels"),
    *("test.test__interpchannels", "test.test_free_threading", "test.test_asyncio"),
    "test.test_multiprocessing_main_handling",
    "test.test_multiprocessing_fork.test_processes",
    *(f"test.test_multiprocessing_{how}.test_misc" for how in ("forkserver", "spawn")),
)


def put_into(python: Path) -> None:
    """Put the start-up line and the runners' other half into an environment."""
    libraries = next((python.parents[1] / "lib").glob("python3.*/site-packages"))
    for name in ("ptm_suites.py", "ptm_django.py"):
        shutil.copy(HERE / name, libraries)
    (libraries / "zz_ptm_suites.pth").write_text(
        "import ptm_suites; ptm_suites.at_interpreter_start()\n"
    )


def has(python: Path, module: str) -> bool:
    """Whether this CPython comes with the test module, and it does not skip itself."""
    ask = "import importlib, sys; importlib.import_module(sys.argv[1])"
    done = subprocess.run(
        [python, "-I", "-c", ask, module],
        env=clean_environment(),
        stderr=subprocess.DEVNULL,
    )
    return done.returncode == 0


def report(where: str, suite: str, verdict: Verdict) -> None:
    told = [f"{len(verdict.different)} different"] if verdict.different else ["same"]
    told += [f"{len(verdict.flaky)} flaky"] if verdict.flaky else []
    told += [f"{len(verdict.expected)} expected"] if verdict.expected else []
    without, traced = verdict.without, verdict.traced
    print(f"{where} · {suite} · {without.tests} tests · {', '.join(told)}")
    print(f"    without: {without.counts()} ({without.seconds:.0f} s)")
    print(
        f"    traced:  {traced.counts()} ({traced.seconds:.0f} s,"
        f" {traced.traced} processes)"
    )
    for what in ("different", "flaky", "expected"):
        for test, why in getattr(verdict, what).items():
            print(f"    {what.upper()} {test}: {why}")
    sys.stdout.flush()


def the_interpreters(only: list[str] | None) -> list[Interpreter]:
    if only and not set(only) <= set(MINORS):
        found = {path: probe(Path(path)) for path in only}
        silent = [path for path, there in found.items() if there is None]
        if silent:
            sys.exit(f"--only {silent[0]}: no CPython that is supported answers there")
        return [there for there in found.values() if there]
    everything = usable(ROOT / "tools" / "get-cpythons")[0]
    chosen = [i for i in everything if not only or i.minor in only]
    return sorted(chosen, key=lambda i: (i.free_threaded, version_key(i.version)))


def cpython(only: list[str] | None, modules: list[str] | None) -> tuple[int, int]:
    """(tests that came out the same, tests that did not)"""
    same = different = 0
    for interpreter in the_interpreters(only):
        python = environment(interpreter)
        put_into(python)
        kind = " free-threaded" if interpreter.free_threaded else ""
        where = f"{interpreter.version}{kind}"
        for module in modules or MODULES:
            if not has(python, module):
                print(f"{where} · {module} · not there, or not for it", flush=True)
                continue
            suite = Suite(module, (str(HERE / "ptm_unit.py"),), (module,))
            place = BUILD / "cpython" / f"{interpreter.version}{'t' * bool(kind)}"
            verdict = compare(suite, python, interpreter.minor, place)
            report(where, module.removeprefix("test."), verdict)
            same += verdict.without.tests - len(verdict.different)
            different += len(verdict.different)
    return same, different


def programs(only: list[str] | None, names: list[str] | None) -> tuple[int, int]:
    """The same, for the suites of packages, on the CPython of their pins."""
    same = different = 0
    interpreter = next(iter(the_interpreters(only or [PROGRAMS_ON])), None)
    if interpreter is None:
        sys.exit(f"no CPython {PROGRAMS_ON} here: give another with --only")
    python = programs_environment(interpreter, BUILD / "programs")
    put_into(python)
    for name in names or PROGRAMS:
        suite = PROGRAMS[name](python, BUILD / "programs")
        verdict = compare(suite, python, interpreter.minor, BUILD / "programs" / "runs")
        report(interpreter.version, name, verdict)
        same += verdict.without.tests - len(verdict.different)
        different += len(verdict.different)
    return same, different


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("part", choices=("cpython", "programs"))
    parser.add_argument("what", nargs="*", help="modules (test.test_gc), or programs")
    told_only = "a version (3.13) or an interpreter; may be given again"
    parser.add_argument("--only", action="append", help=told_only)
    told = parser.parse_intermixed_args()
    part = cpython if told.part == "cpython" else programs
    same, different = part(told.only, told.what or None)
    print(f"{same} passed, {different} failed")
    return 1 if different or not same else 0


if __name__ == "__main__":
    sys.exit(main())
