# SPDX-License-Identifier: MIT
"""Formats that a snapshot can be loaded from again: profiles and pickles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from pytracemalloc import Snapshot, _file
from pytracemalloc._metric import METRIC_AT, Metric
from pytracemalloc.convert import Options
from pytracemalloc.convert._table import Table

_VIEWS = {metric: at for at, metric in METRIC_AT.items()}


def _view(table: Table, options: Options) -> Snapshot:
    if options.metric is None:
        return table.original
    return table.original.view(_VIEWS[options.metric])  # type: ignore[arg-type]


def write_pprof(table: Table, options: Options, file: IO[bytes]) -> None:
    """What Snapshot.dump() writes."""
    _file.dump(_view(table, options), file)


def write_raw_pprof(table: Table, options: Options, file: IO[bytes]) -> None:
    """The same without gzip."""
    file.write(_file.profile_bytes(_view(table, options)))


# -- the standard library's pickle ---------------------------------------------------

# Opcodes of protocol 3: see Lib/pickletools.py.
_HEAD = (
    b"\x80\x03"
    b"ctracemalloc\nSnapshot\n)\x81}("
    b"X\x06\x00\x00\x00tracesctracemalloc\n_Traces\n)\x81}"
    b"X\x07\x00\x00\x00_traces]"
)
_TAIL = b"sbX\x0f\x00\x00\x00traceback_limit%bub."
_MARK, _APPENDS, _POP, _TUPLE, _NONE = b"(", b"e", b"0", b"t", b"N"

#: Blocks per APPENDS: what an unpickler holds beside the list.
_BATCH = 1000


def _number(value: int) -> bytes:
    if value < 1 << 8:
        return b"K" + value.to_bytes(1, "little")
    if value < 1 << 16:
        return b"M" + value.to_bytes(2, "little")
    if value < 1 << 31:
        return b"J" + value.to_bytes(4, "little")
    data = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8a" + len(data).to_bytes(1, "little") + data


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + len(data).to_bytes(4, "little") + data


class _Memo:
    """Numbers what has been written, so that it can be named again."""

    def __init__(self) -> None:
        self.count = 0

    def put(self) -> tuple[bytes, bytes]:
        """The opcodes that keep the last value, and those that bring it back."""
        n = self.count
        self.count += 1
        if n < 256:
            return b"q" + n.to_bytes(1, "little"), b"h" + n.to_bytes(1, "little")
        return b"r" + n.to_bytes(4, "little"), b"j" + n.to_bytes(4, "little")


def write_pickle(table: Table, options: Options, file: IO[bytes]) -> None:
    """What tracemalloc.Snapshot.load() reads, in a Python without this package, too.

    The list has an item for each block, as theirs has: those of one site are one tuple,
    named again and again. ValueError for a snapshot that shows allocated blocks.
    """
    metric = table.the_one(options.metric)
    if metric == "allocated":
        raise ValueError(
            "a pickle lists blocks that are alive: ask for the metric live or peak"
        )
    limit = table.snapshot.traceback_limit
    if not isinstance(limit, int) or limit < 0:
        raise ValueError(f"its traceback_limit is {limit!r}, not a number of frames")
    memo = _Memo()
    file.write(_HEAD)
    frames = _write_frames(table, memo, file)
    for piece in _traces(table, metric, memo, frames):
        file.write(piece)
    file.write(_TAIL % _number(limit))


def _write_frames(table: Table, memo: _Memo, file: IO[bytes]) -> Sequence[bytes]:
    """Puts (filename, lineno) of every frame into the memo, and off the stack again."""
    files: dict[int, bytes] = {}
    lines: dict[tuple[int, int], bytes] = {}
    get: list[bytes] = []
    for name, line in zip(table.frame_file, table.frame_line, strict=True):
        known = lines.get((name, line))
        if known is None:
            text = files.get(name)
            if text is None:
                put, files[name] = memo.put()
                text = _text(table.strings[name]) + put
            put, known = memo.put()
            lines[name, line] = known
            file.write(text + _number(line) + b"\x86" + put + _POP)
        get.append(known)
    return get


def _traces(
    table: Table, metric: Metric, memo: _Memo, frames: Sequence[bytes]
) -> Iterator[bytes]:
    """The blocks of each site, in APPENDS of at most _BATCH items."""
    counts = table.site_live if metric == "live" else table.site_peak
    sites = [site for site, count in enumerate(counts) if count]
    stacks: dict[int, bytes] = {}
    paths = table.paths(map(table.site_stack.__getitem__, sites))
    for site, (stack, path) in zip(sites, paths, strict=True):
        text = stacks.get(stack)
        if text is None:
            put, stacks[stack] = memo.put()
            text = _MARK + b"".join(map(frames.__getitem__, path)) + _TUPLE + put
        kind = _number(table.site_domain[site]) + _number(table.site_size[site])
        depth = table.site_depth[site]
        tail = (_number(depth) if depth else _NONE) + _TUPLE
        put, get = memo.put()
        yield _MARK + _MARK + kind + text + tail + put
        yield from _again(get, counts[site] - 1)


def _again(get: bytes, count: int) -> Iterator[bytes]:
    """`count` times the same item, behind one that a mark and no APPENDS is before."""
    first = min(count, _BATCH - 1)
    yield get * first + _APPENDS
    batch = _MARK + get * _BATCH + _APPENDS
    whole, rest = divmod(count - first, _BATCH)
    for _ in range(whole):
        yield batch
    if rest:
        yield _MARK + get * rest + _APPENDS
