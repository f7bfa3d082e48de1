# SPDX-License-Identifier: MIT
"""Runs CPython's own tests with ours in place of tracemalloc, or under our tracer.

usage: suite.py RESULTS.json [-k PATTERN] MODULE...

The manner was set up at interpreter start, by our start-up line and ptm_conformance.
Every Python child that a test starts is noted in the log, with the test's name.
Modules that this CPython does not have are left out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import unittest

import ptm_conformance


class Result(unittest.TextTestResult):
    """Outcome by test id, without the package name."""

    outcomes: dict[str, tuple[str, str]] = {}
    running = ""

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        Result.running = short_id(test)

    def note(self, test: object, outcome: str, why: str = "") -> None:
        self.outcomes[short_id(test)] = outcome, why

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.outcomes.setdefault(short_id(test), ("passed", ""))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.note(test, "skipped", reason)

    def addFailure(self, test: unittest.TestCase, err) -> None:  # type: ignore[no-untyped-def]
        self.note(test, "failed", self._exc_info_to_string(err, test))

    def addError(self, test: unittest.TestCase, err) -> None:  # type: ignore[no-untyped-def]
        self.addFailure(test, err)

    def addSubTest(self, test, subtest, err) -> None:  # type: ignore[no-untyped-def]
        if err is not None:
            self.addFailure(test, err)

    def addExpectedFailure(self, test: unittest.TestCase, err) -> None:  # type: ignore[no-untyped-def]
        self.note(test, "passed")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.note(test, "failed", "an expected failure of CPython's suite passes")


def short_id(test: object) -> str:
    # a test may have an attribute `id` of its own
    case = isinstance(test, unittest.TestCase)
    name = unittest.TestCase.id(test) if case else str(test)
    return name.removeprefix("test.")


def note_children() -> None:
    """Write a line to the log for each Python that a test starts."""
    start = subprocess.Popen.__init__

    def noted(self, args, *more, **options):  # type: ignore[no-untyped-def]
        start(self, args, *more, **options)
        if not isinstance(args, str) and str(args[0]) == sys.executable:
            ptm_conformance.log("started", self.pid, Result.running or "set-up")

    subprocess.Popen.__init__ = noted  # type: ignore[method-assign]


def exists(word: str) -> bool:
    """Whether this is an option, a pattern, or a module that can be imported."""
    try:
        return not word.startswith("test.") or bool(importlib.util.find_spec(word))
    except ModuleNotFoundError:
        return False


def is_ours() -> bool:
    """Whether what the manner asks for is in force."""
    if os.environ[ptm_conformance.MANNER] == "traced":
        import pytracemalloc

        return pytracemalloc.is_tracing() and pytracemalloc.get_traced_memory()[1] > 0
    return ptm_conformance.whose() == "ours"


def main() -> None:
    out, names = sys.argv[1], list(filter(exists, sys.argv[2:]))
    if not is_ours():
        sys.exit("the suite would run against the standard library itself")
    # Shells ignore it for what they start in the background; tests would wait in vain.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    note_children()
    runner = unittest.TextTestRunner(resultclass=Result)
    unittest.main(None, argv=["suite", *names], testRunner=runner, exit=False)
    if not is_ours():
        sys.exit("a test put the standard library's module back, or stopped tracing")
    with open(out, "w", encoding="utf-8") as file:
        json.dump(Result.outcomes, file)


if __name__ == "__main__":
    main()
