# SPDX-License-Identifier: MIT
"""What a person wants to know first, worked out of two snapshots.

Runs at the end of somebody's program, so it imports as little as it can: dataclasses,
json and linecache would bring thirty modules along.
"""

from pytracemalloc import _session
from pytracemalloc.cli import _source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from pytracemalloc import Frame, Snapshot, Traceback
    from pytracemalloc._session import Figures

KEY_TYPES: "dict[str, Literal['filename', 'lineno', 'traceback']]" = {
    "line": "lineno",
    "file": "filename",
    "function": "lineno",
    "traceback": "traceback",
}


class Place:
    """Where memory was allocated: a line, a function, or a whole file (line 0)."""

    def __init__(
        self, filename: str, lineno: int = 0, function: "str | None" = None
    ) -> None:
        self.filename = filename
        self.lineno = lineno
        self.function = function

    def source(self) -> str:
        """The line's text; empty if it cannot be had."""
        return _source.line(self.filename, self.lineno, self.function or "")


class Row:
    """One group. `places`: the most recent first, more than one in tracebacks only."""

    def __init__(self, size: int, count: int, places: "tuple[Place, ...]") -> None:
        self.size = size
        self.count = count
        self.places = places


class Sum:
    def __init__(self, size: int = 0, count: int = 0) -> None:
        self.size = size
        self.count = count


class Summary:
    """`rows` are the biggest of `groups` groups, which add up to `whole`."""

    def __init__(self, figures: "Figures", at: str, by: str, top: int) -> None:
        rows = rows_by(figures.at_peak if at == "peak" else figures.at_end, by)
        other = total(
            rows_by(figures.at_end if at == "peak" else figures.at_peak, "file")
        )
        self.at = at
        self.by = by
        self.nframe = figures.nframe
        self.cleared = figures.cleared
        self.tracer_bytes = figures.tracer_bytes
        self.lost = Sum(figures.lost_bytes, figures.lost_blocks)
        self.whole = total(rows)
        self.peak, self.end = (self.whole, other)[:: 1 if at == "peak" else -1]
        self.groups = len(rows)
        self.rows = rows[:top]
        self.shown = total(self.rows)


def total(rows: list[Row]) -> Sum:
    return Sum(sum(row.size for row in rows), sum(row.count for row in rows))


def rows_by(snapshot: "Snapshot", by: str) -> list[Row]:
    """All groups, the biggest first, without the few bytes that are our own."""
    statistics = snapshot.statistics(KEY_TYPES[by])
    rows = [
        Row(s.size, s.count, places_of(s.traceback, by))
        for s in statistics
        if s.traceback[0].filename != _session.__file__
    ]
    return merge_functions(rows) if by == "function" else rows


def places_of(traceback: "Traceback", by: str) -> tuple[Place, ...]:
    if by == "traceback":
        return tuple(place_of(frame) for frame in traceback)
    frame = traceback[0]
    return (Place(frame.filename) if by == "file" else place_of(frame),)


def place_of(frame: "Frame") -> Place:
    return Place(frame.filename, frame.lineno, frame.name)


def merge_functions(rows: list[Row]) -> list[Row]:
    """Lines of one function are one row, at the function's biggest line. A line shared
    by several functions (its name is None) stays a row of its own."""
    sums: dict[tuple[object, ...], tuple[int, int, Place]] = {}
    for row in rows:
        place = row.places[0]
        shared = place.lineno if place.function is None else None
        key = (place.filename, place.function, shared)
        size, count, first = sums.get(key, (0, 0, place))
        sums[key] = (size + row.size, count + row.count, first)
    merged = [Row(size, count, (place,)) for size, count, place in sums.values()]
    return sorted(merged, key=lambda row: (row.size, row.count), reverse=True)
