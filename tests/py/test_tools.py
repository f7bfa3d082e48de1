# SPDX-License-Identifier: MIT
"""The project's own checks find what they are there to find."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def conformance(project: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(project / "tests" / "conformance"))
    import run_conformance

    return run_conformance


@pytest.mark.parametrize("tool", ["check_layers.py", "check_rules.py"])
def test_checks_find_bad_sources(project: Path, tool: str) -> None:
    done = subprocess.run([sys.executable, project / "tools" / tool, "--self-test"])
    assert done.returncode == 0


def preflight(project: Path, python: str, **environment: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [project / "tools" / "preflight.sh", python],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    return done.returncode, done.stdout.splitlines()


def test_preflight_names_the_interpreter(project: Path) -> None:
    status, lines = preflight(project, sys.executable)
    tag = "cp{}{}{}".format(*sys.version_info[:2], "t" if "t" in sys.abiflags else "")
    assert status == 0
    assert len(lines) == 1 and lines[0].split()[0] == tag


def test_preflight_names_all_that_is_missing_in_one_line(project: Path) -> None:
    status, lines = preflight(project, "no-such-python", CC="no-such-compiler")
    assert status == 1
    assert len(lines) == 1
    assert "no-such-python" in lines[0] and "no-such-compiler" in lines[0]


def test_every_target_has_a_recipe(project: Path) -> None:
    text = (project / "Makefile").read_text()
    named = re.search(r"^\.PHONY: (.*)", text, re.M)
    assert named
    targets = set(named.group(1).split()) - {"FORCE"}
    assert {"test", "demo", "check", "asan", "conformance"} <= targets
    for target in targets:
        recipes = re.findall(rf"^{target}:.*\n\t", text, re.M)
        assert len(recipes) == 1, target


EXPECTED = {"a": {"outcome": "failed"}}


@pytest.mark.parametrize(
    ("outcomes", "passed", "failed"),
    [
        ({"a": ("failed", "why"), "b": ("passed", "")}, 1, set()),
        ({"a": ("passed", ""), "b": ("passed", "")}, 1, {"a"}),
        ({"a": ("skipped", ""), "b": ("passed", "")}, 1, {"a"}),
        ({"a": ("failed", ""), "b": ("failed", "")}, 0, {"b"}),
        ({"a": ("failed", ""), "b": ("skipped", "")}, 0, {"b"}),
        ({"b": ("passed", "")}, 1, {"a"}),
    ],
)
def test_conformance_judges_both_ways(
    conformance: ModuleType,
    outcomes: dict[str, tuple[str, str]],
    passed: int,
    failed: set[str],
) -> None:
    tally = conformance.judge(outcomes, EXPECTED)
    assert (tally.passed, set(tally.failed)) == (passed, failed)


def test_conformance_counts_children(conformance: ModuleType) -> None:
    tally = conformance.Tally()
    log = "7 started 8 t.x\n8 child ours\n7 started 9 t.y\n9 child core\n"
    log += "7 started 6 t.z\n"
    conformance.count_children(tally, log)
    assert (tally.ours, tally.core) == (1, ["t.y", "t.z"])


def test_every_exception_has_a_reason_and_a_known_kind(
    conformance: ModuleType, project: Path
) -> None:
    import tomllib

    path = project / "tests" / "conformance" / "expected.toml"
    for entry in tomllib.loads(path.read_text())["expected"]:
        assert entry["reason"]
        assert entry["outcome"] in ("failed", "skipped")
        assert set(entry["versions"]) <= set(conformance.MINORS)
