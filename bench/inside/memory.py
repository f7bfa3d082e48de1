# SPDX-License-Identifier: MIT
"""usage: memory.py SCENARIO TRACER – one scenario, and what the tracer holds after it.

The growth is that of the resident process from before the tracer's start to the end of
the scenario; the program's own share is what the same scenario grows by untraced.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from common import answer, held, rss, start

MILLION = 1_000_000


class Slotted:
    """48 bytes with its two slots and the collector's head."""

    __slots__ = ("a", "b")


def fill(make: Callable[[int], object]) -> list[object]:
    """A million live objects in a list that has its size from the start."""
    kept: list[object] = [None] * MILLION
    for i in range(MILLION):
        kept[i] = make(i)
    return kept


def slotted(i: int) -> object:
    """One instance."""
    return Slotted()


def objects() -> object:
    """16 bytes each."""
    return fill(lambda i: object())


def floats() -> object:
    """24 bytes each, 32 of the heap."""
    return fill(lambda i: i + 0.5)


def slots() -> object:
    """48 bytes each."""
    return fill(slotted)


def strings() -> object:
    """About 57 bytes each, 64 of the heap."""
    return fill(lambda i: f"text {i:08}")


def tuples() -> object:
    """Tuples of three: 80 bytes each."""
    return fill(lambda i: (i & 127, kept_small, None))


def mixed() -> object:
    """A fifth of each kind."""
    made: list[object] = [None] * MILLION
    for i in range(0, MILLION, 5):
        made[i] = object()
        made[i + 1] = i + 0.5
        made[i + 2] = slotted(i)
        made[i + 3] = f"text {i:08}"
        made[i + 4] = (i & 127, kept_small, None)
    return made


def recursion() -> object:
    """A thousand blocks allocated 10,000 calls deep, at ten depths."""
    sys.setrecursionlimit(20_000)
    kept: list[object] = []

    def down(level: int) -> None:
        if level:
            down(level - 1)
        if level % 1000 == 0:
            kept.extend([bytes(100 + k) for k in range(100)])

    down(10_000)
    return kept


def codes() -> object:
    """100,000 code objects made, run and dropped, each with one block that stays."""
    kept: list[object] = []
    names = {"kept": kept}
    for i in range(100_000):
        exec(
            compile(f"kept.append(bytes({100 + i % 50}))", f"<made {i}>", "exec"), names
        )
    return kept


def dead_sites() -> object:
    """A million sites whose blocks are gone: 1,000 lines by 1,000 sizes."""
    lines = ["def all(n):", *(["    bytes(n)"] * 1000)]
    names: dict[str, object] = {}
    exec(compile("\n".join(lines), "<sites>", "exec"), names)
    for size in range(2, 1002):
        names["all"](size)
    return None


kept_small = 7
SCENARIOS = {
    made.__name__: made
    for made in (
        *(objects, floats, slots, strings, tuples, mixed),
        *(recursion, codes, dead_sites),
    )
}


def main() -> None:
    scenario, tracer = SCENARIOS[sys.argv[1]], sys.argv[2]
    rss()  # what reading costs is there before the first figure
    before, held_before = rss(), held()
    module = start(tracer)
    started = time.process_time()
    kept = scenario()
    cpu = time.process_time() - started
    grown = rss() - before
    held()  # what looking costs the tracer is there before it is asked
    own = module.get_tracemalloc_memory() if module else 0
    maps = held() - held_before
    peak = module.get_traced_memory()[1] if module else 0
    answer(grown=grown, own=own, held=maps, peak=peak, cpu=cpu)
    del kept


if __name__ == "__main__":
    main()
