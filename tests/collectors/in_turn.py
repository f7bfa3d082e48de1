# SPDX-License-Identifier: MIT
"""ddtrace's memory collector and ours in one process: in_turn.py dd+ ours+ dd- ours- …

Each word starts (+) or stops (-) one of them. After each a block of every domain is looked at.
"""

from __future__ import annotations

import sys

import ptm_testalloc as alloc
from ddtrace.profiling.collector import memalloc

import pytracemalloc

RAW, MEM, OBJ = DOMAINS = (0, 1, 2)
ODD = 497  # bytes; of more than 512 the raw domain would hear, too


class Chain:
    """Who is called in the domains that both hook, the first one last."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.found: list[str] = []  # by the collector, which puts that back
        self.tracing = False

    def follow(self, word: str) -> None:
        if word == "dd+":
            self.found = list(self.called)
            self.called.append("dd")
        elif word == "dd-":
            self.called = self.found
        elif word == "ours+":
            self.tracing = True
            if "ours" not in self.called:
                self.called.append("ours")
        elif word == "ours-":
            self.tracing = False
            if self.called[-1:] == ["ours"]:
                self.called.pop()

    def traces(self, domain: int) -> bool:
        """Nobody takes ours out of the raw domain, which the collector lets alone."""
        return self.tracing and (domain == RAW or "ours" in self.called)


def lines_of(size: int) -> list[int]:
    """Where in this file the live blocks of this size were allocated, as a snapshot says."""
    traces = pytracemalloc.take_snapshot().traces
    tops = [trace.traceback[0] for trace in traces if trace.size == size]
    return [frame.lineno for frame in tops if frame.filename == __file__]


def look(chain: Chain) -> None:
    """A block that comes, grows and goes: at its line, once, or not at all."""
    for domain in DOMAINS:
        here = sys._getframe().f_lineno + 1
        block = alloc.malloc(domain, ODD)
        if chain.tracing:
            expected = [here] if chain.traces(domain) else []
            assert lines_of(ODD) == expected, (domain, lines_of(ODD), expected)
        alloc.free(domain, alloc.realloc(domain, block, ODD + 1))
        if chain.tracing:
            assert lines_of(ODD) == lines_of(ODD + 1) == [], domain


def work() -> int:
    """What both see much of; half of it goes."""
    kept = [{str(i): [i, (i, float(i))]} for i in range(20_000)]
    del kept[::2]
    return len(kept)


def main(words: list[str]) -> None:
    # samples every 512 bytes or so: nearly each of those blocks is one
    collector = memalloc.MemoryCollector(16, 512, mem_domain_enabled=True)
    does = {
        "dd+": collector.start,
        "dd-": collector.stop,
        "ours+": lambda: pytracemalloc.start(5),
        "ours-": pytracemalloc.stop,
    }
    chain = Chain()
    for word in words:
        does[word]()
        chain.follow(word)
        assert pytracemalloc.is_tracing() == chain.tracing
        work()
        look(chain)
        collector.snapshot()
    print("ok")


main(sys.argv[1:])
