# SPDX-License-Identifier: MIT
"""tests/suites tells differences that are ours from chance, and from runs that died."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SUITE = """
import os, signal, sys, unittest
import pytracemalloc, ptm_suites

class Tests(unittest.TestCase):
    def test_same(self):
        pass

    def test_traced(self):
        self.assertFalse(pytracemalloc.is_tracing())

    def test_traced_in_part(self):
        for part in range(3):
            with self.subTest(part=part):
                self.assertFalse(part == 1 and pytracemalloc.is_tracing())

    def test_turns(self):
        turn = os.path.exists(TURN)
        os.unlink(TURN) if turn else open(TURN, "w").close()
        self.assertTrue(turn)

runner = unittest.TextTestRunner(resultclass=ptm_suites.Result)
names = [name.removeprefix("__main__.") for name in sys.argv[1:]]
unittest.main(argv=["suite", *names], testRunner=runner, exit=False)
"""


@pytest.fixture
def outcomes(project: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(project / "tests" / "suites"))
    import outcomes

    return outcomes


@pytest.fixture
def suite(outcomes: ModuleType, project: Path, tmp_path: Path) -> Any:
    """Makes a suite of the text, which finds ptm_suites."""

    # The sanitizers' runtimes, which no real suite gets.
    preloaded = {k: v for k, v in os.environ.items() if k == "LD_PRELOAD"}

    def make(text: str) -> Any:
        file = tmp_path / "suite.py"
        turn = f"TURN = {str(tmp_path / 'turn')!r}\n"
        file.write_text(turn + text)
        return outcomes.Suite(
            "made",
            (str(file),),
            (),
            environment={"PYTHONPATH": str(project / "tests" / "suites"), **preloaded},
            seconds=60,
        )

    return make


def compare(outcomes: ModuleType, suite: object, place: Path) -> Any:
    return outcomes.compare(suite, Path(sys.executable), "3.13", place)


def test_what_tracing_changes_is_different(
    outcomes: Any, suite: Any, tmp_path: Path
) -> None:
    made = suite(SUITE + "ptm_suites.the_end()\n")
    verdict = compare(outcomes, made, tmp_path / "runs")
    names = {test.rpartition(".")[2] for test in verdict.different}
    assert names == {"test_traced", "test_traced_in_part", "(the engine)"}
    assert verdict.without.tests == verdict.traced.tests == 4


def test_what_changes_by_itself_is_flaky(
    outcomes: Any, suite: Any, tmp_path: Path
) -> None:
    made = suite(SUITE + "ptm_suites.the_end()\n")
    verdict = compare(outcomes, made, tmp_path / "runs")
    assert [test.rpartition(".")[2] for test in verdict.flaky] == ["test_turns"]


def test_what_cannot_be_run_alone_is_not_flaky(
    outcomes: Any, suite: Any, tmp_path: Path
) -> None:
    made = suite("import sys\nsys.argv[1:] and sys.exit(3)\n" + SUITE)
    verdict = compare(outcomes, made, tmp_path / "runs")
    assert not verdict.flaky
    alone = verdict.different["__main__.Tests.test_traced"]
    assert alone == "cannot be run alone: without: passed; traced: failed"


def test_what_is_expected_must_differ(
    outcomes: Any, suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {"__main__.Tests.test_traced": "so", "__main__.Tests.test_same": "no"}
    monkeypatch.setattr(outcomes, "expectations", lambda version: expected)
    made = suite(SUITE + "ptm_suites.the_end()\n")
    verdict = compare(outcomes, made, tmp_path / "runs")
    assert verdict.expected == {"__main__.Tests.test_traced": "so"}
    assert "does not differ" in verdict.different["__main__.Tests.test_same"]


def test_a_run_that_dies_is_different(
    outcomes: Any, suite: Any, tmp_path: Path
) -> None:
    dies = "pytracemalloc.is_tracing() and os.kill(os.getpid(), signal.SIGKILL)\n"
    made = suite(SUITE + dies + "ptm_suites.the_end()\n")
    verdict = compare(outcomes, made, tmp_path / "runs")
    assert "exit status -9" in verdict.different[outcomes.UNFINISHED]


def test_the_end_insists_on_the_engine(
    outcomes: Any, suite: Any, tmp_path: Path
) -> None:
    made = suite(SUITE + "pytracemalloc.stop()\nptm_suites.the_end()\n")
    verdict = compare(outcomes, made, tmp_path / "runs")
    assert "exit status 1" in verdict.different[outcomes.UNFINISHED]


def test_outcomes_are_read_line_by_line(outcomes: Any, tmp_path: Path) -> None:
    file = tmp_path / "results"
    lines = [["a", "passed"], ["b", "skipped"], ["b", "failed"], ["", "the end"]]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert outcomes.read(file, "x") == {"a": "passed", "b": "failed + skipped"}
    file.write_text(json.dumps(lines[0]) + "\n")
    assert outcomes.read(file, "x") == {"a": "passed", outcomes.UNFINISHED: "x"}


@pytest.mark.parametrize(
    ("without", "traced", "verdict"),
    [
        (["passed"] * 4, ["failed"] * 4, "different"),
        (["passed"] * 2, ["failed", "passed"], "flaky"),
        (["passed", "failed"], ["failed"] * 2, "flaky"),
        (["passed"] * 4, ["failed", "skipped"] * 2, "different"),
    ],
)
def test_verdicts(
    outcomes: Any, without: list[str], traced: list[str], verdict: str
) -> None:
    assert outcomes.verdict_on(without, traced).startswith(verdict)
