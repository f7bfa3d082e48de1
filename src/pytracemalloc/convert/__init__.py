# SPDX-License-Identifier: MIT
"""A snapshot in the formats of other tools: docs/convert.md.

A format is one function that takes a Table, the Options and a binary file, and writes
as it goes. What no tool of a format can show (a metric, a grouping) is refused here,
before anything is written, and so is a metric that the snapshot does not tell. Nothing
is as long as the number of blocks, but the pickle of the standard library's, which
lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from pytracemalloc._metric import METRICS, Metric

if TYPE_CHECKING:
    from typing import IO, Protocol

    from pytracemalloc import Snapshot
    from pytracemalloc.convert._table import Table

    class Writer(Protocol):
        def __call__(self, table: Table, options: Options, file: IO[bytes]) -> None: ...


@dataclass(frozen=True)
class Options:
    """`metric` of METRICS and `by` of the format's own, or None: as the format has it.
    `title` is for people: where the snapshot came from."""

    metric: Metric | None = None
    by: str | None = None
    title: str = "snapshot"


@dataclass(frozen=True)
class Format:
    """`writer` is module:function in this package; `by` begins with the default."""

    name: str
    suffixes: tuple[str, ...]
    writer: str
    is_text: bool
    metrics: tuple[Metric, ...]
    by: tuple[str, ...] = ()


_FRAMES = ("line", "function", "file")
_ROWS = ("site", "traceback", "line", "function", "file")
_VIEWS: tuple[Metric, ...] = ("live", "peak", "allocated")

FORMATS = (
    Format("pprof", (".pb.gz", ".pprof"), "_files:write_pprof", False, _VIEWS),
    Format("pprof-raw", (".pb",), "_files:write_raw_pprof", False, _VIEWS),
    Format(
        "pickle",
        (".pickle", ".pkl", ".tracemalloc"),
        "_files:write_pickle",
        False,
        ("live", "peak"),
    ),
    Format(
        "collapsed",
        (".collapsed", ".folded", ".txt"),
        "_stacks:write_collapsed",
        True,
        METRICS,
        _FRAMES,
    ),
    Format(
        "speedscope",
        (".speedscope.json",),
        "_stacks:write_speedscope",
        True,
        METRICS,
        _FRAMES,
    ),
    Format("dhat", (".dhat.json",), "_stacks:write_dhat", True, ()),
    Format("csv", (".csv",), "_rows:write_csv", True, METRICS, _ROWS),
    Format("parquet", (".parquet",), "_rows:write_parquet", False, METRICS, _ROWS),
)


def known_suffixes() -> str:
    return ", ".join(suffix for format in FORMATS for suffix in format.suffixes)


def format_named(name: str) -> Format:
    for format in FORMATS:
        if format.name == name:
            return format
    known = ", ".join(format.name for format in FORMATS)
    raise ValueError(f"no format {name!r}: there are {known}")


def format_of_path(path: str) -> Format:
    """By the path's suffix, in any case."""
    for format in FORMATS:
        if path.lower().endswith(format.suffixes):
            return format
    raise ValueError(f"{path}: the suffix is none of {known_suffixes()}")


def check(format: Format, options: Options) -> None:
    """ValueError for what the format cannot show."""
    if options.metric is not None and options.metric not in format.metrics:
        if not format.metrics:
            raise ValueError(f"{format.name} holds all counts: leave the metric out")
        known = ", ".join(format.metrics)
        raise ValueError(f"{format.name} cannot show {options.metric}, but {known}")
    if options.by is not None and options.by not in format.by:
        if not format.by:
            raise ValueError(
                f"{format.name} holds whole stacks: leave the grouping out"
            )
        known = ", ".join(format.by)
        raise ValueError(f"{format.name} cannot group by {options.by}, but by {known}")


def load_writer(format: Format) -> Writer:
    """ValueError if the format needs a package that is not there."""
    module, _, function = format.writer.partition(":")
    if format.name == "parquet":
        try:
            import_module("pyarrow.parquet")
        except ImportError:
            raise ValueError(
                "parquet needs pyarrow: pip install 'pytracemalloc[parquet]'"
            ) from None
    writer: Writer = getattr(import_module(f"{__name__}.{module}"), function)
    return writer


def write(
    snapshot: Snapshot, format: Format, options: Options, file: IO[bytes]
) -> None:
    """Writes the snapshot to a binary file.

    Raises ValueError, before anything is written, for options that the format has not
    and for a metric that the snapshot does not tell; and what file.write() raises.
    """
    from pytracemalloc.convert._table import Table

    check(format, options)
    writer, table = load_writer(format), Table(snapshot)
    if options.metric is not None:
        table.check(options.metric)
    writer(table, options, file)
