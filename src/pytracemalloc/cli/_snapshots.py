# SPDX-License-Identifier: MIT
"""What `report` and `diff` are asked, and the files they are asked about."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytracemalloc import Filter, Snapshot, _output, _text
from pytracemalloc._metric import METRIC_AT, METRICS, Metric
from pytracemalloc.cli import CommandError, _arguments, _render, _summary

#: What must be asked of whole stacks makes no sense cumulated.
NOT_CUMULATIVE = ("traceback", "size", "domain")

PATTERNS = """\
A PATTERN may have the wildcards * ? [...] and is matched with what allocated:
  app.py, json/*.py, mypackage/   a file; in any folder unless it begins with / or *,
                                  one that ends in / means all below a folder
  function:fill, function:test_*  a function or method; also by its qualified name
  module:json                     a module and its submodules
"""


@dataclass(frozen=True)
class Question:
    """What to sum up, how, and which blocks to leave out."""

    by: str
    metric: Metric
    cumulative: bool
    top: int
    filters: list[Filter]

    @property
    def cumulated(self) -> str:
        """For titles."""
        return " (cumulative)" if self.cumulative else ""

    def groups(self, snapshot: Snapshot) -> list[_summary.Row]:
        return _summary.groups(snapshot, self.by, self.metric, self.cumulative)

    def differences(self, new: Snapshot, old: Snapshot) -> list[_summary.DiffRow]:
        """As compare_to() sorts them."""
        return _summary.differences(new, old, self.by, self.metric, self.cumulative)

    def find_lines(self, rows: Sequence[_summary.Row], snapshot: Snapshot) -> None:
        if self.by == "function":
            _summary.find_lines(rows, snapshot, self.metric, self.cumulative)

    def total(self, snapshot: Snapshot) -> _summary.Sum:
        return total(snapshot, self.metric)

    def selected(self, snapshot: Snapshot) -> Snapshot:
        return snapshot.filter_traces(self.filters) if self.filters else snapshot


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--by",
        choices=tuple(_summary.KEY_TYPES),
        default="line",
        help="sum by line (default), file, function, module, traceback, size of the "
        "blocks, or domain",
    )
    add(
        "--metric",
        choices=METRICS,
        help="count the blocks that were alive at the end (live) or at the peak, all "
        "that were allocated, or those that were freed (default: what the snapshot "
        "was taken to show)",
    )
    add(
        "--cumulative",
        action="store_true",
        help="count a block for every line, file, ... of its stack, once for each",
    )
    add(
        "--filter",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only blocks that match PATTERN, or another --filter",
    )
    add(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="without the blocks that match PATTERN",
    )
    add(
        "--all-frames",
        action="store_true",
        help="a pattern may match any frame of a block's stack, not only the most "
        "recent one",
    )
    _arguments.add_top(parser)
    add("--json", action="store_true", help="report as one JSON document")


def question(verb: str, options: argparse.Namespace, at: str) -> Question:
    if options.cumulative and options.by in NOT_CUMULATIVE:
        raise CommandError(
            f"{verb}: --cumulative goes with --by line, file, function and module, not "
            f"with {options.by}"
        )
    return Question(
        options.by,
        options.metric or METRIC_AT[at],
        options.cumulative,
        options.top,
        filters(options),
    )


def total(snapshot: Snapshot, metric: Metric) -> _summary.Sum:
    return _summary.total(_summary.groups(snapshot, "file", metric))


# -- patterns ------------------------------------------------------------------------


def filters(options: argparse.Namespace) -> list[Filter]:
    return [
        filter_of(inclusive, text, options.all_frames)
        for inclusive, texts in ((True, options.filter), (False, options.exclude))
        for text in texts
    ]


def filter_of(inclusive: bool, text: str, all_frames: bool) -> Filter:
    kind, colon, name = text.partition(":")
    if colon and kind == "function":
        names = [name, f"*.{name}"]
        return Filter(inclusive, all_frames=all_frames, function=names)
    if colon and kind == "module":
        names = [name, f"{name}.*"]
        return Filter(inclusive, all_frames=all_frames, module=names)
    return Filter(inclusive, file_patterns(text), all_frames=all_frames)


def file_patterns(text: str) -> list[str]:
    """What Filter is to match for a file of the command line."""
    text = text.removeprefix("./")
    if text.endswith("/"):
        text += "*"
    return [text] if text.startswith(("/", "*", "<")) else [text, f"*/{text}"]


# -- what rows that share blocks cover together --------------------------------------


def covered(
    rows: Sequence[_summary.Row], by: str, snapshot: Snapshot, metric: Metric
) -> _summary.Sum | None:
    """All blocks under any of the rows, each counted once; None where a row has no name
    to be found by."""
    found = [row_filter(row, by) for row in rows]
    filters = [each for each in found if each is not None]
    if not filters or len(filters) < len(found):
        return None
    return total(snapshot.filter_traces(filters), metric)


def row_filter(row: _summary.Row, by: str) -> Filter | None:
    """What matches the blocks of a cumulative row."""
    if by == "module":
        if row.key is None:
            return None
        return Filter(True, all_frames=True, module=literal(str(row.key)))
    place = row.places[0]
    file = literal(place.filename)
    if by != "function":
        return Filter(True, file, place.lineno or None, all_frames=True)
    if place.function is None:
        return None
    name = literal(place.function)
    return Filter(True, file, all_frames=True, function=name)


def literal(name: str) -> str:
    """A pattern that matches this name only."""
    return re.sub(r"([*?[])", r"[\1]", name)


# -- files ---------------------------------------------------------------------------


def load(verb: str, path: str) -> Snapshot:
    """The snapshot in a file; CommandError says why there is none."""
    try:
        return Snapshot.load(path)
    except IsADirectoryError:
        problem = f"{path!r} is a folder: name a snapshot file in it"
    except OSError as error:
        problem = f"cannot open {path!r}: {error.strerror}; check the name"
    except ValueError as error:
        problem = f"{error}; give a file that run -o or Snapshot.dump() has written"
    except MemoryError:
        problem = f"no memory to load {path!r}"
    raise CommandError(f"{verb}: {problem}")


def same_view(verb: str, options: argparse.Namespace, loaded: list[Snapshot]) -> str:
    """What all of them show; without --metric they must agree."""
    views = {snapshot.at for snapshot in loaded}
    if len(views) > 1 and not options.metric:
        shown = " and ".join(sorted(METRIC_AT[view] for view in views))
        raise CommandError(
            f"{verb}: the files show different blocks ({shown}): choose with --metric"
        )
    return loaded[0].at


# -- the page ------------------------------------------------------------------------


def page() -> _render.Page:
    """For stdout."""
    plain = not _text.can_encode(_text.encoding_of_stdout())
    return _render.Page(
        width=_text.columns(1),
        style=_text.Style(_text.wants_colour(1)),
        paths=_text.Paths(_output.here() or "/", "..." if plain else "…"),
        plain=plain,
    )
