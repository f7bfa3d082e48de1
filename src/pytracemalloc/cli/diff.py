# SPDX-License-Identifier: MIT
"""pytracemalloc diff: what grew and what shrank from one snapshot file to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pytracemalloc import Snapshot, _text
from pytracemalloc._metric import Metric
from pytracemalloc.cli import (
    CommandError,
    _arguments,
    _document,
    _render,
    _snapshots,
    show,
)
from pytracemalloc.cli._summary import DiffRow, Sum, noun

VERB = "diff"

DESCRIPTION = """\
Tells what grew and what shrank from one snapshot file to another, the biggest change
first.
"""

EPILOG = f"""\
{_snapshots.PATTERNS}
examples:
  pytracemalloc diff before.pb.gz after.pb.gz
      the lines that changed most
  pytracemalloc diff --by traceback --filter mypackage/ before.pb.gz after.pb.gz
      how mypackage came to what it allocated
"""

BY_METRIC: dict[Metric, str] = {
    "live": "in live memory",
    "peak": "in memory at the peak",
    "allocated": "in memory ever allocated",
    "freed": "in memory freed",
}

#: From this width on there is room for the old size, too.
COLUMNS_FOR_OLD = 80


@dataclass(frozen=True)
class Side:
    """One of the two snapshots, as far as the filters let it through."""

    file: str
    whole: Sum
    lost: Sum


@dataclass(frozen=True)
class Summary:
    question: _snapshots.Question
    old: Side
    new: Side
    rows: list[DiffRow]  # the biggest changes
    changed: Sum  # of all groups that changed: differences
    n_changed: int
    n_unchanged: int


def main(arguments: list[str]) -> int:
    options = make_parser().parse_intermixed_args(arguments)
    old, new = (_snapshots.load(VERB, path) for path in (options.old, options.new))
    at = _snapshots.same_view(VERB, options, [old, new])
    question = _snapshots.question(VERB, options, at)
    try:
        summary = summary_of(question, (options.old, old), (options.new, new))
    except (ValueError, OverflowError) as error:  # a metric not known; absurd counts
        raise CommandError(f"{VERB}: {error}") from None
    return show(document(summary) if options.json else text(summary))


def make_parser() -> _arguments.Parser:
    parser = _arguments.Parser(VERB, "[options] OLD NEW", DESCRIPTION, EPILOG)
    parser.add_argument("old", metavar="OLD", help="the snapshot to compare with")
    parser.add_argument("new", metavar="NEW", help="the snapshot of later")
    _snapshots.add_options(parser)
    return parser


def summary_of(
    question: _snapshots.Question, old: tuple[str, Snapshot], new: tuple[str, Snapshot]
) -> Summary:
    before, after = question.selected(old[1]), question.selected(new[1])
    rows = question.differences(after, before)
    changed = [row for row in rows if row.size_diff or row.count_diff]
    shown = changed[: question.top]
    for snapshot in (after, before):  # what is gone has its line in the old one
        question.find_lines(shown, snapshot)
    return Summary(
        question,
        old=side_of(old[0], before, question),
        new=side_of(new[0], after, question),
        rows=shown,
        changed=differences(changed),
        n_changed=len(changed),
        n_unchanged=len(rows) - len(changed),
    )


def side_of(file: str, snapshot: Snapshot, question: _snapshots.Question) -> Side:
    blocks, size = snapshot.lost
    return Side(file, question.total(snapshot), Sum(size, blocks))


def differences(rows: list[DiffRow]) -> Sum:
    return Sum(sum(r.size_diff for r in rows), sum(r.count_diff for r in rows))


def sum_of(new: Sum, old: Sum) -> Sum:
    return Sum(new.size - old.size, new.count - old.count)


# -- text ----------------------------------------------------------------------------


def text(summary: Summary) -> str:
    page = _snapshots.page()
    lines = [page.heading("pytracemalloc diff"), *totals(page, summary)]
    if summary.rows:
        lines += ["", *table(page, summary)]
    elif not summary.n_changed:
        lines += ["", f"No {noun(summary.question.by)} changed."]
    return "\n".join([*lines, ""])


def totals(page: _render.Page, summary: Summary) -> list[str]:
    old, new = summary.old, summary.new
    counts = [_text.count_text(side.whole.count) for side in (old, new)]
    change = sum_of(new.whole, old.whole)
    counts.append(f"{change.count:+,}")
    width = max(len(count) for count in counts)
    lines = []
    for label, side, count in (("Old", old, counts[0]), ("New", new, counts[1])):
        front = page.total(label, side.whole.size, f"in {count:>{width}} blocks  ")
        room = page.width - 33 - width
        lines.append(front + page.paths.fit(side.file, max(room, 10)))
    size = _text.signed_size_text(change.size)
    lines.append(f"{'Change':<9}  {size:>11}  in {counts[2]:>{width}} blocks")
    lines += [page.lost(side.lost) for side in (old, new) if side.lost.count]
    return lines


class Columns:
    """The numbers at the left of each row."""

    def __init__(self, summary: Summary, width: int) -> None:
        counts = [row.count_diff for row in summary.rows] + [summary.changed.count]
        self.blocks = max(6, *(len(f"{count:+,}") for count in counts))
        self.old = width >= COLUMNS_FOR_OLD
        self.width = len(self.head(""))

    def head(self, what: str) -> str:
        old = f"{'OLD':>10}  " if self.old else ""
        return f"{'CHANGE':>11}  {old}{'NEW':>10}  {'BLOCKS':>{self.blocks}}  {what}"

    def row(self, row: DiffRow, style: _text.Style) -> str:
        sizes = [row.size - row.size_diff, row.size] if self.old else [row.size]
        shown = "".join(f"{_text.size_text(size):>10}  " for size in sizes)
        return self.change(row.size_diff, style) + shown + self.count(row.count_diff)

    def sums(self, change: Sum, style: _text.Style) -> str:
        gap = " " * (24 if self.old else 12)
        return self.change(change.size, style) + gap + self.count(change.count)

    def change(self, size: int, style: _text.Style) -> str:
        text = f"{_text.signed_size_text(size):>11}  "
        return style.grew(text) if size > 0 else style.shrank(text)

    def count(self, count: int) -> str:
        return f"{count:>+{self.blocks},}  "


def table(page: _render.Page, summary: Summary) -> Iterator[str]:
    question, style = summary.question, page.style
    what = noun(question.by)
    columns = Columns(summary, page.width)
    title = f"{what.capitalize()}s that changed most {BY_METRIC[question.metric]}"
    yield style.bold(page.fit(title + question.cumulated, page.width))
    yield style.dim(columns.head(what.upper()))
    for row in summary.rows:
        yield from page.row(columns.row(row, style), columns.width, row, question.by)
    yield style.dim(page.rule * (columns.width - 2))
    yield from cover(page, columns, summary)


def cover(page: _render.Page, columns: Columns, summary: Summary) -> Iterator[str]:
    """How much of the change the rows above account for."""
    question, n_shown = summary.question, len(summary.rows)
    n_others = summary.n_changed - n_shown
    if question.cumulative:
        changed = _text.plural(summary.n_changed, noun(question.by))
        yield page.fit(f"{n_shown:,} of {changed}; they share blocks", page.width)
    else:
        shown = differences(summary.rows)
        above = _text.plural(n_shown, noun(question.by))
        yield columns.sums(shown, page.style) + above
        if n_others:
            rest = columns.sums(sum_of(summary.changed, shown), _text.Style(False))
            others = f"{n_others:,} other{'' if n_others == 1 else 's'}"
            yield page.style.dim(rest + others)
    if summary.n_unchanged:
        yield page.style.dim(f"{' ' * columns.width}{summary.n_unchanged:,} unchanged")


# -- JSON ----------------------------------------------------------------------------


def document(summary: Summary) -> str:
    question = summary.question
    change = sum_of(summary.new.whole, summary.old.whole)
    fields = {
        "old": side_fields(summary.old),
        "new": side_fields(summary.new),
        "change": _document.sum_fields(change),
        "metric": question.metric,
        "cumulative": question.cumulative,
        "by": question.by,
        "changed": summary.n_changed,
        "unchanged": summary.n_unchanged,
        "top": [row_fields(row, question.by) for row in summary.rows],
    }
    return _document.document("pytracemalloc-diff/1", fields)


def side_fields(side: Side) -> dict[str, Any]:
    return {
        "file": side.file,
        **_document.sum_fields(side.whole),
        "lost": _document.sum_fields(side.lost),
    }


def row_fields(row: DiffRow, by: str) -> dict[str, Any]:
    old = Sum(row.size - row.size_diff, row.count - row.count_diff)
    return {
        "change": _document.sum_fields(Sum(row.size_diff, row.count_diff)),
        "old": _document.sum_fields(old),
        "new": _document.sum_fields(Sum(row.size, row.count)),
        **_document.subject_fields(row, by),
    }
