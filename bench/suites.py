# SPDX-License-Identifier: MIT
"""(a) and (c): the workloads and the real programs, fixed before our first run."""

from __future__ import annotations

from pathlib import Path

import pyperf_suite
from pairs import HERE, Program

WORKLOADS = ("tuples", "instances", "churn", "deep", "jsonwork")
PROGRAMS = (
    "sqlalchemy_orm",  # an ORM
    "black_format",  # a formatter
    "django_site",  # a web framework
    "sympy_algebra",  # a computer algebra
    "libcst_rewrite",  # a parser and rewriter
    "html5lib_pages",  # a tolerant parser
    "yaml_pure",  # a loader and dumper
    "networkx_graphs",  # graphs
    "jinja2_site",  # a template engine
    "lark_trees",  # recursion: deep trees parsed, walked, copied
)

# The environment a suite runs in, and which CPU time is its figure: of the measured
# region, as pyperformance does, or of the whole process, imports and all.
VENV = {"workloads": "core", "pyperf": "pyperf", "programs": "programs"}
FIGURE = {
    "workloads": "region_cpu",
    "pyperf": "region_cpu",
    "programs": "process_cpu",
}
TITLE = {
    "workloads": "(a) workloads",
    "pyperf": "(b) pyperformance",
    "programs": "(c) real programs",
}
# Figures to reach, for ours: geometric mean and worst row, by frames.
LIMITS: dict[str, dict[str, tuple[float, float | None]]] = {
    "pyperf": {"ours:1": (1.20, 1.8), "ours:25": (1.40, 3.0)},
    "programs": {"ours:1": (1.15, None), "ours:25": (1.40, None)},
}
LIMITS_FREE_THREADED: dict[str, dict[str, tuple[float, float | None]]] = {
    "pyperf": {"ours:1": (1.25, None)},
    "programs": {"ours:1": (1.25, None)},
}


def limits_of(suite: str, version: str) -> dict[str, tuple[float, float | None]]:
    """By contestant; empty for a suite that has none."""
    limits = LIMITS_FREE_THREADED if version.endswith("t") else LIMITS
    return limits.get(suite, {})


def programs_of(suite: str, python: Path) -> list[Program]:
    """The rows of one suite, in their fixed order."""
    if suite == "pyperf":
        return pyperf_suite.programs(python)
    names = WORKLOADS if suite == "workloads" else PROGRAMS
    folder = HERE / suite
    return [Program(name, (str(folder / f"{name}.py"),)) for name in names]
