# SPDX-License-Identifier: MIT
"""Blocks whose line and size are known, and the ledgers that say how many are held.

A known block is of 64 * k + 41 bytes, which nothing else at its line is: the numbers
that stand for addresses live there, too.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import ptm_testalloc as alloc
import ptm_testhooks as hooks

Key = tuple[int, int]  # (line, bytes)
BYTES_HEAD = sys.getsizeof(b"")


class Slots:
    __slots__ = ("a", "b", "c")


def take(domain: int, size: int) -> int:
    return alloc.malloc(domain, size)


def take_zeroed(domain: int, size: int) -> int:
    return alloc.calloc(domain, 1, size)


def move(domain: int, address: int, size: int) -> int:
    return alloc.realloc(domain, address, size)


def make_bytes(n: int) -> bytes:
    return bytes(n)


def make_slots() -> Slots:
    return Slots()


def take_detached(size: int) -> list[int]:
    return hooks.detached_malloc(1, size)


def line_of(function: Callable[..., Any]) -> int:
    return function.__code__.co_firstlineno + 1


TAKE, TAKE_ZEROED, MOVE, MAKE_BYTES, MAKE_SLOTS, TAKE_DETACHED = map(
    line_of, (take, take_zeroed, move, make_bytes, make_slots, take_detached)
)
LINES = {TAKE, TAKE_ZEROED, MOVE, MAKE_BYTES, TAKE_DETACHED}
FOREIGN = 0  # the line of a thread that Python does not know
SLOTS = (MAKE_SLOTS, sys.getsizeof(Slots()))


def known_size(pick: Any) -> int:
    """Small ones mostly; now and then above 32 kB, which is booked at once."""
    most = pick.choice((7, 7, 7, 7, 30, 30, 200, 2000))
    return 64 * pick.randrange(most) + 41


class Block:
    """One block, held by one thread at a time."""

    __slots__ = ("domain", "held", "key")

    def __init__(self, domain: int | None, held: Any, key: Key | None) -> None:
        self.domain = domain  # None: an object
        self.held = held  # the object, or an address
        self.key = key  # None: it came before tracing began


def new_block(pick: Any) -> Block:
    size = known_size(pick)
    kind = pick.randrange(9)
    if kind < 3:
        domain = pick.randrange(3)
        return Block(domain, take(domain, size), (TAKE, size))
    if kind < 5:
        domain = pick.randrange(3)
        return Block(domain, take_zeroed(domain, size), (TAKE_ZEROED, size))
    if kind == 5:
        size += 64  # room for the head
        return Block(None, make_bytes(size - BYTES_HEAD), (MAKE_BYTES, size))
    if kind == 6:
        return Block(None, make_slots(), SLOTS)
    if kind == 7:
        return Block(0, take_detached(size)[0], (TAKE_DETACHED, size))
    size = 64 * pick.randrange(200, 220) + 41
    return Block(0, hooks.foreign_malloc(1, size)[0], (FOREIGN, size))


def drop(block: Block) -> None:
    """The block goes, in any of the ways there are for its domain."""
    if block.domain is None:
        block.held = None
    elif block.domain == 0 and block.held % 64 < 16:
        hooks.foreign_free([block.held])
    elif block.domain == 0 and block.held % 64 < 32:
        hooks.detached_free([block.held])
    else:
        alloc.free(block.domain, block.held)


def resize(block: Block, pick: Any) -> None:
    if block.domain is not None:
        size = known_size(pick)
        block.held = move(block.domain, block.held, size)
        block.key = (MOVE, size)


def found_in(traces: Iterable[Any]) -> Counter[Key]:
    """The known blocks of a snapshot; the foreign ones under line 0."""
    found: Counter[Key] = Counter()
    for trace in traces:
        frame = trace.traceback[0]
        key = (frame.lineno, trace.size)
        if frame.filename == __file__:
            if key == SLOTS or (frame.lineno in LINES and trace.size % 64 == 41):
                found[key] += 1
        elif frame.filename == "<unknown>" and is_foreign(trace.size):
            found[key] += 1
    return found


def is_foreign(size: int) -> bool:
    return 64 * 200 < size < 64 * 220 and size % 64 == 41


class Ledger:
    """What one thread has booked; sums over all threads are what is held."""

    def __init__(self) -> None:
        self.counts: Counter[Key] = Counter()

    def new(self, pick: Any) -> Block:
        block = new_block(pick)
        self.counts[block.key] += 1  # type: ignore[index]
        return block

    def drop(self, block: Block) -> None:
        drop(block)
        self.leave(block)

    def leave(self, block: Block) -> None:
        if block.key is not None:
            self.counts[block.key] -= 1

    def resize(self, block: Block, pick: Any) -> None:
        if block.domain is not None:
            self.leave(block)
            resize(block, pick)
            self.counts[block.key] += 1  # type: ignore[index]


def total(ledgers: Iterable[Ledger]) -> Counter[Key]:
    held: Counter[Key] = Counter()
    for ledger in ledgers:
        held.update(ledger.counts)
    wrong = {key: n for key, n in held.items() if n < 0}
    assert not wrong, f"the soak's own ledger is below zero: {wrong}"
    return +held
