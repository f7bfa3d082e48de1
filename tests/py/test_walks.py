# SPDX-License-Identifier: MIT
"""Stacks as the program sees them itself, while it goes down and returns at random."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator

import pytest

import pytracemalloc

ptm_teststack = pytest.importorskip("ptm_teststack", reason="built by `make test` only")

Stack = list[tuple[str, int]]
Kept = list[tuple[bytes, Stack]]
Steps = Iterator[int]

UP, KEEP = -1, -2
DEEPEST = 90


def stack_here(limit: int) -> Stack:
    """The caller's, the most recent frame first."""
    frame = sys._getframe(1)
    found: Stack = []
    while frame is not None and len(found) < limit:
        found.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return found


def go(steps: Steps, kept: Kept, limit: int) -> None:
    """Down by one of five ways, keeping a block, or up to the caller."""
    for step in steps:
        if step == UP:
            return
        if step == KEEP:
            kept.append((bytes(1000), stack_here(limit)))
        else:
            WAYS[step](steps, kept, limit)


def by_function(steps: Steps, kept: Kept, limit: int) -> None:
    go(steps, kept, limit)


def by_its_twin(steps: Steps, kept: Kept, limit: int) -> None:
    """Its frame is as large, so what it calls lies where the other's calls lay."""
    go(steps, kept, limit)


class Node:
    """By the interpreter's shim for `__init__`."""

    def __init__(self, steps: Steps, kept: Kept, limit: int) -> None:
        go(steps, kept, limit)


def by_class(steps: Steps, kept: Kept, limit: int) -> None:
    Node(steps, kept, limit)


def generate(steps: Steps, kept: Kept, limit: int) -> Iterator[None]:
    yield
    go(steps, kept, limit)


def by_generator(steps: Steps, kept: Kept, limit: int) -> None:
    for _ in generate(steps, kept, limit):
        pass


def by_c(steps: Steps, kept: Kept, limit: int) -> None:
    list(map(go, [steps], [kept], [limit]))


def apart(steps: Steps, kept: Kept, limit: int) -> None:
    """On a stack of its own, as a greenlet."""
    ptm_teststack.apart(lambda: go(steps, kept, limit))


WAYS: tuple[Callable[[Steps, Kept, int], None], ...] = (
    by_function,
    by_its_twin,
    by_class,
    by_generator,
    by_c,
    apart,
)


def random_steps(draw: random.Random, n: int, turn: float) -> list[int]:
    """Ways down and up that turn with this probability; blocks are kept on both."""
    depth, down, steps = 0, True, []
    for _ in range(n):
        if depth == 0 or depth == DEEPEST or draw.random() < turn:
            down = depth < DEEPEST and (depth == 0 or not down)
        if draw.random() < 0.25:
            steps.append(KEEP)
        elif down:
            depth += 1
            steps.append(
                draw.choice((0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5))
            )
        else:
            depth -= 1
            steps.append(UP)
    return steps + [UP] * depth


@pytest.mark.parametrize("limit", [8, 9, 12, 25, 60, 250])
@pytest.mark.parametrize("turn", [0.05, 0.2, 0.4])
def test_stacks_are_the_programs_own(limit: int, turn: float):
    steps = random_steps(random.Random(limit), 9000, turn)
    kept: Kept = []
    pytracemalloc.start(limit)
    try:
        go(iter(steps), kept, limit)
        traced = [pytracemalloc.get_object_traceback(block) for block, _ in kept]
    finally:
        pytracemalloc.stop()
    assert len(kept) > 2000
    assert len({tuple(stack) for _, stack in kept}) > 50
    for found, (_, wanted) in zip(traced, kept, strict=True):
        assert [(f.filename, f.lineno) for f in found] == wanted
