# SPDX-License-Identifier: MIT
"""Formats of stacks with a weight: collapsed, speedscope's, and DHAT's.

Each stack is written once, with all its block sizes added up. The order of stacks is
that of the snapshot's sites.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from pytracemalloc import __version__
from pytracemalloc._metric import Metric
from pytracemalloc.convert import Options
from pytracemalloc.convert._table import BYTES, Sums, Table
from pytracemalloc.convert._text import frame_texts, one_line, text_of

SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
DHAT_VERSION = 2

#: The profiles of a speedscope file, by metric.
PROFILES: dict[Metric, str] = {
    "live": "in use",
    "peak": "peak",
    "allocated": "allocated",
    "freed": "freed",
}


def write_collapsed(table: Table, options: Options, file: IO[bytes]) -> None:
    """A line per stack: frames from the oldest on, by semicolons, and bytes."""
    by = options.by or "line"
    _, frames = table.group_frames(by)
    texts = [one_line(text) for text in frame_texts(table, frames, by)]
    weigh = BYTES[options.metric or table.metric]
    with text_of(file) as out:
        for path, sums in table.stacks(by):
            weight = weigh(sums)
            if weight:
                stack = ";".join(map(texts.__getitem__, reversed(path)))
                out.write(f"{stack} {weight}\n")


# -- speedscope ----------------------------------------------------------------------


def write_speedscope(table: Table, options: Options, file: IO[bytes]) -> None:
    """A sampled profile for each metric; the one the snapshot shows is in front."""
    by = options.by or "line"
    metrics: list[Metric] = ["live", "peak", "allocated"]
    if options.metric:
        metrics = [options.metric]
    active = 0 if options.metric else metrics.index(table.metric)
    with text_of(file) as out:
        out.write(f'{{"$schema":{json.dumps(SPEEDSCOPE_SCHEMA)},\n')
        out.write(f'"exporter":"pytracemalloc {__version__}",\n')
        out.write(f'"name":{json.dumps(options.title)},\n')
        out.write(f'"activeProfileIndex":{active},\n')
        out.write('"shared":{"frames":[\n')
        _write_all(out, map(json.dumps, _speedscope_frames(table, by)))
        out.write(']},\n"profiles":[\n')
        for i, metric in enumerate(metrics):
            out.write(",\n" if i else "")
            _write_profile(out, table, by, metric)
        out.write("]}\n")


def _write_all(out: IO[str], items: Iterable[str]) -> None:
    separator = ""
    for item in items:
        out.write(separator + item)
        separator = ",\n"


def _speedscope_frames(table: Table, by: str) -> Iterator[dict[str, object]]:
    _, frames = table.group_frames(by)
    for frame in frames:
        name = None if by == "file" else table.function(frame)
        found: dict[str, object] = {"name": name or table.file(frame)}
        found["file"] = table.file(frame)
        if by == "line" and table.frame_line[frame] > 0:
            found["line"] = table.frame_line[frame]
        yield found


def _write_profile(out: IO[str], table: Table, by: str, metric: Metric) -> None:
    """Samples first, as they come; their weights are kept for what follows them."""
    weigh = BYTES[metric]
    weights: list[int] = []
    _, frames = table.group_frames(by)
    digits = [str(i) for i in range(len(frames))]

    def samples() -> Iterator[str]:
        for path, sums in table.stacks(by):
            weight = weigh(sums)
            if weight:
                weights.append(weight)
                yield f"[{','.join(map(digits.__getitem__, reversed(path)))}]"

    out.write(f'{{"type":"sampled","name":"{PROFILES[metric]}","unit":"bytes",\n')
    out.write('"samples":[\n')
    _write_all(out, samples())
    out.write('],\n"weights":[\n')
    _write_all(out, map(str, weights))
    out.write(f'],\n"startValue":0,"endValue":{sum(weights)}}}')


# -- DHAT ----------------------------------------------------------------------------


def write_dhat(table: Table, options: Options, file: IO[bytes]) -> None:
    """A program point per stack, for valgrind's dh_view.html.

    Times are counted in allocations: the end is how many there were. When the peak
    was, and how long blocks lived, is not known, and 0. The most that a program point
    had at one time (mb, mbk) is not known either: it is told as the greater of what it
    had at the peak and at the end.
    """
    stacks = table.by_stack()
    head = {
        "dhatFileVersion": DHAT_VERSION,
        "mode": "pytracemalloc",
        "verb": "Allocated",
        "bklt": True,
        "bkacc": False,
        "tu": "allocs",
        "Mtu": "Mallocs",
        "tuth": 0,
        "cmd": options.title,
        "pid": 0,
        "te": sum(sums.allocated for sums in stacks.values()),
        "tg": 0,
    }
    texts = frame_texts(table, range(len(table.frame_file)), "line")
    with text_of(file) as out:
        out.write(json.dumps(head, separators=(",", ":"))[:-1])
        out.write(',\n"pps":[\n')
        _write_all(out, _program_points(table, stacks))
        out.write('],\n"ftbl":[\n')
        _write_all(out, map(json.dumps, ["[root]", *texts]))
        out.write("]}\n")


#: The fields of a program point but for its frames.
_POINT: tuple[tuple[str, Callable[[Sums], int]], ...] = (
    ("tb", lambda sums: sums.allocated_bytes),
    ("tbk", lambda sums: sums.allocated),
    ("tl", lambda sums: 0),
    ("mb", lambda sums: max(sums.peak_bytes, sums.live_bytes)),
    ("mbk", lambda sums: max(sums.peak, sums.live)),
    ("gb", lambda sums: sums.peak_bytes),
    ("gbk", lambda sums: sums.peak),
    ("eb", lambda sums: sums.live_bytes),
    ("ebk", lambda sums: sums.live),
)


def _program_points(table: Table, stacks: dict[int, Sums]) -> Iterator[str]:
    digits = [str(i + 1) for i in range(len(table.frame_file))]
    for stack, path in table.paths(stacks):
        yield _program_point(stacks[stack], digits, path)


def _program_point(sums: Sums, digits: Sequence[str], path: Sequence[int]) -> str:
    fields = ",".join(f'"{name}":{count(sums)}' for name, count in _POINT)
    return f'{{{fields},"fs":[{",".join(map(digits.__getitem__, path))}]}}'
