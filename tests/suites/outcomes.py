# SPDX-License-Identifier: MIT
"""One suite without the engine and with it: what differs, and whether that is ours.

A test whose outcomes differ is run again, by itself, up to AGAIN times each way. It is
flaky if with the engine it comes out as without in one of them, or if without the
engine it changes by itself. Otherwise it is different, whoever is at fault.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "conformance"))

from interpreters import clean_environment  # noqa: E402

AGAIN = 3
MANY = 40  # so many tests that differ are not a matter of luck
UNFINISHED = "(the end of the run)"


@dataclass(frozen=True)
class Suite:
    """How a suite is run; tests are appended to the command to run those alone."""

    name: str
    command: tuple[str, ...]  # after the interpreter
    tests: tuple[str, ...]
    folder: Path | None = None  # where it runs; its own empty one where None
    environment: dict[str, str] = field(default_factory=dict)
    seconds: int = 1200


@dataclass
class Run:
    """What a run came to: test -> outcomes, joined."""

    outcomes: dict[str, str]
    traced: int = 0  # processes in which the engine was on from the start
    seconds: float = 0.0

    @property
    def tests(self) -> int:
        return sum(test != UNFINISHED for test in self.outcomes)

    def counts(self) -> str:
        told = Counter(o for t, o in self.outcomes.items() if t != UNFINISHED)
        return ", ".join(f"{n} {what}" for what, n in sorted(told.items()))


@dataclass
class Verdict:
    """What the comparison came to."""

    without: Run
    traced: Run
    different: dict[str, str] = field(default_factory=dict)  # test -> how
    flaky: dict[str, str] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)  # test -> reason


# -- one run --------------------------------------------------------------------------


def read(results: Path, ended: str) -> dict[str, str]:
    """The outcomes in a file of ptm_suites, and how the run ended if it did not."""
    outcomes: dict[str, list[str]] = {}
    for line in results.read_text().splitlines() if results.exists() else []:
        test, outcome = json.loads(line)
        outcomes.setdefault(test, []).append(outcome)
    if not outcomes.pop("", None):
        outcomes[UNFINISHED] = [ended]
    return {test: " + ".join(sorted(all_)) for test, all_ in outcomes.items()}


def wait(process: subprocess.Popen[bytes], seconds: int) -> str:
    """How it ended. What it started and left behind ends with it."""
    try:
        ended = f"exit status {process.wait(seconds)}"
    except subprocess.TimeoutExpired:
        ended = f"no end within {seconds} s"
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    return ended


def run(
    suite: Suite, python: Path, place: Path, tests: tuple[str, ...], on: bool
) -> Run:
    """Run the tests once; `place` is emptied and has the results and the output."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "in").mkdir(parents=True)
    results, traced = place / "results", place / "traced"
    env = clean_environment() | suite.environment | {"PTM_SUITES_RESULTS": str(results)}
    env["PATH"] = f"{python.parent}:{env['PATH']}"
    if on:
        env |= {"PYTRACEMALLOC": "5", "PTM_SUITES_TRACED": str(traced)}
    start = time.monotonic()
    with (place / "output").open("wb") as output:
        process = subprocess.Popen(
            [python, *suite.command, *tests],
            cwd=suite.folder or place / "in",
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        ended = wait(process, suite.seconds)
    pids = set(traced.read_text().split()) if traced.exists() else set()
    outcomes = read(results, ended)
    return Run(outcomes, len(pids), time.monotonic() - start)


# -- the comparison -------------------------------------------------------------------


def differing(without: dict[str, str], traced: dict[str, str]) -> list[str]:
    both = without.keys() | traced.keys()
    return sorted(t for t in both if without.get(t) != traced.get(t))


def verdict_on(without: list[str], traced: list[str]) -> str:
    """Of a test's outcomes in all its runs: "different", or how it is flaky."""
    if len(set(without)) > 1:
        return f"flaky without it: {len(set(without))} outcomes of {len(without)} runs"
    as_without = traced.count(without[0])
    if as_without:
        return f"flaky: {as_without} of {len(traced)} runs as without"
    return "different"


def settle(
    suite: Suite, python: Path, place: Path, test: str, verdict: Verdict
) -> None:
    """Run one test again, by itself, both ways, and put it where it belongs."""
    absent = "did not run"
    without = [verdict.without.outcomes.get(test, absent)]
    traced = [verdict.traced.outcomes.get(test, absent)]
    alone = () if test == UNFINISHED or "(" in test.split("::")[0] else (test,)
    both = [(True, traced), (False, without)]
    ran = test == UNFINISHED  # again, either way
    for _ in range(AGAIN):
        for on, told in both:
            again = run(suite, python, place / "again", alone or suite.tests, on)
            end = again.outcomes.get(UNFINISHED, absent)
            told.append(again.outcomes.get(test, end))
            ran = ran or test in again.outcomes
        both.reverse()  # what comes out in turns does not fall into step with us
        if ran and verdict_on(without, traced) != "different":
            break
    if not ran:
        told_as = f"without: {without[0]}; traced: {traced[0]}"
        verdict.different[test] = f"cannot be run alone: {told_as}"
        return
    how = verdict_on(without, traced)
    told_as = f"without: {', '.join(without)}; traced: {', '.join(traced)}"
    if how == "different":
        verdict.different[test] = told_as
    else:
        verdict.flaky[test] = f"{how} ({told_as})"


def expectations(version: str) -> dict[str, str]:
    """Test -> reason, of the differences that are right on this CPython."""
    entries = tomllib.loads((HERE / "expected.toml").read_text()).get("expected", [])
    return {e["test"]: e["reason"] for e in entries if version in e["versions"]}


def compare(suite: Suite, python: Path, version: str, place: Path) -> Verdict:
    """Run the suite without the engine and with it, and settle what differs."""
    place = place / suite.name
    without = run(suite, python, place / "without", suite.tests, False)
    traced = run(suite, python, place / "traced", suite.tests, True)
    verdict = Verdict(without, traced)
    expected = expectations(version)
    found = differing(without.outcomes, traced.outcomes)
    for test in found:
        if test in expected:
            verdict.expected[test] = expected[test]
        elif len(found) > MANY:
            was, now = (r.outcomes.get(test, "-") for r in (without, traced))
            verdict.different[test] = f"without: {was}; traced: {now}"
        else:
            settle(suite, python, place, test, verdict)
    for test in expected.keys() & without.outcomes.keys() - set(found):
        verdict.different[test] = "stands in expected.toml, and does not differ"
    if not without.tests:
        verdict.different[UNFINISHED] = f"no test ran: see {place}/without/output"
    if not traced.traced:
        verdict.different["(the engine)"] = "no process was traced"
    return verdict
