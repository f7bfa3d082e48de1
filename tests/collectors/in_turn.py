# SPDX-License-Identifier: MIT
"""ddtrace's memory collector and ours in one process: in_turn.py dd+ ours+ dd- ours- …

Each word starts (+) or stops (-) one of them. After each a block of every domain is
looked at.
"""

from __future__ import annotations

import sys

import below
import ptm_testalloc as alloc
from ddtrace.profiling.collector import memalloc
from hook_chain import Chain

import pytracemalloc

RAW, MEM, OBJ = DOMAINS = (0, 1, 2)
HOOKED = (MEM, OBJ) if sys.version_info >= (3, 12) else (OBJ,)  # by the collector
ODD = 497  # bytes; of more than 512 the raw domain would hear, too


class DomainChain(Chain):
    """Of one domain, which the collector hooks or leaves alone."""

    def __init__(self, domain: int) -> None:
        super().__init__("dd" if domain in HOOKED else None)
        self.domain = domain
        self.tops: dict[str, int] = {}

    def check_top(self) -> None:
        """Nobody has thrown out another who is on top."""
        there = int(below.top(self.domain).malloc)
        assert self.tops.setdefault(self.called[-1], there) == there, self.called
        assert len(set(self.tops.values())) == len(self.tops), self.tops


def lines_of(size: int) -> list[int]:
    """The lines of this file that have live blocks of this size, by a snapshot."""
    traces = pytracemalloc.take_snapshot().traces
    tops = [trace.traceback[0] for trace in traces if trace.size == size]
    return [frame.lineno for frame in tops if frame.filename == __file__]


def look(chain: DomainChain) -> None:
    """A block that comes, grows and goes: at its line, once, or not at all."""
    here = sys._getframe().f_lineno + 1
    block = alloc.malloc(chain.domain, ODD)
    if pytracemalloc.is_tracing():
        expected = [here] if "ours" in chain.called else []
        assert lines_of(ODD) == expected, (chain.domain, lines_of(ODD), expected)
    alloc.free(chain.domain, alloc.realloc(chain.domain, block, ODD + 1))
    if pytracemalloc.is_tracing():
        assert lines_of(ODD) == lines_of(ODD + 1) == [], chain.domain


def work() -> int:
    """What both see much of; half of it goes."""
    kept = [{str(i): [i, (i, float(i))]} for i in range(20_000)]
    del kept[::2]
    return len(kept)


def main(words: list[str]) -> None:
    # samples every 512 bytes or so: nearly each of those blocks is one
    collector = memalloc.MemoryCollector(16, 512, mem_domain_enabled=MEM in HOOKED)
    does = {
        "dd+": collector.start,
        "dd-": collector.stop,
        "ours+": lambda: pytracemalloc.start(5),
        "ours-": pytracemalloc.stop,
    }
    chains = [DomainChain(domain) for domain in DOMAINS]
    for chain in chains:
        chain.check_top()
    for word in words:
        does[word]()
        for chain in chains:
            chain.follow(word)
            chain.check_top()
        work()
        for chain in chains:
            look(chain)
        collector.snapshot()
    print("ok")


main(sys.argv[1:])
