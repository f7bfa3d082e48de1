# SPDX-License-Identifier: MIT
"""pytracemalloc report: what snapshot files hold, added up."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

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
from pytracemalloc.cli._summary import Ranking, Sum

VERB = "report"

DESCRIPTION = """\
Reports what snapshot files hold: the lines (or files, functions, ...) with most memory.
Several files, as those of a server's processes, are added up.
"""

EPILOG = f"""\
{_snapshots.PATTERNS}
examples:
  pytracemalloc report app.pb.gz
      the lines that hold most memory
  pytracemalloc report --metric peak --by function --cumulative app.pb.gz
      the functions with most memory at the peak, what they called included
  pytracemalloc report --filter mypackage/ --exclude '*_test.py' worker-*.pb.gz
      of all workers together, what mypackage allocated
"""

#: Of these the report tells the sums, whatever it ranks.
TOTALS: dict[Metric, str] = {
    "live": "Live",
    "peak": "Peak",
    "allocated": "Allocated",
}
BY_METRIC: dict[Metric, str] = {
    "live": "by live memory",
    "peak": "by memory at the peak",
    "allocated": "by memory ever allocated",
    "freed": "by memory freed",
}
BY_PEAKS = "by memory at the peaks, an upper bound"
PEAKS = "the peaks are of different moments: their sum is an upper bound"


@dataclass(frozen=True)
class Summary:
    files: list[str]
    question: _snapshots.Question
    nframe: int
    totals: dict[Metric, Sum]  # of all blocks, filtered or not
    lost: Sum
    ranking: Ranking  # of the selected blocks


def main(arguments: list[str]) -> int:
    options = make_parser().parse_intermixed_args(arguments)
    loaded = [_snapshots.load(VERB, path) for path in options.files]
    at = _snapshots.same_view(VERB, options, loaded)
    question = _snapshots.question(VERB, options, at)
    one = loaded[0]
    if len(loaded) > 1:
        one = Snapshot.merge(snapshot.view("end") for snapshot in loaded)
    try:
        summary = summary_of(one, options.files, question)
    except (ValueError, OverflowError) as error:  # a metric not known; absurd counts
        raise CommandError(f"{VERB}: {error}") from None
    return show(document(summary) if options.json else text(summary))


def make_parser() -> _arguments.Parser:
    parser = _arguments.Parser(VERB, "[options] FILE...", DESCRIPTION, EPILOG)
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a snapshot: of run -o, of Snapshot.dump(), or a heap profile for pprof",
    )
    _snapshots.add_options(parser)
    return parser


def summary_of(
    snapshot: Snapshot, files: list[str], question: _snapshots.Question
) -> Summary:
    selected = question.selected(snapshot)
    whole = question.total(selected) if question.cumulative else None
    ranking = Ranking(question.by, question.groups(selected), question.top, whole)
    if question.cumulative:
        ranking.shown = _snapshots.covered(
            ranking.rows, question.by, selected, question.metric
        )
    question.find_lines(ranking.rows, selected)
    lost_blocks, lost_bytes = snapshot.lost
    return Summary(
        files,
        question,
        snapshot.traceback_limit,
        known_totals(snapshot),
        Sum(lost_bytes, lost_blocks),
        ranking,
    )


def known_totals(snapshot: Snapshot) -> dict[Metric, Sum]:
    """Without those that the snapshot cannot tell."""
    totals = {}
    for metric in TOTALS:
        with contextlib.suppress(ValueError):
            totals[metric] = _snapshots.total(snapshot, metric)
    return totals


# -- text ----------------------------------------------------------------------------


def text(summary: Summary) -> str:
    page = _snapshots.page()
    lines = [page.heading("pytracemalloc report"), *totals(page, summary)]
    title = what(summary) + summary.question.cumulated
    if summary.ranking.rows:
        lines += ["", *page.table(summary.ranking, title)]
    elif not summary.ranking.groups:
        lines += ["", "Nothing to show: " + nothing(summary)]
    return "\n".join([*lines, ""])


def what(summary: Summary) -> str:
    merged_peaks = summary.question.metric == "peak" and len(summary.files) > 1
    return BY_PEAKS if merged_peaks else BY_METRIC[summary.question.metric]


def nothing(summary: Summary) -> str:
    filtered = bool(summary.question.filters)
    return "no block passes the filters" if filtered else "there are no such blocks"


def totals(page: _render.Page, summary: Summary) -> list[str]:
    frames = _text.plural(summary.nframe, "frame")
    lines = page.wrap(files_text(summary.files) + f"; {frames} per block")
    counts = {m: _text.count_text(s.count) for m, s in summary.totals.items()}
    width = max(len(count) for count in counts.values())
    for metric, sum_ in summary.totals.items():
        rest = f"in {counts[metric]:>{width}} blocks"
        lines.append(page.total(TOTALS[metric], sum_.size, rest))
    if summary.lost.count:
        lines.append(page.lost(summary.lost))
    if summary.question.filters:
        lines.append(selected(page, summary, width))
    if len(summary.files) > 1:
        lines += page.wrap(f"Note: {PEAKS}")
    return lines


def selected(page: _render.Page, summary: Summary, width: int) -> str:
    """What the filters let through, of all that is counted."""
    sum_ = summary.ranking.whole
    return page.total("Selected", sum_.size, f"in {sum_.count:>{width},} blocks")


def files_text(files: list[str]) -> str:
    names = ", ".join(_text.printable(name) for name in files)
    return names if len(files) == 1 else f"{len(files)} files: {names}"


# -- JSON ----------------------------------------------------------------------------


def document(summary: Summary) -> str:
    fields: dict[str, object] = {
        "files": summary.files,
        "nframe": summary.nframe,
        **{m: _document.sum_fields(sum_) for m, sum_ in summary.totals.items()},
        "lost": _document.sum_fields(summary.lost),
        "metric": summary.question.metric,
        "upper_bound": what(summary) == BY_PEAKS,
        "cumulative": summary.question.cumulative,
        **_document.ranking_fields(summary.ranking),
    }
    return _document.document("pytracemalloc-snapshot-report/1", fields)
