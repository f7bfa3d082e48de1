# SPDX-License-Identifier: MIT
"""Reports as text for people: what all of them are built of, and that of a run."""

from __future__ import annotations

from pytracemalloc import __version__, _text
from pytracemalloc.cli._summary import Place, Ranking, Row, Sum, Summary, noun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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


class Page:
    """The parts of a report, for one width, encoding and choice of colour."""

    def __init__(
        self, width: int, style: _text.Style, paths: _text.Paths, plain: bool
    ) -> None:
        self.width = width
        self.style = style
        self.paths = paths
        self.plain = plain  # only characters of ASCII
        self.rule = "-" if plain else "─"

    def heading(self, title: str = "pytracemalloc") -> str:
        right = f"{__version__}, Python {_text.python_version()}"
        left = f"{self.rule * 2} {title} "
        fill = self.width - len(left) - len(right) - 4
        tail = f" {right} {self.rule * 2}" if fill > 0 else ""
        return self.style.bold(left + self.rule * max(fill, 2) + tail)

    def wrap(self, text: str) -> list[str]:
        """In lines of the page's width, broken between words."""
        lines: list[str] = []
        for word in text.split(" "):
            if lines and _text.cells(f"{lines[-1]} {word}") <= self.width:
                lines[-1] += f" {word}"
            else:
                lines.append(self.fit(word, self.width))
        return lines

    # -- totals ----------------------------------------------------------------------

    def total(self, label: str, size: int, rest: str) -> str:
        return f"{label:<10}  {self.style.size(f'{_text.size_text(size):>10}')}  {rest}"

    def lost(self, lost: Sum) -> str:
        rest = f"in {_text.plural(lost.count, 'block')} could not be recorded"
        size = f"{_text.size_text(lost.size):>10}"
        return self.style.warning(f"{'Lost':<10}  {size}  {rest}")

    # -- the table -------------------------------------------------------------------

    def table(self, ranking: Ranking, when: str) -> Iterator[str]:
        columns = Columns(ranking, bar=self.width >= COLUMNS_FOR_BAR and not self.plain)
        what = noun(ranking.by) + ("s" if ranking.groups != 1 else "")
        yield self.style.bold(self.fit(f"Biggest {what} {when}", self.width))
        yield self.style.dim(columns.head(noun(ranking.by).upper()))
        for row in ranking.rows:
            front = columns.row(row.size, row.count, self.style)
            yield from self.row(front, columns.width, row, ranking.by)
        yield self.style.dim(self.rule * (columns.width - 2))
        yield from self.cover(columns, ranking)

    def row(self, front: str, indent_cells: int, row: Row, by: str) -> Iterator[str]:
        """What a row is about, beside its numbers and below, `indent_cells` from the
        left."""
        indent = " " * indent_cells
        room = max(self.width - indent_cells, 20)
        if not row.places:
            yield front + self.style.place(self.fit(row.name, room))
            return
        first, *callers = row.places
        yield front + self.place(first, by, room)
        source = first.source() if by != "file" else ""
        if source:
            yield indent + self.style.dim(self.fit("  " + source, room))
        callers = [place for place in callers if not is_import(place)]
        for caller in callers[: CALLS_SHOWN - 1]:
            yield indent + self.place(caller, by, room)
        hidden = len(callers) - (CALLS_SHOWN - 1)
        if hidden > 0:
            yield indent + self.style.dim(f"... {_text.plural(hidden, 'more call')}")

    def cover(self, columns: Columns, ranking: Ranking) -> Iterator[str]:
        """How much of the memory the rows above account for."""
        shown, whole = ranking.shown, ranking.whole
        hidden = ranking.groups - len(ranking.rows)
        above = _text.plural(len(ranking.rows), noun(ranking.by))
        others = f"{hidden:,} other{'' if hidden == 1 else 's'}"
        if shown is None:
            yield self.fit(f"{above}, {others}; they share blocks", self.width)
            return
        if ranking.overlap:
            above, others = f"{above} together", f"in {others} only"
        yield columns.row(shown.size, shown.count, self.style, bar=False) + above
        if hidden:
            rest = Sum(whole.size - shown.size, whole.count - shown.count)
            front = columns.row(rest.size, rest.count, _text.Style(False), bar=False)
            yield self.style.dim(front + others)

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
        name = self.fit(place.function or "(no name)", room // 2)
        number = f":{place.lineno}" if place.lineno else ""
        left = room - _text.cells(name) - len(number) - 3
        path = self.paths.fit(place.filename, left)
        return f"{self.style.name(name)} {self.style.place(f'({path}{number})')}"

    def fit(self, text: str, width: int) -> str:
        return _text.fit(_text.printable(text), width, "..." if self.plain else "…")


class Report(Page):
    """The report at the end of a run."""

    def text(self, summary: Summary | None, notes: list[str]) -> str:
        lines = [self.heading()]
        if summary is None:
            lines.append(self.style.warning(STOPPED))
        else:
            lines += self.totals(summary)
            if summary.ranking.rows:
                lines += ["", *self.table(summary.ranking, WHEN[summary.at])]
        lines += ["", *notes] if notes else []
        return "\n".join([*lines, ""])

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


class Columns:
    """The numbers at the left of each row."""

    def __init__(self, ranking: Ranking, bar: bool) -> None:
        self.whole = ranking.whole
        self.biggest = max((row.size for row in ranking.rows), default=0)
        blocks = [row.count for row in ranking.rows] + [ranking.whole.count]
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
