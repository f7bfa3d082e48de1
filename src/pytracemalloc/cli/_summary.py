# SPDX-License-Identifier: MIT
"""What a person wants to know first: the biggest rows, and what they are part of.

Runs at the end of somebody's program, so it imports as little as it can: dataclasses,
json and linecache would bring thirty modules along.
"""

from pytracemalloc import _session
from pytracemalloc.cli import _source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal

    from pytracemalloc import Frame, Snapshot, Statistic, StatisticDiff, Traceback
    from pytracemalloc._metric import Metric
    from pytracemalloc._session import Figures

    GroupBy = Literal[
        "filename", "lineno", "traceback", "function", "module", "size", "domain"
    ]

#: What --by says -> what statistics() groups by.
KEY_TYPES: "dict[str, GroupBy]" = {
    "line": "lineno",
    "file": "filename",
    "function": "function",
    "module": "module",
    "traceback": "traceback",
    "size": "size",
    "domain": "domain",
}


#: What a row is called, where --by has another word for it.
NOUNS = {"size": "block size"}


def noun(by: str) -> str:
    return NOUNS.get(by, by)


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
    """One group. `places`: the most recent first, more than one in tracebacks only;
    none where the group is no place. Then `key` is the module's name (None: in no
    module), the size in bytes (None: several) or the number of the domain."""

    def __init__(
        self,
        size: int,
        count: int,
        places: "tuple[Place, ...]",
        key: "str | int | None" = None,
        name: str = "",
    ) -> None:
        self.size = size
        self.count = count
        self.places = places
        self.key = key
        self.name = name  # of the key, for people


class DiffRow(Row):
    """A group of two snapshots: what it has in the new one, and how that differs."""

    def __init__(self, row: Row, size_diff: int, count_diff: int) -> None:
        super().__init__(row.size, row.count, row.places, row.key, row.name)
        self.size_diff = size_diff
        self.count_diff = count_diff


class Sum:
    def __init__(self, size: int = 0, count: int = 0) -> None:
        self.size = size
        self.count = count


class Ranking:
    """`rows` are the biggest of `groups` groups by `by`, which add up to `whole`.

    Where groups overlap (cumulative ones do) they add up to more; then the caller gives
    the whole, and what the rows have together (None: not known).
    """

    def __init__(
        self, by: str, rows: list[Row], top: int, whole: "Sum | None" = None
    ) -> None:
        self.by = by
        self.overlap = whole is not None
        self.whole = whole or total(rows)
        self.groups = len(rows)
        self.rows = rows[:top]
        self.shown = None if self.overlap else total(self.rows)


class Summary:
    """Of a run: the ranking at one moment, and what there was at the other."""

    def __init__(self, figures: "Figures", at: str, by: str, top: int) -> None:
        moments = [figures.at_peak, figures.at_end]
        shown, hidden = moments if at == "peak" else moments[::-1]
        rows = rows_by(shown, by)
        other = total(rows_by(hidden, "file"))
        self.at = at
        self.nframe = figures.nframe
        self.cleared = figures.cleared
        self.tracer_bytes = figures.tracer_bytes
        self.lost = Sum(figures.lost_bytes, figures.lost_blocks)
        self.ranking = Ranking(by, rows, top)
        if by == "function":
            find_lines(self.ranking.rows, shown)
        whole = self.ranking.whole
        self.peak, self.end = (whole, other)[:: 1 if at == "peak" else -1]


def total(rows: list[Row]) -> Sum:
    return Sum(sum(row.size for row in rows), sum(row.count for row in rows))


def rows_by(snapshot: "Snapshot", by: str) -> list[Row]:
    """All groups, the biggest first, without the few bytes that are our own."""
    rows = groups(snapshot, by)
    return [row for row in rows if row.places[0].filename != _session.__file__]


def groups(
    snapshot: "Snapshot",
    by: str,
    metric: "Metric | None" = None,
    cumulative: bool = False,
) -> list[Row]:
    """All groups, the biggest first. Cumulative: a block counts once per group."""
    once: Literal[False, "once"] = "once" if cumulative else False
    statistics = snapshot.statistics(KEY_TYPES[by], once, metric=metric)
    return [row_of(s, by) for s in statistics]


def differences(
    new: "Snapshot", old: "Snapshot", by: str, metric: "Metric", cumulative: bool
) -> list[DiffRow]:
    """All groups of either, the biggest change first."""
    once: Literal[False, "once"] = "once" if cumulative else False
    statistics = new.compare_to(old, KEY_TYPES[by], once, metric=metric)
    return [DiffRow(row_of(s, by), s.size_diff, s.count_diff) for s in statistics]


def row_of(statistic: "Statistic | StatisticDiff", by: str) -> Row:
    size, count, key = statistic.size, statistic.count, statistic.key
    if by in NAMES:
        return Row(size, count, (), key, NAMES[by](key))
    return Row(size, count, places_of(statistic.traceback, by))


def name_of_module(key: "str | None") -> str:
    return "(no module)" if key is None else key


def name_of_size(key: "int | None") -> str:
    return "(several sizes)" if key is None else f"{key:,} B"


def name_of_domain(key: int) -> str:
    return f"{key} (Python's allocators)" if key == 0 else str(key)


#: For the groups that are no places the text of a key.
NAMES: "dict[str, Callable[[Any], str]]" = {
    "module": name_of_module,
    "size": name_of_size,
    "domain": name_of_domain,
}


def places_of(traceback: "Traceback", by: str) -> tuple[Place, ...]:
    if by == "traceback":
        return tuple(place_of(frame) for frame in traceback)
    frame = traceback[0]
    return (Place(frame.filename) if by == "file" else place_of(frame),)


def place_of(frame: "Frame") -> Place:
    return Place(frame.filename, frame.lineno, frame.name)


def find_lines(
    rows: "Sequence[Row]",
    snapshot: "Snapshot",
    metric: "Metric | None" = None,
    cumulative: bool = False,
) -> None:
    """Gives rows of functions the biggest line of theirs, if there is one that no other
    function shares; those that have one keep it."""
    places = (row.places[0] for row in rows)
    wanted = {(p.filename, p.function): p for p in places if not p.lineno}
    for row in groups(snapshot, "line", metric, cumulative) if wanted else ():
        line = row.places[0]
        place = wanted.pop((line.filename, line.function), None)
        if place is not None:
            place.lineno = line.lineno
