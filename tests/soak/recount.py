# SPDX-License-Identifier: MIT
"""What must be true at rest, whatever happened before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import blocks
import interps

import pytracemalloc as tracer

#: Between two questions Python allocates a little for itself.
SLACK_BYTES = 20_000
SLACK_BLOCKS = 200


def difference(found: Counter[blocks.Key], held: Counter[blocks.Key]) -> str:
    more, less = found - held, held - found
    return f"found and not held: {dict(more)}, held and not found: {dict(less)}"


def sums(traces: Sequence[tracer.Trace]) -> tuple[int, int]:
    least = min((trace.size for trace in traces), default=0)
    assert least >= 0, f"a block of {least} bytes"
    return len(traces), sum(trace.size for trace in traces)


def known_blocks(traces: Sequence[tracer.Trace], held: Counter[blocks.Key]) -> None:
    found = blocks.found_in(traces)
    assert found == held, difference(found, held)


def of_interpreters(traces: Sequence[tracer.Trace], names: Sequence[str]) -> None:
    found: Counter[str] = Counter()
    for trace in traces:
        frame = trace.traceback[0]
        if trace.size == interps.SIZE and frame.lineno == interps.LINE:
            found[frame.filename] += 1
    held = dict.fromkeys(names, interps.HELD)
    assert found == held, f"interpreters hold {held}, found {dict(found)}"


def totals(snapshot: tracer.Snapshot, size: int, count: int) -> None:
    """A recount of the blocks against the books, as they were just before."""
    n, total = sums(snapshot.traces)
    assert abs(total - size) < SLACK_BYTES, f"blocks of {total} bytes, booked {size}"
    assert abs(n - count) < SLACK_BLOCKS, f"{n} blocks, booked {count}"
    statistics = snapshot.statistics("lineno")
    by_line = sum(s.count for s in statistics), sum(s.size for s in statistics)
    assert by_line == (n, total), f"by line {by_line}, recounted {(n, total)}"
    wrong = [s for s in statistics if s.count <= 0 or s.size < 0]
    assert not wrong, f"not more than nothing: {wrong}"


def peak() -> None:
    """What was alive at the peak adds up to it."""
    spike = bytes(2 * tracer.get_traced_memory()[1] + 5_000_000)
    del spike  # so nothing that is done here makes a new peak
    traces = tracer.take_snapshot(at="peak").traces
    most, blocks_then = tracer.get_traced_memory()[1], tracer.get_traced_blocks()[1]
    n, total = sums(traces)
    booked = (blocks_then, most)
    assert (n, total) == booked, f"alive at the peak {(n, total)}, booked {booked}"


def objects(some: Sequence[blocks.Block]) -> None:
    for block in some:
        if block.domain is None and block.key is not None:
            frame = tracer.get_object_traceback(block.held)[0]
            assert frame.lineno == block.key[0], (frame, block.key)


def everything(held: Counter[blocks.Key], names: Sequence[str]) -> None:
    assert tracer.is_tracing()
    size, count = tracer.get_traced_memory()[0], tracer.get_traced_blocks()[0]
    snapshot = tracer.take_snapshot()
    known_blocks(snapshot.traces, held)
    of_interpreters(snapshot.traces, names)
    totals(snapshot, size, count)
    peak()
    assert tracer.get_lost() == (0, 0), f"lost {tracer.get_lost()}"


def can_fail(held: Counter[blocks.Key]) -> None:
    """A ledger with one block too many is noticed."""
    key = next(iter(held))
    try:
        known_blocks(tracer.take_snapshot().traces, held + Counter([key]))
    except AssertionError:
        return
    raise AssertionError("the recount does not notice a block too many")
