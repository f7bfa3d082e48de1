# SPDX-License-Identifier: MIT
"""usage: calls.py ours:1|stdlib:25|… – what single calls of the API take."""

from __future__ import annotations

import statistics
import sys
import time
import timeit
from collections.abc import Callable
from types import ModuleType
from typing import Any

from common import answer, tracer_of

LIVE = 1_250_000
FUNCTIONS, LINES, SIZES = 250, 10, 40


def seconds(call: Callable[[], Any]) -> float:
    """One call, by the clock."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def per_call_ns(call: Callable[[], Any]) -> float:
    """The best of seven rounds, the loop that calls included."""
    return min(timeit.repeat(call, number=100_000, repeat=7)) / 100_000 * 1e9


def start_and_stop(module: ModuleType, nframe: int) -> list[float]:
    """Start plus stop, 200 times; seconds."""

    def once() -> None:
        module.start(nframe)
        module.stop()

    return [seconds(once) for _ in range(200)]


def fill() -> list[bytes]:
    """1.25 million live blocks from 2,500 lines in 40 sizes, a few calls deep."""
    lines = ["def down(level, function, kept, i):"]
    lines += ["    if level: return down(level - 1, function, kept, i)"]
    lines += ["    function(kept, i)"]
    for number in range(FUNCTIONS):
        lines.append(f"def f{number}(kept, i):")
        lines += [f"    kept.append(bytes(i + {k + 2}))" for k in range(LINES)]
    names: dict[str, Any] = {}
    exec(compile("\n".join(lines), "<filled>", "exec"), names)
    kept: list[bytes] = []
    for turn in range(LIVE // (FUNCTIONS * LINES)):
        for number in range(FUNCTIONS):
            names["down"](number % 12, names[f"f{number}"], kept, turn % SIZES)
    return kept


def on_many_blocks(module: ModuleType, nframe: int) -> dict[str, float]:
    """What a snapshot of them costs to take and to use; seconds."""
    module.start(nframe)
    kept = fill()
    taken: list[Any] = []
    times = {"take_snapshot": seconds(lambda: taken.append(module.take_snapshot()))}
    old = taken[0]
    for key in ("filename", "lineno", "traceback"):
        times[f"statistics {key}"] = seconds(lambda key=key: old.statistics(key))
    kept.append(bytes(1000))
    new = module.take_snapshot()
    times["compare_to lineno"] = seconds(lambda: new.compare_to(old, "lineno"))
    exclude = [module.Filter(False, "<unknown>"), module.Filter(False, "*/site.py")]
    times["filter_traces"] = seconds(lambda: new.filter_traces(exclude))
    cumulative = seconds(lambda: new.statistics("lineno", cumulative=True))
    times["statistics cumulative"] = cumulative
    assert len(kept) == LIVE + 1 and len(new.traces) >= LIVE
    times["stop"] = seconds(module.stop)
    return times


def main() -> None:
    module, nframe = tracer_of(sys.argv[1])
    assert module is not None
    first = seconds(lambda: (module.start(nframe), module.stop()))
    rounds = start_and_stop(module, nframe)
    off = per_call_ns(module.is_tracing)
    module.start(nframe)
    on = per_call_ns(module.is_tracing)
    memory = per_call_ns(module.get_traced_memory)
    module.stop()
    answer(
        first_start_stop=first,
        start_stop=statistics.median(rounds),
        start_stop_worst=max(rounds),
        is_tracing_ns=max(on, off),
        get_traced_memory_ns=memory,
        **on_many_blocks(module, nframe),
    )


if __name__ == "__main__":
    main()
