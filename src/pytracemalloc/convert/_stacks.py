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
from pytracemalloc.convert._table import BLOCKS, BYTES, Sums, Table
from pytracemalloc.convert._text import frame_texts, one_line, text_of

SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
DHAT_VERSION = 2

#: What DHAT's viewer says before "at {" and the frames, by what the totals are.
VERBS: dict[Metric, str] = {
    "live": "In use, allocated",
    "peak": "In use at the peak, allocated",
    "allocated": "Allocated",
}

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
    weigh = BYTES[table.the_one(options.metric)]
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
    metrics = (options.metric,) if options.metric else table.told
    active = metrics.index(table.the_first(options.metric))
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

    Of a snapshot that does not tell all three metrics the viewer gets one, as totals.
    """
    all_told = len(table.told) == len(VERBS)
    metric = "allocated" if all_told else table.the_first(None)
    blocks = BLOCKS[metric]
    fields = (("tb", BYTES[metric]), ("tbk", blocks), *(_MOMENTS if all_told else ()))
    groups = table.by_stack()
    stacks = {stack: sums for stack, sums in groups.items() if all_told or blocks(sums)}
    head = {
        "dhatFileVersion": DHAT_VERSION,
        "mode": "pytracemalloc",
        "verb": VERBS[metric],
        "bklt": all_told,
        "bkacc": False,
        "tu": "allocs",
        "Mtu": "Mallocs",
        "cmd": options.title,
        "pid": 0,
        "te": sum(map(blocks, stacks.values())),
        **(_TIMES if all_told else {}),
    }
    texts = frame_texts(table, range(len(table.frame_file)), "line")
    with text_of(file) as out:
        out.write(json.dumps(head, separators=(",", ":"))[:-1])
        out.write(',\n"pps":[\n')
        _write_all(out, _program_points(table, stacks, fields))
        out.write('],\n"ftbl":[\n')
        _write_all(out, map(json.dumps, ["[root]", *texts]))
        out.write("]}\n")


#: When the peak was, and how long a block lives that the viewer calls short-lived.
_TIMES = {"tg": 0, "tuth": 0}

_Fields = Sequence[tuple[str, Callable[[Sums], int]]]

#: What a program point has beside its totals and its frames.
_MOMENTS: _Fields = (
    ("tl", lambda sums: 0),
    ("mb", lambda sums: max(sums.peak_bytes, sums.live_bytes)),
    ("mbk", lambda sums: max(sums.peak, sums.live)),
    ("gb", BYTES["peak"]),
    ("gbk", BLOCKS["peak"]),
    ("eb", BYTES["live"]),
    ("ebk", BLOCKS["live"]),
)


def _program_points(
    table: Table, stacks: dict[int, Sums], fields: _Fields
) -> Iterator[str]:
    digits = [str(i + 1) for i in range(len(table.frame_file))]
    for stack, path in table.paths(stacks):
        sums = stacks[stack]
        counts = ",".join(f'"{name}":{count(sums)}' for name, count in fields)
        yield f'{{{counts},"fs":[{",".join(map(digits.__getitem__, path))}]}}'
