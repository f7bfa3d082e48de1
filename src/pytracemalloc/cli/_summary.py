# SPDX-License-Identifier: MIT
"""What a person wants to know first, worked out of two snapshots."""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytracemalloc import Frame, Snapshot, Traceback
    from pytracemalloc._session import Figures

KEY_TYPES = {
    "line": "lineno",
    "file": "filename",
    "function": "lineno",
    "traceback": "traceback",
}


@dataclass(frozen=True)
class Place:
    """Where memory was allocated: a line, a function, or a whole file (line 0)."""

    filename: str
    lineno: int = 0
    function: str | None = None

    def source(self) -> str:
        """The line's text; empty if it cannot be had."""
        if not self.lineno:
            return ""
        line = linecache.getline(self.filename, self.lineno)
        return (line or loaded_line(self.filename, self.lineno)).strip()


@dataclass(frozen=True)
class Row:
    size: int
    count: int
    places: tuple[Place, ...]  # most recent first; more than one in tracebacks only


@dataclass(frozen=True)
class Sum:
    size: int = 0
    count: int = 0


@dataclass(frozen=True)
class Summary:
    """`rows` are the biggest of `groups` groups, which add up to `whole`."""

    at: str
    by: str
    nframe: int
    cleared: bool
    peak: Sum
    end: Sum
    tracer_bytes: int
    lost: Sum
    whole: Sum
    groups: int
    rows: list[Row] = field(default_factory=list)

    @property
    def shown(self) -> Sum:
        return total(self.rows)


def summarise(figures: Figures, at: str, by: str, top: int) -> Summary:
    at_peak, at_end = sum_of(figures.at_peak), sum_of(figures.at_end)
    snapshot = figures.at_peak if at == "peak" else figures.at_end
    rows = rows_by(snapshot, by)
    return Summary(
        at=at,
        by=by,
        nframe=figures.nframe,
        cleared=figures.cleared,
        peak=Sum(figures.peak_bytes, at_peak.count),
        end=Sum(figures.end_bytes, at_end.count),
        tracer_bytes=figures.tracer_bytes,
        lost=Sum(figures.lost_bytes, figures.lost_blocks),
        whole=total(rows),
        groups=len(rows),
        rows=rows[:top],
    )


def total(rows: list[Row]) -> Sum:
    return Sum(sum(row.size for row in rows), sum(row.count for row in rows))


def sum_of(snapshot: Snapshot) -> Sum:
    return total(rows_by(snapshot, "file"))


def rows_by(snapshot: Snapshot, by: str) -> list[Row]:
    """All groups, the biggest first."""
    statistics = snapshot.statistics(KEY_TYPES[by])
    rows = [Row(s.size, s.count, places_of(s.traceback, by)) for s in statistics]
    return merge_functions(rows) if by == "function" else rows


def places_of(traceback: Traceback, by: str) -> tuple[Place, ...]:
    if by == "traceback":
        return tuple(place_of(frame) for frame in traceback)
    frame = traceback[0]
    return (Place(frame.filename) if by == "file" else place_of(frame),)


def place_of(frame: Frame) -> Place:
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


def loaded_line(filename: str, lineno: int) -> str:
    """A source line by the module's own loader: what was imported from a zip file."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == filename:
            return linecache.getline(filename, lineno, vars(module))
    return ""
