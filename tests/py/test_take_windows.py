# SPDX-License-Identifier: MIT
"""Stacks of a snapshot are built of each other: each must be its block's own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

import pytracemalloc

DEEPEST = 14


def a(way: int, level: int, kept: list[bytes]) -> None:
    """Three ways down, each of which keeps blocks, in two lines, at some levels."""
    if way % 7 == 0 or level == 0:
        kept.append(bytes(1000 + level))
    if level:
        NEXT[way % 3](way // 3, level - 1, kept)
        if way % 5 == 0:
            kept.append(bytes(2000 + level))


def b(way: int, level: int, kept: list[bytes]) -> None:
    if level:
        NEXT[way % 3](way // 3, level - 1, kept)
    kept.append(bytes(3000 + level))


def c(way: int, level: int, kept: list[bytes]) -> None:
    if level > 1 and way % 2:
        return c(way // 3, level - 2, kept)
    return a(way // 3, max(level - 1, 0), kept)


NEXT: tuple[Callable[[int, int, list[bytes]], None], ...] = (a, b, c)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 9, 25, 100])
@pytest.mark.parametrize("seed", range(3))
def test_windows_of_every_depth(limit: int, seed: int):
    draw = random.Random(seed)
    kept: list[bytes] = []
    pytracemalloc.start(limit)
    try:
        for _ in range(300):
            NEXT[draw.randrange(3)](draw.randrange(3**9), draw.randrange(DEEPEST), kept)
        snapshot = pytracemalloc.take_snapshot()
        alone = [pytracemalloc.get_object_traceback(block) for block in kept]
    finally:
        pytracemalloc.stop()
    wanted = Counter(
        (len(b) + b"".__sizeof__(), t) for b, t in zip(kept, alone, strict=True)
    )
    assert len(wanted) > 20
    found = Counter((t.size, t.traceback) for t in snapshot.traces if t.size > 1000)
    assert {key: found[key] for key in wanted} == wanted
    assert all(len(t) <= limit for _, t in wanted)
