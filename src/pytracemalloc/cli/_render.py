# SPDX-License-Identifier: MIT
"""A summary as text for people and as JSON for programs."""

from __future__ import annotations

from pytracemalloc import __version__, _text
from pytracemalloc.cli._summary import Place, Row, Sum, Summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SCHEMA = "pytracemalloc-report/1"

#: Of a long traceback the report shows this many calls; JSON has all of them.
CALLS_SHOWN = 8

#: From this width on there is room for a bar beside the share.
COLUMNS_FOR_BAR = 90
BAR_WIDTH = 10

WHEN = {"peak": "at the peak", "end": "at the end"}
STOPPED = (
    "the program stopped tracing before it ended, so there is nothing to report: see "
    "its calls of stop()"
)
CLEARED = (
    "the program dropped what was traced until then (stop() or clear_traces()); the "
    "figures cover the rest"
)


class Report:
    """The text of one report, for one width, encoding and choice of colour."""

    def __init__(
        self, width: int, style: _text.Style, paths: _text.Paths, plain: bool
    ) -> None:
        self.width = width
        self.style = style
        self.paths = paths
        self.plain = plain  # only characters of ASCII
        self.rule = "-" if plain else "─"

    def text(self, summary: Summary | None, notes: list[str]) -> str:
        lines = [self.heading()]
        if summary is None:
            lines.append(self.style.warning(STOPPED))
        else:
            lines += self.totals(summary)
            if summary.rows:
                lines += ["", *self.table(summary)]
        lines += ["", *notes] if notes else []
        return "\n".join([*lines, ""])

    def heading(self) -> str:
        right = f"{__version__}, Python {_text.python_version()}"
        left = f"{self.rule * 2} pytracemalloc "
        fill = self.width - len(left) - len(right) - 4
        tail = f" {right} {self.rule * 2}" if fill > 0 else ""
        return self.style.bold(left + self.rule * max(fill, 2) + tail)

    # -- totals ----------------------------------------------------------------------

    def totals(self, summary: Summary) -> list[str]:
        frames = _text.plural(summary.nframe, "frame")
        blocks = [_text.count_text(s.count) for s in (summary.peak, summary.end)]
        width = max(len(text) for text in blocks)
        lines = [
            self.total("Peak", summary.peak.size, f"in {blocks[0]:>{width}} blocks"),
            self.total(
                "At the end", summary.end.size, f"in {blocks[1]:>{width}} blocks"
            ),
            self.total("Tracer", summary.tracer_bytes, f"on top; {frames} per block"),
        ]
        if summary.lost.count:
            lines.append(self.lost(summary.lost))
        if summary.cleared:
            lines.append(self.style.warning(f"Note: {CLEARED}"))
        return lines

    def total(self, label: str, size: int, rest: str) -> str:
        return f"{label:<10}  {self.style.size(f'{_text.size_text(size):>10}')}  {rest}"

    def lost(self, lost: Sum) -> str:
        rest = f"in {_text.plural(lost.count, 'block')} could not be recorded"
        size = f"{_text.size_text(lost.size):>10}"
        return self.style.warning(f"{'Lost':<10}  {size}  {rest}")

    # -- the table -------------------------------------------------------------------

    def table(self, summary: Summary) -> Iterator[str]:
        columns = Columns(summary, bar=self.width >= COLUMNS_FOR_BAR and not self.plain)
        what = f"{summary.by}s" if summary.groups != 1 else summary.by
        title = f"Biggest {what} {WHEN[summary.at]}"
        yield self.style.bold(title)
        yield self.style.dim(columns.head(summary.by.upper()))
        for row in summary.rows:
            yield from self.row(columns, row, summary)
        yield self.style.dim(self.rule * (columns.width - 2))
        yield from self.cover(columns, summary)

    def row(self, columns: Columns, row: Row, summary: Summary) -> Iterator[str]:
        front = columns.row(row.size, row.count, self.style)
        indent = " " * columns.width
        room = max(self.width - columns.width, 20)
        first, *callers = row.places
        yield front + self.place(first, summary.by, room)
        source = first.source() if summary.by != "file" else ""
        if source:
            yield indent + self.style.dim(self.fit("  " + source, room))
        callers = [place for place in callers if not is_import(place)]
        for caller in callers[: CALLS_SHOWN - 1]:
            yield indent + self.place(caller, summary.by, room)
        hidden = len(callers) - (CALLS_SHOWN - 1)
        if hidden > 0:
            yield indent + self.style.dim(f"... {_text.plural(hidden, 'more call')}")

    def cover(self, columns: Columns, summary: Summary) -> Iterator[str]:
        """How much of the memory the rows above account for."""
        shown, whole = summary.shown, summary.whole
        hidden = summary.groups - len(summary.rows)
        above = _text.plural(len(summary.rows), summary.by)
        yield columns.row(shown.size, shown.count, self.style, bar=False) + above
        if hidden:
            rest = Sum(whole.size - shown.size, whole.count - shown.count)
            text = f"{hidden:,} other{'' if hidden == 1 else 's'}"
            front = columns.row(rest.size, rest.count, _text.Style(False), bar=False)
            yield self.style.dim(front + text)

    def place(self, place: Place, by: str, room: int) -> str:
        """FILE:LINE in FUNCTION; the file shortened first, then the function."""
        if by == "function":
            return self.function(place, room)
        number = f":{place.lineno}" if place.lineno else ""
        name = _text.printable(place.function or "")
        ending = f" in {name}" if name and by != "file" else ""
        least = min(room // 2, len(number) + 16)
        ending = self.fit(ending, room - least)
        path = self.paths.fit(place.filename, room - _text.cells(ending) - len(number))
        return self.style.place(path + number) + self.style.name(ending)

    def function(self, place: Place, room: int) -> str:
        name = _text.printable(place.function or "(several functions)")
        name = self.fit(name, room // 2)
        left = room - _text.cells(name) - len(str(place.lineno)) - 4
        path = self.paths.fit(place.filename, left)
        return f"{self.style.name(name)} {self.style.place(f'({path}:{place.lineno})')}"

    def fit(self, text: str, width: int) -> str:
        return _text.fit(_text.printable(text), width, "..." if self.plain else "…")


class Columns:
    """The numbers at the left of each row."""

    def __init__(self, summary: Summary, bar: bool) -> None:
        self.whole = summary.whole
        self.biggest = max((row.size for row in summary.rows), default=0)
        blocks = [row.count for row in summary.rows] + [summary.whole.count]
        self.blocks = max(6, *(len(_text.count_text(count)) for count in blocks))
        self.bar = BAR_WIDTH + 2 if bar else 0
        self.width = len(self.head(""))

    def head(self, what: str) -> str:
        numbers = (
            f"{'SIZE':>10}  {'SHARE':>6}  {'':{self.bar}}{'BLOCKS':>{self.blocks}}"
        )
        return f"{numbers}  {what}"

    def row(self, size: int, count: int, style: _text.Style, bar: bool = True) -> str:
        drawn = ""
        if bar and self.bar:
            drawn = _text.bar_text(size, self.biggest, BAR_WIDTH)
        return (
            f"{style.size(f'{_text.size_text(size):>10}')}  "
            f"{_text.share_text(size, self.whole.size):>6}  "
            f"{style.bar(_text.pad_right(drawn, self.bar))}"
            f"{_text.count_text(count):>{self.blocks}}  "
        )


def is_import(place: Place) -> bool:
    """The import system's own calls, which Python's tracebacks do not show either."""
    return place.filename.startswith("<frozen importlib")


def document(summary: Summary | None, more: dict[str, Any]) -> str:
    """The report as one JSON document; docs/report-json.md describes it."""
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "python": _text.python_version(),
        "tracing": summary is not None,
    }
    body = summary_fields(summary) if summary else {}
    return _text.json_text(head | body | more) + "\n"


def summary_fields(summary: Summary) -> dict[str, Any]:
    return {
        "cleared": summary.cleared,
        "nframe": summary.nframe,
        "peak": sum_fields(summary.peak),
        "end": sum_fields(summary.end),
        "tracer_bytes": summary.tracer_bytes,
        "lost": sum_fields(summary.lost),
        "at": summary.at,
        "by": summary.by,
        "groups": summary.groups,
        "total": sum_fields(summary.whole),
        "shown": sum_fields(summary.shown) | share(summary.shown.size, summary.whole),
        "top": [row_fields(row, summary) for row in summary.rows],
    }


def sum_fields(sum_: Sum) -> dict[str, Any]:
    return {"bytes": sum_.size, "blocks": sum_.count}


def share(size: int, whole: Sum) -> dict[str, Any]:
    return {"share": round(size / whole.size, 6) if whole.size else 0.0}


def row_fields(row: Row, summary: Summary) -> dict[str, Any]:
    fields = {"bytes": row.size, "blocks": row.count} | share(row.size, summary.whole)
    if summary.by == "traceback":
        return fields | {"traceback": [place_fields(place) for place in row.places]}
    if summary.by == "file":
        return fields | {"file": row.places[0].filename}
    return fields | place_fields(row.places[0])


def place_fields(place: Place) -> dict[str, Any]:
    return {
        "file": place.filename,
        "line": place.lineno,
        "function": place.function,
        "source": place.source(),
    }
