# SPDX-License-Identifier: MIT
"""What the threads of the soak do, and how they come to rest."""

from __future__ import annotations

import collections
import faulthandler
import json
import os
import random
import signal
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable

import blocks
import interps

import pytracemalloc as tracer

MOST_HELD = 300
MOST_SHARED = 200
CHILD_SECONDS = 100


CHAOS, LEDGERS, CLOSING = "chaos", "ledgers", "closing"

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

# Free-threaded 3.13 makes every code object and function immortal once a second thread
# has run (its documentation, "Immortalization"): each exec loses about 840 bytes.
CODE_IS_IMMORTAL = sys.version_info[:2] == (3, 13) and FREE_THREADED


class Plan:
    """What all threads are to do now. Threads and the main one meet at a barrier.

    Forks, or sub-interpreters: by itself CPython (3.11 to 3.15) crashes or hangs in a
    child that was forked while other interpreters ran. Without a GIL forks are made at
    rest: a thread that waits for the lock of a dict or set may own it just when another
    one forks, and by itself CPython's child (3.13.15) then waits for it for ever. With
    eight threads at one set and one dict that were 3 of 270 children.
    """

    def __init__(self, parties: int, untraced: bool) -> None:
        self.barrier = threading.Barrier(parties)
        self.untraced = untraced
        self.half = CLOSING
        self.with_interps = False
        self.with_losses = True  # what CPython itself never gives back
        self.resting = False
        self.over = False
        self.shared: collections.deque[blocks.Block] = collections.deque()
        self.failures: list[str] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.forking = threading.Lock()

    # -- the main thread -----------------------------------------------------------

    def begin(self, half: str) -> None:
        self.half = half
        self.resting = False
        self.barrier.wait()

    def come_to_rest(self) -> None:
        self.resting = True
        self.meet()

    def stop(self) -> None:
        self.over = True
        self.begin(CLOSING)

    # -- every thread --------------------------------------------------------------

    def meet(self) -> None:
        """Nobody frees after the first meeting. Without a GIL an object that another
        thread dropped goes when its own thread runs on: between the two."""
        self.barrier.wait()
        for n in range(1000):
            str(n)
        self.barrier.wait()

    def fail(self) -> None:
        self.failures.append(traceback.format_exc())
        self.barrier.abort()

    def check_in_child(self, check: Callable[[], None]) -> None:
        """Forks; the child checks, and must end well."""
        with self.forking:
            self.counts["forks"] += 1
            pid = os.fork()
        if pid == 0:
            faulthandler.register(signal.SIGALRM, chain=True)  # tells where it hangs
            signal.alarm(CHILD_SECONDS)
            status = 1
            try:
                check()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status == 0, f"a child ended with {status}"


def kept(n: int) -> list[bytes]:
    held = []
    for _ in range(n):
        held.append(bytes(100_000))
    return held


KEPT = kept.__code__.co_firstlineno + 3


def child_alone() -> None:
    """Begins anew, and its books are its own."""
    tracer.start(2)
    tracer.clear_traces()
    held = kept(10)
    blocks_there = tracer.take_snapshot().traces
    found = [t.traceback[0] for t in blocks_there if t.size == sys.getsizeof(held[0])]
    assert [(f.filename, f.lineno) for f in found] == [(__file__, KEPT)] * 10, found
    assert tracer.get_traced_memory()[0] > 10**6
    held.clear()
    assert tracer.get_traced_memory()[0] < 10**6
    tracer.stop()
    assert tracer.get_traced_memory() == (0, 0)


