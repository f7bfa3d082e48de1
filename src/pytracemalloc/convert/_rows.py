# SPDX-License-Identifier: MIT
"""Formats of rows: CSV and Parquet.

A row is a site (a stack with one block size), a traceback, or what the most recent
frames of stacks have in common: a line, a function or a file. Sums are those of
Snapshot.statistics(). Rows come from the biggest to the smallest.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import IO, Any

from pytracemalloc._metric import Metric
from pytracemalloc.convert import Options
from pytracemalloc.convert._table import BLOCKS, BYTES, Sums, Table
from pytracemalloc.convert._text import frame_texts, one_line, text_of

#: The columns in front of the sums, by what a row is; `stack` comes after them.
PLACES = {
    "site": ("filename", "lineno", "function", "block_size", "domain", "depth"),
    "traceback": ("filename", "lineno", "function"),
    "line": ("filename", "lineno"),
    "function": ("filename", "function"),
    "file": ("filename",),
}
ROWS_AT_ONCE = 10_000
_INT64_MAX = 2**63 - 1

Row = tuple[Any, ...]


def columns(by: str, metrics: Iterable[Metric]) -> tuple[str, ...]:
    sums = [f"{metric}_{unit}" for metric in metrics for unit in ("blocks", "bytes")]
    stack = ("stack",) if by in ("site", "traceback") else ()
    return (*PLACES[by], *sums, *stack)


def rows(table: Table, options: Options) -> Iterator[Row]:
    """Tuples in the order of columns(by, table.told); what is not known is None, a
    stack is a list of frames in words from the oldest on."""
    by = options.by or "site"
    ranking = Ranking(table.the_first(options.metric), options.metric is not None)
    if by == "site":
        return _sites(table, ranking)
    if by == "traceback":
        return _tracebacks(table, ranking)
    return _places(table, ranking, by)


@dataclass(frozen=True)
class Ranking:
    """By which metric, and whether groups that have no block of it are left out."""

    metric: Metric
    only_these: bool

    def biggest_first(self, groups: dict[Any, Sums]) -> dict[Any, Sums]:
        size, count = BYTES[self.metric], BLOCKS[self.metric]
        order = sorted(
            groups.items(), key=lambda item: (-size(item[1]), -count(item[1]))
        )
        return {key: s for key, s in order if count(s) or not self.only_these}


def _values_of(table: Table) -> Callable[[Sums], Row]:
    return attrgetter(*(name for m in table.told for name in (m, f"{m}_bytes")))


def _top(table: Table, stack: int) -> Row:
    frame = table.stack_frame[stack]
    return table.file(frame), table.frame_line[frame], table.function(frame)


def _sites(table: Table, ranking: Ranking) -> Iterator[Row]:
    values = _values_of(table)
    texts = frame_texts(table, range(len(table.frame_file)), "line")
    keys = zip(
        table.site_stack,
        table.site_size,
        table.site_domain,
        table.site_depth,
        table.site_folded,
        strict=True,
    )
    order = ranking.biggest_first(table.sums(keys))
    paths = table.paths(key[0] for key in order)
    for (key, sums), (stack, path) in zip(order.items(), paths, strict=True):
        _, size, domain, depth, folded = key
        kind = (None if folded else size, domain, depth or None)
        frames = [texts[frame] for frame in reversed(path)]
        yield (*_top(table, stack), *kind, *values(sums), frames)


def _tracebacks(table: Table, ranking: Ranking) -> Iterator[Row]:
    """Stacks that differ in function names alone are one traceback, as in the API."""
    values = _values_of(table)
    texts = frame_texts(table, range(len(table.frame_file)), "line")
    line_of = _line_keys(table)
    stacks = table.by_stack()
    merged: dict[bytes, Sums] = {}
    first: dict[bytes, int] = {}
    for stack, path in table.paths(stacks):
        key = array("I", map(line_of.__getitem__, path)).tobytes()
        merged.setdefault(key, Sums()).add(stacks[stack])
        first.setdefault(key, stack)
    order = ranking.biggest_first(merged)
    paths = table.paths(first[key] for key in order)
    for sums, (stack, path) in zip(order.values(), paths, strict=True):
        frames = [texts[frame] for frame in reversed(path)]
        yield (*_top(table, stack), *values(sums), frames)


def _line_keys(table: Table) -> array[int]:
    """Of each frame the first one of its file and line."""
    first: dict[tuple[int, int], int] = {}
    pairs = zip(table.frame_file, table.frame_line, strict=True)
    return array("I", (first.setdefault(key, i) for i, key in enumerate(pairs)))


def _places(table: Table, ranking: Ranking, by: str) -> Iterator[Row]:
    values = _values_of(table)

    def key(stack: int) -> Row:
        file, line, function = _top(table, stack)
        return {"line": (file, line), "function": (file, function), "file": (file,)}[by]

    groups = table.sums(map(key, table.site_stack))
    for place, sums in ranking.biggest_first(groups).items():
        yield (*place, *values(sums))


# -- CSV -----------------------------------------------------------------------------


def write_csv(table: Table, options: Options, file: IO[bytes]) -> None:
    """A heading and a line per row; None is empty, stacks are as in collapsed ones."""
    found = rows(table, options)
    with text_of(file) as out:
        writer = csv.writer(out, lineterminator="\n")
        names = columns(options.by or "site", table.told)
        writer.writerow(names)
        for row in found:
            if names[-1] == "stack":
                row = (*row[:-1], ";".join(map(one_line, row[-1])))
            writer.writerow(row)


# -- Parquet -------------------------------------------------------------------------


def write_parquet(table: Table, options: Options, file: IO[bytes]) -> None:
    """Row groups of ROWS_AT_ONCE rows; strings are dictionaries, stacks are lists."""
    import pyarrow.parquet

    found = rows(table, options)
    schema = arrow_schema(columns(options.by or "site", table.told))
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        batch: list[Row] = []
        for row in found:
            batch.append(row)
            if len(batch) == ROWS_AT_ONCE:
                writer.write_batch(arrow_batch(batch, schema))
                batch = []
        writer.write_batch(arrow_batch(batch, schema))


def arrow_schema(names: Iterable[str]) -> Any:
    import pyarrow

    types = {
        "filename": pyarrow.string(),
        "function": pyarrow.string(),
        "lineno": pyarrow.int32(),
        "domain": pyarrow.uint32(),
        "depth": pyarrow.uint32(),
        "stack": pyarrow.list_(pyarrow.string()),
    }
    return pyarrow.schema([(name, types.get(name, pyarrow.int64())) for name in names])


def arrow_batch(batch: list[Row], schema: Any) -> Any:
    import pyarrow

    values = list(zip(*batch, strict=True)) or [()] * len(schema)
    arrays = [
        pyarrow.array([_arrow_value(value) for value in column], field.type)
        for column, field in zip(values, schema, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=schema)


def _arrow_value(value: Any) -> Any:
    """Strings as UTF-8, numbers as far as 64 bits go."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_arrow_value(item) for item in value]
    return value if value is None else min(value, _INT64_MAX)
