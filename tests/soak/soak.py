# SPDX-License-Identifier: MIT
"""A soak: threads and sub-interpreters allocate, tracing is turned on and off,
snapshots are taken, forks are made; at rests all is recounted.

    usage:  soak.py [--minutes 30] [--threads 8] [--interpreters 2] [--seed N]
                    [--untraced]

A round has two halves. In the first, every thread does anything: starts, stops, clears,
forks (without a GIL forks are made when it is over: `worker.Plan`).
In the second tracing stays on, and each thread keeps a ledger; then all rest, and
    - the known blocks at each line are those of the ledgers, in count and bytes;
    - so in a forked child;
    - the blocks of a snapshot add up to get_traced_memory() and get_traced_blocks();
    - what was alive at the peak adds up to the peak; nothing is negative or lost;
    - get_object_traceback() tells the line of every known object.
Memory of ours may not grow by more than a tenth and 1 MB after the first fifth of the
rounds. CPython itself loses some MB with every sub-interpreter, and free-threaded 3.13
every code object, so these are made in the first half of the time only, and the process
may not grow by more than a tenth and 16 MB in the second (after a fifth of that).
--untraced tells what happens by itself: no tracing, no recount. Exit 0: nothing was
wrong.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import gc
import os
import random
import statistics
import sys
import time
import traceback
import warnings

import blocks
import ptm_testhooks as hooks
import recount
from worker import CHAOS, CLOSING, FREE_THREADED, LEDGERS, Plan, Worker, child_alone

import pytracemalloc as tracer

HANG_SECONDS = 150  # between two rests
HALF_SECONDS = 1.0
LINE_SECONDS = 10
FORKS_AT_REST = 5
SAID = ("recounts", "forks", "starts", "snapshots", "threads", "interpreters")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--interpreters", type=int, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--untraced", action="store_true")
    return parser.parse_args()


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Memory:
    """One measure of memory over the rests."""

    def __init__(self, name: str, factor: float, slack: int) -> None:
        self.name, self.factor, self.slack = name, factor, slack
        self.seen: list[int] = []

    def now(self) -> str:
        return f"{self.name} {self.seen[-1] / 1e6:.1f} MB" if self.seen else ""

    def grown(self) -> tuple[int, int]:
        """The usual value after the warm-up, and at the end."""
        if not self.seen:
            return 0, 0  # too short a run for a second half
        fifth = max(1, len(self.seen) // 5)
        middle = self.seen[fifth : 2 * fifth] or self.seen
        return int(statistics.median(middle)), int(
            statistics.median(self.seen[-fifth:])
        )

    def judge(self) -> None:
        before, after = self.grown()
        allowed = int(before * self.factor) + self.slack
        assert after <= allowed, (
            f"{self.name} grew from {before} to {after} bytes; {allowed} are allowed"
        )


class Soak:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.pick = random.Random(options.seed)
        self.begun = time.monotonic()
        self.rounds = 0
        self.ours = Memory("ours", 1.1, 1 << 20)
        self.process = Memory("process", 1.1, 16 << 20)
        parties = options.threads + options.interpreters
        self.plan = Plan(parties + 1, options.untraced)
        self.workers = [
            Worker(self.plan, f"soak-{n}", options.seed + n, n >= options.threads)
            for n in range(parties)
        ]
        self.next_line = LINE_SECONDS

    def elapsed(self) -> float:
        return time.monotonic() - self.begun

    # -- a round -------------------------------------------------------------------

    def rest(self) -> None:
        """All threads stand still when this returns, until `plan.begin`."""
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        self.plan.come_to_rest()

    def half(self, half: str) -> None:
        self.plan.begin(half)
        time.sleep(HALF_SECONDS if half != CLOSING else 0)
        self.rest()

    def fork_at_rest(self) -> None:
        """Only a thread that Python does not know allocates meanwhile."""
        hooks.hammer(300)
        for _ in range(FORKS_AT_REST):
            self.plan.check_in_child(child_alone)
        hooks.hammered()

    def forget_ledgers(self) -> None:
        """What is held comes from before tracing began."""
        for worker in self.workers:
            worker.ledger = blocks.Ledger()
            for block in worker.held:
                block.key = None
        for block in self.plan.shared:
            block.key = None

    def held(self) -> collections.Counter[blocks.Key]:
        return blocks.total(worker.ledger for worker in self.workers)

    def recount(self) -> None:
        held = self.held()
        names = [w.name for w in self.workers if w.interp is not None and w.holds]
        recount.everything(held, names)
        for worker in self.workers:
            recount.objects(worker.held)
        if self.rounds == 0:
            recount.can_fail(held)
        self.plan.counts["recounts"] += 1
        if not self.plan.with_interps:
            self.plan.check_in_child(lambda: recount.everything(held, names))

    def measure(self) -> None:
        tracer.stop()
        gc.collect()
        self.ours.seen.append(tracer.get_tracemalloc_memory())
        self.process.seen.append(resident_bytes())

    def round(self) -> None:
        self.plan.with_interps = self.rounds % 2 == 1 and self.plan.with_losses
        self.half(CHAOS)
        if FREE_THREADED and not self.plan.with_interps:
            self.fork_at_rest()
        tracer.stop()
        self.forget_ledgers()
        if not self.options.untraced:
            tracer.start(self.pick.choice((1, 1, 3, 25)))
        self.half(LEDGERS)
        if not self.options.untraced:
            self.recount()
        self.half(CLOSING)
        self.measure()
        self.rounds += 1

    # -- all of them ---------------------------------------------------------------

    def count(self, name: str) -> str:
        return f"{self.plan.counts[name]} {name}"

    def say(self) -> None:
        held = sum(len(worker.held) for worker in self.workers)
        print(f"{self.elapsed():5.0f} s", *map(self.count, SAID), f"{held} held",
              self.ours.now(), self.process.now(), sep="  ", flush=True)  # fmt: skip

    def run(self) -> None:
        for worker in self.workers:
            worker.start()
        self.rest()
        while self.elapsed() < self.options.minutes * 60 and not self.plan.failures:
            self.round()
            if self.plan.with_losses and self.elapsed() > self.options.minutes * 30:
                self.plan.with_losses = False
                self.process.seen.clear()
            if self.elapsed() >= self.next_line:
                self.say()
                self.next_line += LINE_SECONDS
        self.plan.stop()
        for worker in self.workers:
            worker.join()

    def judge(self) -> None:
        assert not self.plan.failures, "a thread failed"
        assert self.options.untraced or self.plan.counts["recounts"] == self.rounds > 0
        self.ours.judge()
        if not self.options.untraced:
            self.process.judge()

    def summary(self) -> str:
        grown = []
        for memory in (self.ours, self.process):
            before, after = memory.grown()
            grown.append(f"{memory.name} {before / 1e6:.1f} -> {after / 1e6:.1f} MB")
        counted = [f"{self.rounds} rounds", *map(self.count, SAID)]
        return f"{self.elapsed() / 60:.1f} minutes: " + ", ".join(counted + grown)


def main() -> int:
    options = parse()
    warnings.simplefilter("ignore")
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    name = f"CPython {sys.version.split()[0]}{'' if gil else ' without a GIL'}"
    print(f"soak on {name}, seed {options.seed}", flush=True)
    faulthandler.enable()
    sys.setswitchinterval(1e-4)
    soak = Soak(options)
    status = 1
    try:
        soak.run()
        soak.judge()
        status = 0
    except BaseException:
        print(*soak.plan.failures[:2], sep="\n")
        traceback.print_exc(file=sys.stdout)
    verdict = "failed" if status else "nothing wrong"
    print(f"soak on {name}: {soak.summary() if soak.rounds else ''}: {verdict}")
    sys.stdout.flush()
    if status:
        os._exit(status)  # the other threads may not be at rest
    faulthandler.cancel_dump_traceback_later()
    return status


if __name__ == "__main__":
    sys.exit(main())
