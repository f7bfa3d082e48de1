# SPDX-License-Identifier: MIT
"""The same program under both tracers, in two processes: the same traces to the byte.

From 3.13 on nothing may differ. 3.11 and 3.12 tell no one when an object is taken from
a free list, so there such an object keeps the place where its memory was allocated
first: what differs is listed, and must be of a type that has a free list.
"""

from __future__ import annotations

import contextvars
import importlib.util
import marshal
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
LIMITS = (1, 25)
SEEDS = range(int(os.environ.get("PTM_PARITY_SEEDS", "6")))
PATIENCE = 300
#: From 3.14 on an int that eval() leaves in a free list is there or not by chance: of
#: six runs of the standard library's own tracer one differs from the others by a block.
ROUNDS = 1 if sys.version_info < (3, 14) else 4

#: What CPython 3.11 and 3.12 keep in free lists (Objects/*.c, Python/context.c).
FREE_LIST_TYPES = {
    "float", "tuple", "list", "dict", "slice", "Context",
    "async_generator_asend", "async_generator_wrapped_value",
}  # fmt: skip


def free_list_sizes() -> set[int]:
    """Bytes of the blocks of such objects."""
    contexts = sys.getsizeof(contextvars.copy_context())
    wrapped_value = 16 + 3 * 8  # a GC head, an object, a pointer: it cannot be had here
    return {
        *(sys.getsizeof((None,) * n) for n in range(1, 21)),
        *(sys.getsizeof(x) for x in (1.0, [], {}, slice(0))),
        contexts, sys.getsizeof(a_generator().asend(None)), wrapped_value,
    }  # fmt: skip


async def a_generator() -> AsyncIterator[None]:
    yield


REUSED = free_list_sizes() if sys.version_info < (3, 13) else set()

Frames = tuple[tuple[str, int], ...]
Traces = list[tuple[int, int, Frames, int]]


def sibling(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"parity_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LIBRARIES = sibling("libraries").LIBRARIES
PROGRAMS = [f"seed {n}" for n in SEEDS] + list(LIBRARIES)


def source_of(program: str) -> str:
    kind, _, seed = program.partition(" ")
    return sibling("generate").program(int(seed)) if seed else LIBRARIES[kind]


def run_child(tracer: str, limit: int, path: Path) -> tuple[Traces, list[Any]]:
    out = path.with_suffix(f".{tracer}")
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    kept = ("PYTHONPATH", "PYTHON_JIT")
    env |= {k: os.environ[k] for k in kept if k in os.environ}
    subprocess.run(
        [sys.executable, str(HERE / "child.py"), tracer, str(limit), str(path),
         str(out)],
        env=env, check=True, timeout=PATIENCE,
    )  # fmt: skip
    return marshal.loads(out.read_bytes())


def written(program: str, folder: Path) -> Path:
    name = program.split()[0]
    if name in LIBRARIES:
        pytest.importorskip(name)
    path = folder / "program.py"
    path.write_text(source_of(program))
    return path


def counted(traces: Traces) -> Counter[tuple[Frames, int, int]]:
    return Counter((frames, size, domain) for domain, size, frames, _ in traces)


def listing(theirs: Counter[Any], ours: Counter[Any]) -> str:
    """What differs, a line each, for a reader."""
    lines = []
    for key in sorted((theirs - ours).keys() | (ours - theirs).keys()):
        frames, size, _ = key
        place = " <- ".join(f"{file}:{line}" for file, line in frames[:4])
        lines.append(f"{size} B: stdlib {theirs[key]}, ours {ours[key]} at {place}")
    return "\n".join(lines[:100])


def check_depths(theirs: Traces, ours: Traces, limit: int) -> None:
    """total_nframe: exact where the stack fits; beyond, too high by shims at most.

    3.11 counts C calls in the same number: a few may have another stack's depth there.
    """
    totals: tuple[Any, Any] = defaultdict(list), defaultdict(list)
    for table, traces in zip(totals, (theirs, ours), strict=True):
        for _, size, frames, total in traces:
            table[frames, size].append(total)
    off = []
    for key, expected in totals[0].items():
        if key[1] in REUSED:
            continue  # maybe not the same blocks
        for want, got in zip(sorted(expected), sorted(totals[1][key]), strict=True):
            # Each hidden shim stands under a hidden frame, or under the last one shown.
            most = want if want <= limit else want + (want - limit) + 1
            if not want <= got <= most:
                assert want > limit, (key, want, got)
                off.append((key, want, got))
    few = len(theirs) // 200 if sys.version_info < (3, 12) else 0
    assert len(off) <= few, off


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_same_traces(program: str, limit: int, tmp_path: Path) -> None:
    path = written(program, tmp_path)
    for _ in range(ROUNDS):
        theirs, _ = run_child("stdlib", limit, path)
        ours, _ = run_child("ours", limit, path)
        assert len(theirs) > 100
        expected, got = counted(theirs), counted(ours)
        differing = {key for key in expected | got if expected[key] != got[key]}
        if {size for _, size, _ in differing} <= REUSED:
            break
    else:
        pytest.fail(listing(expected, got))
    # Where memory comes from a free list, the blocks agree and the places differ.
    assert Counter(t[1] for t in theirs) == Counter(t[1] for t in ours)
    print(listing(expected, got))
    check_depths(theirs, ours, limit)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_what_differs_has_a_free_list(program: str, limit: int, tmp_path: Path) -> None:
    """Both tracers in one process: every object they place apart is of such a type."""
    _, apart = run_child("both", limit, written(program, tmp_path))
    allowed = FREE_LIST_TYPES if sys.version_info < (3, 13) else set()
    assert [one for one in apart if one[0] not in allowed] == []
