# SPDX-License-Identifier: MIT
"""usage: threads.py TRACER ROUNDS – one thread allocating, and two at once.

Each thread makes and drops the same blocks. Per round, of one thread and of two: the
seconds by the clock until all have ended, and the CPU time of a thread.
"""

from __future__ import annotations

import sys
import time
from threading import Barrier, Thread

from common import answer, start

BLOCKS = 60_000


def allocate() -> None:
    """Small and not so small, kept for a while or not at all."""
    kept: list[object] = []
    for i in range(BLOCKS):
        kept.append([i, (i, str(i))])
        bytes(i % 600)
        if len(kept) == 500:
            del kept[::2]


def at_once(n: int) -> tuple[float, float]:
    """By the clock, and CPU time of a thread."""
    ready = Barrier(n + 1)
    used: list[float] = []

    def run() -> None:
        ready.wait()
        began = time.thread_time()
        allocate()
        used.append(time.thread_time() - began)

    threads = [Thread(target=run) for _ in range(n)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, sum(used) / n


def main() -> None:
    start(sys.argv[1])
    at_once(1), at_once(2)
    rounds = [(at_once(1), at_once(2)) for _ in range(int(sys.argv[2]))]
    answer(
        clock=[(one[0], two[0]) for one, two in rounds],
        cpu=[(one[1], two[1]) for one, two in rounds],
    )


if __name__ == "__main__":
    main()