class Worker(threading.Thread):
    """Allocates; one with a sub-interpreter has that allocate, too."""

    def __init__(self, plan: Plan, name: str, seed: int, interp: bool) -> None:
        super().__init__(name=name, daemon=True)
        self.plan = plan
        self.pick = random.Random(seed)
        self.with_interp = interp
        self.interp: interps.Interpreter | None = None
        self.holds = False
        self.held: list[blocks.Block] = []
        self.ledger = blocks.Ledger()

    def run(self) -> None:
        try:
            self.plan.meet()
            while True:
                self.plan.barrier.wait()
                if self.plan.over:
                    break
                self.half()
                self.plan.meet()
        except threading.BrokenBarrierError:
            pass
        except BaseException:
            self.plan.fail()

    def half(self) -> None:
        chaos = self.plan.half == CHAOS
        if self.with_interp:
            self.turn_interp()
        while not self.plan.resting and self.plan.half != CLOSING:
            if self.interp is not None:
                self.interp.churn(toggle=chaos and not self.plan.untraced)
            for _ in range(100):
                self.step()
            if chaos:
                self.control()

    # -- allocating ----------------------------------------------------------------

    def step(self) -> None:
        choice = self.pick.randrange(16)
        if len(self.held) > MOST_HELD or (choice < 4 and self.held):
            self.ledger.drop(self.held.pop(self.pick.randrange(len(self.held))))
        elif choice < 9:
            self.held.append(self.ledger.new(self.pick))
        elif choice < 11 and self.held:
            self.ledger.resize(self.pick.choice(self.held), self.pick)
        elif choice == 11 and self.held and len(self.plan.shared) < MOST_SHARED:
            self.plan.shared.append(self.held.pop())
        elif choice < 14:
            self.take_over()
        else:
            self.other_things()

    def take_over(self) -> None:
        """A block of any thread's."""
        try:
            block = self.plan.shared.popleft()
        except IndexError:
            return
        if self.pick.randrange(2):
            self.held.append(block)
        else:
            self.ledger.drop(block)

    def other_things(self) -> None:
        choice = self.pick.randrange(60)
        if choice < 10:
            json.loads(json.dumps({str(n): [n] * 3 for n in range(20)}))
        elif choice < 20 and (self.plan.with_losses or not CODE_IS_IMMORTAL):
            text = f"def f():\n    return [{self.pick.randrange(1000)}]\nx = f()"
            exec(compile(text, f"made-{self.pick.randrange(50)}", "exec"), {})
        elif choice == 20:
            self.short_thread()

    def short_thread(self) -> None:
        """Leaves blocks to others, and a lane."""
        ledger, pick = blocks.Ledger(), random.Random(self.pick.random())
        left: list[blocks.Block] = []

        def live() -> None:
            for _ in range(10):
                left.append(ledger.new(pick))

        thread = threading.Thread(target=live)
        thread.start()
        thread.join()
        self.held += left
        self.ledger.counts.update(ledger.counts)
        self.plan.counts["threads"] += 1

    # -- the tracer ----------------------------------------------------------------

    def control(self) -> None:
        choice = self.pick.randrange(20)
        if choice == 0 and not self.plan.with_interps and not FREE_THREADED:
            self.plan.check_in_child(child_alone)
        elif not self.plan.untraced:
            self.control_tracer(choice)

    def control_tracer(self, choice: int) -> None:
        if choice < 6:
            tracer.start(self.pick.choice((1, 1, 3, 25)))
            self.plan.counts["starts"] += 1
        elif choice < 8:
            tracer.stop()
        elif choice < 10:
            tracer.clear_traces()
        elif choice < 12:
            tracer.reset_peak()
        elif choice < 17:
            self.look()
        elif choice < 19:
            current, peak = tracer.get_traced_memory()
            assert 0 <= current <= peak, (current, peak)
            tracer.get_tracemalloc_memory()
        elif self.held:
            tracer.get_object_traceback(self.pick.choice(self.held).held)

    def look(self) -> None:
        try:
            now = tracer.take_snapshot()
            then = tracer.take_snapshot(at="peak")
        except RuntimeError:
            return  # not tracing
        for snapshot in (now, then):
            for line in snapshot.statistics("lineno"):
                assert line.count > 0 and line.size >= 0, line
        now.compare_to(then, "filename")
        self.plan.counts["snapshots"] += 2

    # -- the sub-interpreter -------------------------------------------------------

    def turn_interp(self) -> None:
        """It lives for a round, and in the second half it holds something."""
        if self.plan.half == CHAOS and self.plan.with_interps:
            self.interp = interps.Interpreter(self.name)
            self.plan.counts["interpreters"] += 1
        elif self.plan.half == LEDGERS and self.interp is not None:
            self.interp.hold()
            self.holds = True
        elif self.plan.half == CLOSING:
            self.close_interp()

    def close_interp(self) -> None:
        if self.interp is not None:
            self.interp.close()
        self.interp = None
        self.holds = False
