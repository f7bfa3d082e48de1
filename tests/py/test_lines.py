# SPDX-License-Identifier: MIT
"""The line decoder answers as co_positions() does, for all of the standard library."""

from __future__ import annotations

import os
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

hooks = pytest.importorskip("ptm_testhooks", reason="built by `make test` only")

LIBRARY = Path(os.__file__).parent


def code_objects(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_objects(constant)


def compiled(path: Path) -> types.CodeType | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile(path.read_bytes(), str(path), "exec")
        except (SyntaxError, ValueError):
            return None  # written not to compile


def sources() -> list[Path]:
    """The library's own tests included; what pip put there is not of the library."""
    found = sorted(LIBRARY.rglob("*.py"))
    return [p for p in found if "site-packages" not in p.relative_to(LIBRARY).parts]


def wrong_in(path: Path) -> Iterator[str]:
    code = compiled(path)
    for one in code_objects(code) if code is not None else ():
        if hooks.positions(one) != list(one.co_positions()):
            yield f"{path}:{one.co_firstlineno} {one.co_qualname}"


def test_every_code_object_of_the_standard_library() -> None:
    paths = sources()
    assert len(paths) > 1000
    assert [wrong for path in paths for wrong in wrong_in(path)] == []


def test_code_without_columns_or_lines() -> None:
    source = "def f(x):\n    return [\n        g(x)\n        for g in x\n    ]\n"
    code = next(
        c for c in code_objects(compile(source, "f", "exec")) if c.co_name == "f"
    )
    for table in (b"", b"\xf8" * 3, code.co_linetable[:-1], code.co_linetable[:3]):
        cut = code.replace(co_linetable=table)
        lines = [p[0] for p in hooks.positions(cut)]
        assert all(line is None or 1 <= line <= 5 for line in lines)


def test_lines_that_jump_far_and_back() -> None:
    source = "x = (1,\n" + "\n" * 70_000 + "f(\n2))\n"
    source = "def far():\n    " + source.replace("\n2", "\n" + " " * 3000 + "2")
    for code in code_objects(compile(source, "far", "exec")):
        assert hooks.positions(code) == list(code.co_positions())


@pytest.mark.skipif(sys.flags.optimize > 0, reason="asserts are gone")
def test_the_comparison_can_fail() -> None:
    code = compile("x = 1\ny = 2\n", "c", "exec")
    moved = code.replace(co_firstlineno=code.co_firstlineno + 1)
    assert hooks.positions(moved) != list(code.co_positions())
