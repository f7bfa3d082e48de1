# SPDX-License-Identifier: MIT
"""usage: snapshots.py ours:25|stdlib:25 many|hard – what questions to a snapshot take.

many: 1.25 million live blocks from 2,500 lines in 40 sizes, a few calls deep. hard:
200,000 distinct stacks of 25 frames and more, a million blocks. Seconds of CPU time;
every question is put to a snapshot of its own, so no answer is one of before, and the
time of the text of its first ten results is included.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from types import ModuleType
from typing import Any

from common import answer, tracer_of

SHOWN = 10


def seconds(call: Callable[[], Any]) -> float:
    """One call."""
    started = time.process_time()
    call()
    return time.process_time() - started


def show(results: Iterable[Any]) -> None:
    """What a person reads first."""
    for result in islice(results, SHOWN):
        str(result)


# -- what is traced ----------------------------------------------------------

LIVE = 1_250_000
FUNCTIONS, LINES, SIZES = 250, 10, 40


def fill_many() -> list[bytes]:
    """1.25 million blocks; 2,500 lines."""
    lines = ["def down(level, function, kept, i):"]
    lines += ["    if level: return down(level - 1, function, kept, i)"]
    lines += ["    function(kept, i)"]
    for number in range(FUNCTIONS):
        lines.append(f"def f{number}(kept, i):")
        lines += [f"    kept.append(bytes(i + {k + 2}))" for k in range(LINES)]
    names = compiled(lines)
    kept: list[bytes] = []
    for turn in range(LIVE // (FUNCTIONS * LINES)):
        for number in range(FUNCTIONS):
            names["down"](number % 12, names[f"f{number}"], kept, turn % SIZES)
    return kept


STACKS, BLOCKS_A_STACK, DEPTH, WALKERS = 200_000, 5, 26, 300


def fill_hard() -> list[bytes]:
    """A million blocks; every stack is a walk of its own, three ways on at a step."""
    lines = []
    for number in range(WALKERS):
        a, b, c = ((number * 7 + way * 31 + 1) % WALKERS for way in range(3))
        lines += [
            f"def f{number}(way, level, kept, size):",
            "    if level == 0:",
            f"        for _ in range({BLOCKS_A_STACK}):",
            "            kept.append(bytes(size))",
            f"    elif way % 3 == 0: f{a}(way // 3, level - 1, kept, size)",
            f"    elif way % 3 == 1: f{b}(way // 3, level - 1, kept, size)",
            f"    else: f{c}(way // 3, level - 1, kept, size)",
        ]
    first = compiled(lines)["f0"]
    draw = random.Random(1)
    kept: list[bytes] = []
    for _ in range(STACKS):
        first(draw.randrange(3**DEPTH), DEPTH, kept, draw.randrange(60) * 8)
    return kept


def compiled(lines: list[str]) -> dict[str, Any]:
    """The names that this source makes."""
    names: dict[str, Any] = {}
    exec(compile("\n".join(lines), "<filled>", "exec"), names)
    return names


# -- what is asked -----------------------------------------------------------


class Questions:
    """Every question, by its name in the table."""

    def __init__(self, module: ModuleType, folder: str) -> None:
        self.module = module
        self.ours = module.__name__ == "pytracemalloc"
        self.old = module.take_snapshot()
        self.path = os.path.join(folder, "snapshot")
        self.exclude = [module.Filter(False, "*/site.py")]

    def all(self) -> dict[str, Callable[[Any], Any]]:
        """Each takes the snapshot it is put to."""
        keys = ("filename", "lineno", "traceback")
        more = ("function", "module", "size", "domain") if self.ours else ()
        asked: dict[str, Callable[[Any], Any]] = {"take_snapshot": self.take}
        for key in (*keys, *more):
            asked[f"statistics {key}"] = lambda s, key=key: show(s.statistics(key))
        asked["cumulative lineno"] = lambda s: show(s.statistics("lineno", True))
        for key in keys:
            asked[f"compare_to {key}"] = lambda s, key=key: show(
                s.compare_to(self.old, key)
            )
        asked["filter_traces"] = lambda s: show(s.filter_traces(self.exclude).traces)
        asked["dump"] = lambda s: s.dump(self.path)
        asked["load"] = lambda s: show(self.module.Snapshot.load(self.path).traces)
        asked["take, statistics lineno, first read"] = lambda s: show(
            self.module.take_snapshot().statistics("lineno")
        )
        return asked

    def take(self, _: Any) -> None:
        """The one that makes a snapshot instead of using one."""
        self.taken = self.module.take_snapshot()


def ask_all(module: ModuleType, rounds: int, folder: str) -> dict[str, float]:
    """The median of each question's times; and the bytes of the file."""
    questions = Questions(module, folder)
    times: dict[str, float] = {}
    for name, ask in questions.all().items():
        runs = []
        for _ in range(rounds):
            snapshot = module.take_snapshot()
            runs.append(seconds(lambda ask=ask, snapshot=snapshot: ask(snapshot)))
            del snapshot
        times[name] = statistics.median(runs)
    times["file_bytes"] = os.path.getsize(questions.path)
    return times


def main() -> None:
    module, nframe = tracer_of(sys.argv[1])
    assert module is not None
    module.start(nframe)
    kept = fill_many() if sys.argv[2] == "many" else fill_hard()
    rounds = 5 if sys.argv[1].startswith("ours") else 1
    with tempfile.TemporaryDirectory() as folder:
        times = ask_all(module, rounds, folder)
    assert len(kept) in (LIVE, STACKS * BLOCKS_A_STACK)
    answer(**times)


if __name__ == "__main__":
    main()
