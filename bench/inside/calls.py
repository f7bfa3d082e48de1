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
    )


if __name__ == "__main__":
    main()
