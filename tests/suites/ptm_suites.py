# SPDX-License-Identifier: MIT
"""Put into the environment under test: outcomes to a file, and the proof of the engine.

A .pth line calls at_interpreter_start(). With PTM_SUITES_TRACED every Python process
says there that it is traced, and those that ignore their environment (-I, -E), where
the product keeps its hands off on purpose, are traced all the same.

Each outcome is a line of $PTM_SUITES_RESULTS, ["test", "outcome"], written when it is
known: a run that dies has named what it came to. The last line is ["", "the end"].
"""

from __future__ import annotations

import json
import os
import unittest
from typing import Any

TRACED = "PTM_SUITES_TRACED"
RESULTS = "PTM_SUITES_RESULTS"
NFRAME = 5


# -- at interpreter start -------------------------------------------------------------


def in_sub_interpreter() -> bool:
    """Told without importing what a test may want to see imported."""
    import _signal

    try:
        _signal.signal(15, None)  # type: ignore[arg-type]
    except ValueError:
        return True
    except TypeError:
        pass
    return False


def at_interpreter_start() -> None:
    if TRACED not in os.environ or in_sub_interpreter():
        return
    import pytracemalloc

    pytracemalloc.start(NFRAME)  # where PYTRACEMALLOC did it, nothing
    with open(os.environ[TRACED], "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


def insist() -> None:
    """The engine is on if it is to be, and off otherwise: at the end of the tests."""
    import pytracemalloc

    wanted = TRACED in os.environ
    if pytracemalloc.is_tracing() is not wanted:
        raise SystemExit(f"tracing should be {wanted} here, and is not")
    if wanted and pytracemalloc.get_traced_blocks()[0] < 1000:
        raise SystemExit("tracing is on, but hardly a block is known")


# -- outcomes -------------------------------------------------------------------------


def note(test: str, outcome: str) -> None:
    with open(os.environ[RESULTS], "a", encoding="utf-8") as file:
        file.write(json.dumps([test, outcome]) + "\n")


def the_end() -> None:
    insist()
    note("", "the end")


class Result(unittest.TextTestResult):
    """unittest's outcomes; a test with failing parts has failed."""

    def note(self, test: object, outcome: str) -> None:
        # a test may have an attribute `id` of its own
        case = isinstance(test, unittest.TestCase)
        name = unittest.TestCase.id(test) if case else str(test)
        note(name, outcome)

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.note(test, "passed")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.note(getattr(test, "test_case", test), "skipped")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.note(test, "failed")

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self.note(test, "failed")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "failed")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self.note(test, "failed as expected")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self.note(test, "passed unexpectedly")


# -- as a plugin of pytest (-p ptm_suites) --------------------------------------------


def pytest_runtest_logreport(report: Any) -> None:
    if report.when == "call" or report.outcome != "passed":
        known = hasattr(report, "wasxfail") and report.outcome == "skipped"
        note(report.nodeid, "failed as expected" if known else report.outcome)


def pytest_collectreport(report: Any) -> None:
    if report.outcome != "passed":
        note(report.nodeid, f"not collected: {report.outcome}")


def pytest_sessionfinish(session: Any, exitstatus: int) -> None:
    the_end()
