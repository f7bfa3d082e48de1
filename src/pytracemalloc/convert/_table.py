# SPDX-License-Identifier: MIT
"""A snapshot's sites, stacks and frames as columns, and sums over them.

Ids are places in the columns. Counts are in blocks, sizes in bytes. The frames of a
stack are read from the snapshot some stacks at a time, most recent first.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TypeVar

from pytracemalloc import Snapshot, _core
from pytracemalloc._metric import METRIC_AT, METRICS, Metric

#: How many frames of stacks are held at a time.
FRAMES_AT_ONCE = 1 << 18

_NO_NAME = 2**32 - 1
_Key = TypeVar("_Key", bound=Hashable)


class Sums:
    """What a group of sites adds up to: blocks and bytes of each metric."""

    __slots__ = (
        "live",
        "live_bytes",
        "peak",
        "peak_bytes",
        "allocated",
        "allocated_bytes",
        "freed",
        "freed_bytes",
    )

    def __init__(self) -> None:
        self.live = self.live_bytes = 0
        self.peak = self.peak_bytes = 0
        self.allocated = self.allocated_bytes = 0
        self.freed = self.freed_bytes = 0

    def add(self, other: Sums) -> None:
        self.live += other.live
        self.live_bytes += other.live_bytes
        self.peak += other.peak
        self.peak_bytes += other.peak_bytes
        self.allocated += other.allocated
        self.allocated_bytes += other.allocated_bytes
        self.freed += other.freed
        self.freed_bytes += other.freed_bytes


#: metric -> blocks, bytes
BLOCKS: dict[Metric, Callable[[Sums], int]] = {m: attrgetter(m) for m in METRICS}
BYTES: dict[Metric, Callable[[Sums], int]] = {
    m: attrgetter(f"{m}_bytes") for m in METRICS
}


class Table:
    """The columns of a snapshot.

    What a file says nothing of is made up in them: `told` are the metrics that are not.
    `metric`, what the snapshot itself shows, need not be one of these.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot.view(snapshot.at)  # columns, also where it was a list
        self.original = snapshot
        self.metric = METRIC_AT[snapshot.at]
        self.told = tuple(filter(self.tells, METRIC_AT.values()))
        columns = _core._columns_of_snapshot(self.snapshot)

        def numbers(column: bytes, code: str) -> memoryview[int]:
            return memoryview(column).cast(code)  # type: ignore[call-overload,no-any-return]

        self.strings = columns["strings"]
        self.frame_file = numbers(columns["frame_file"], "I")
        self.frame_name = numbers(columns["frame_name"], "I")
        self.frame_line = numbers(columns["frame_line"], "i")
        self.stack_frame = numbers(columns["stack_frame"], "I")
        self.stack_nframe = numbers(columns["stack_nframe"], "I")
        self.site_stack = numbers(columns["site_stack"], "I")
        self.site_size = numbers(columns["site_size"], "Q")
        self.site_domain = numbers(columns["site_domain"], "I")
        self.site_depth = numbers(columns["site_depth"], "I")
        self.site_folded = numbers(columns["site_folded"], "I")
        self.site_live = numbers(columns["site_live"], "Q")
        self.site_peak = numbers(columns["site_peak"], "Q")
        self.site_allocated = numbers(columns["site_allocated"], "Q")
        self.site_allocated_bytes = numbers(columns["site_allocated_bytes"], "Q")

    # -- metrics --

    def check(self, metric: Metric) -> None:
        """ValueError if the snapshot does not tell it."""
        self.snapshot.statistics("domain", limit=0, metric=metric)

    def tells(self, metric: Metric) -> bool:
        try:
            self.check(metric)
        except ValueError:
            return False
        return True

    def the_one(self, wanted: Metric | None) -> Metric:
        """What is wanted, or else what the snapshot shows; ValueError as in check()."""
        metric = wanted or self.metric
        self.check(metric)
        return metric

    def the_first(self, wanted: Metric | None) -> Metric:
        """Of a format that shows all that is told: if the snapshot does not tell what
        it shows, what it does tell."""
        if wanted or self.metric in self.told or not self.told:
            return self.the_one(wanted)
        return self.told[0]

    # -- frames --

    def file(self, frame: int) -> str:
        return self.strings[self.frame_file[frame]]

    def function(self, frame: int) -> str | None:
        name = self.frame_name[frame]
        return None if name == _NO_NAME else self.strings[name]

    def group_frames(self, by: str) -> tuple[Sequence[int], Sequence[int]]:
        """(group of each frame, a frame of each group), by line, function or file.

        Frames that differ in their names alone are groups of their own by line.
        """
        n = len(self.frame_file)
        if by == "line":
            return range(n), range(n)
        groups: dict[tuple[int, int], int] = {}
        first: list[int] = []
        group_of = array("I")
        for frame, (file, name) in enumerate(
            zip(self.frame_file, self.frame_name, strict=True)
        ):
            key = (file, name if by == "function" else 0)
            group = groups.setdefault(key, len(first))
            if group == len(first):
                first.append(frame)
            group_of.append(group)
        return group_of, first

    # -- stacks --

    def paths(self, stacks: Iterable[int]) -> Iterator[tuple[int, Sequence[int]]]:
        """Each stack with its frames, most recent first."""
        batch = array("I")
        n_frames = 0
        for stack in stacks:
            n = self.stack_nframe[stack]
            if n_frames + n > FRAMES_AT_ONCE and batch:
                yield from self._paths_at_once(batch)
                batch, n_frames = array("I"), 0
            batch.append(stack)
            n_frames += n
        yield from self._paths_at_once(batch)

    def _paths_at_once(self, stacks: array[int]) -> Iterator[tuple[int, Sequence[int]]]:
        frames = array("I", _core._frames_of_stacks(self.snapshot, stacks.tobytes()))
        at = 0
        for stack in stacks:
            end = at + self.stack_nframe[stack]
            yield stack, frames[at:end]
            at = end

    # -- sums --

    def sums(self, keys: Iterable[_Key]) -> dict[_Key, Sums]:
        """The sites added up by the key of each; groups in the order of their sites."""
        groups: dict[_Key, Sums] = {}
        columns = zip(
            keys,
            self.site_size,
            self.site_live,
            self.site_peak,
            self.site_allocated,
            self.site_allocated_bytes,
            strict=True,
        )
        for key, size, live, peak, allocated, allocated_bytes in columns:
            sums = groups.get(key)
            if sums is None:
                sums = groups[key] = Sums()
            live_bytes = live * size
            sums.live += live
            sums.live_bytes += live_bytes
            sums.peak += peak
            sums.peak_bytes += peak * size
            sums.allocated += allocated
            sums.allocated_bytes += allocated_bytes
            # A file may say anything: of no site were less than no blocks freed.
            sums.freed += max(0, allocated - live)
            sums.freed_bytes += max(0, allocated_bytes - live_bytes)
        return groups

    def by_stack(self) -> dict[int, Sums]:
        return self.sums(self.site_stack)

    def by_path(self, by: str) -> dict[bytes, Sums]:
        """By stacks of groups of frames: native 32-bit numbers, most recent first.

        By file, frames of one file that call each other are one.
        """
        group_of, _ = self.group_frames(by)
        merged: dict[bytes, Sums] = {}
        stacks = self.by_stack()
        for stack, path in self.paths(stacks):
            groups = array("I", map(group_of.__getitem__, path))
            if by == "file":
                groups = array("I", without_repeats(groups))
            merged.setdefault(groups.tobytes(), Sums()).add(stacks[stack])
        return merged

    def stacks(self, by: str) -> Iterator[tuple[Sequence[int], Sums]]:
        """Distinct stacks of groups of frames, most recent first, with their sums."""
        if by == "line":
            stacks = self.by_stack()
            for stack, path in self.paths(stacks):
                yield path, stacks[stack]
        else:
            for key, sums in self.by_path(by).items():
                yield array("I", key), sums


def without_repeats(path: Iterable[int]) -> Iterator[int]:
    last = -1
    for group in path:
        if group != last:
            yield group
        last = group
