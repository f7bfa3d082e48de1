# SPDX-License-Identifier: MIT
"""statistics() and compare_to() of the main face against a slow model of plain dicts.

The snapshots are made up site by site; the model asks the same questions of the list
of sites.
"""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from pytracemalloc import DomainFilter, StatisticDiff, Traceback, _core

OF_FRAMES = ("filename", "lineno", "function", "module")
GROUP_BY = (*OF_FRAMES, "traceback", "size", "domain")
METRICS = ("live", "peak", "allocated", "freed")
VIEWS = {"end": "live", "peak": "peak", "allocated": "allocated"}

FILES = ["a.py", "dir/b.py", "b.pyc", "", "<unknown>", "é\udcff.py", "🐍.py"]
NAMES = [None, "f", "C.f", "<module>", "g.<locals>.f", ""]
MODULES = [None, "a", "pkg.b", "pkg", "ü"]


class Site(NamedTuple):
    """See the fixture snapshot_of."""

    frames: tuple[tuple[str, str | None, int], ...]
    size: int
    domain: int
    live: int
    peak: int
    allocated: int


class Made(NamedTuple):
    sites: list[Site]
    modules: dict[str, str | None]


frames = st.tuples(st.sampled_from(FILES), st.sampled_from(NAMES), st.integers(0, 2))
counts = st.integers(0, 3)
sites = st.builds(
    Site,
    st.lists(frames, min_size=1, max_size=5).map(tuple),
    st.sampled_from([0, 1, 8, 64, 1 << 40]),
    st.sampled_from([0, 0, 0, 3]),
    counts,
    counts,
    counts,
)
mades = st.builds(
    Made,
    st.lists(sites, max_size=12),
    st.fixed_dictionaries({file: st.sampled_from(MODULES) for file in FILES}),
)
thorough = settings(max_examples=120, deadline=None, derandomize=True, database=None)

# -- the model -----------------------------------------------------------------------


def count_of(site: Site, metric: str) -> int:
    if metric == "freed":
        return max(site.allocated - site.live, 0)
    return int(getattr(site, metric))


def key_of_frame(made: Made, frame: tuple[str, str | None, int], group_by: str) -> Any:
    file, name, line = frame
    return {
        "filename": file,
        "lineno": (file, line),
        "function": (file, name),
        "module": made.modules[file],
    }[group_by]


def keys_of_site(made: Made, site: Site, group_by: str, cumulative: Any) -> list[Any]:
    if group_by == "traceback":
        return [tuple((file, line) for file, _, line in site.frames)]
    if group_by not in OF_FRAMES:
        return [getattr(site, group_by)]
    keys = [key_of_frame(made, frame, group_by) for frame in site.frames]
    if cumulative == "once":
        return list(dict.fromkeys(keys))
    return keys if cumulative else keys[:1]


def order_of(key: Any, group_by: str) -> Any:
    """What is not known comes before everything that is."""
    if group_by == "function":
        return (key[0], key[1] is not None, key[1] or "")
    if group_by == "module":
        return (key is not None, key or "")
    return key


def frames_of(key: Any, group_by: str) -> tuple[tuple[str, int], ...]:
    if group_by == "traceback":
        return key
    frame = {
        "filename": lambda: (key, 0),
        "lineno": lambda: key,
        "function": lambda: (key[0], 0),
        "module": lambda: ("<unknown>" if key is None else key, 0),
        "size": lambda: ("<1 byte>" if key == 1 else f"<{key} bytes>", 0),
        "domain": lambda: (f"<domain {key}>", 0),
    }[group_by]()
    return (frame,)


def sums(made: Made, group_by: str, cumulative: Any, metric: str) -> dict[Any, Any]:
    groups: dict[Any, list[int]] = {}
    for site in made.sites:
        count = count_of(site, metric)
        for key in keys_of_site(made, site, group_by, cumulative) if count else ():
            group = groups.setdefault(key, [0, 0])
            group[0] += count * site.size
            group[1] += count
    return groups


def expected_statistics(made: Made, *question: Any) -> list[Any]:
    group_by = question[0]
    rows = [(key, *group) for key, group in sums(made, *question).items()]
    rows.sort(key=lambda row: (*row[1:], order_of(row[0], group_by)), reverse=True)
    return [(key, frames_of(key, group_by), *numbers) for key, *numbers in rows]


def expected_differences(new: Made, old: Made, *question: Any) -> list[Any]:
    group_by = question[0]
    of_new, of_old = sums(new, *question), sums(old, *question)
    rows = []
    for key in of_new | of_old:
        size, count = of_new.get(key, (0, 0))
        old_size, old_count = of_old.get(key, (0, 0))
        rows.append((key, size, size - old_size, count, count - old_count))
    rows.sort(
        key=lambda r: (abs(r[2]), r[1], abs(r[4]), r[3], order_of(r[0], group_by)),
        reverse=True,
    )
    return [(key, frames_of(key, group_by), *numbers) for key, *numbers in rows]


def raw_frames(traceback: Traceback) -> tuple[tuple[str, int], ...]:
    return tuple((frame.filename, frame.lineno) for frame in traceback)


def shown(statistic: Any) -> tuple[Any, ...]:
    key = statistic.key
    if isinstance(key, Traceback):
        assert key is statistic.traceback
        key = raw_frames(key)
    numbers = [statistic.size, statistic.count]
    if isinstance(statistic, StatisticDiff):
        numbers[1:] = [statistic.size_diff, statistic.count, statistic.count_diff]
    return (key, raw_frames(statistic.traceback), *numbers)


def questions() -> list[tuple[str, Any, str]]:
    modes = {key: (False, True, "once") for key in OF_FRAMES}
    return [
        (group_by, cumulative, metric)
        for group_by in GROUP_BY
        for cumulative in modes.get(group_by, (False,))
        for metric in METRICS
    ]


# -- grouping ------------------------------------------------------------------------


@thorough
@given(mades, st.integers(0, 9))
def test_statistics_are_the_models(snapshot_of, made, limit):
    snapshot = snapshot_of(*made)
    for group_by, cumulative, metric in questions():
        found = snapshot.statistics(group_by, cumulative, metric=metric)
        expected = expected_statistics(made, group_by, cumulative, metric)
        assert [shown(statistic) for statistic in found] == expected
        first = snapshot.statistics(group_by, cumulative, metric=metric, limit=limit)
        assert first == found[:limit]
        assert [s.key for s in first] == [s.key for s in found[:limit]]
        if group_by == "function":
            for statistic in found:
                assert statistic.traceback[0].name == statistic.key[1]


@thorough
@given(mades, mades, st.integers(0, 9))
def test_differences_are_the_models(snapshot_of, new, old, limit):
    ours, theirs = snapshot_of(*new), snapshot_of(*old)
    for group_by, cumulative, metric in questions():
        arguments = (theirs, group_by, cumulative)
        found = ours.compare_to(*arguments, metric=metric)
        expected = expected_differences(new, old, group_by, cumulative, metric)
        assert [shown(difference) for difference in found] == expected
        first = ours.compare_to(*arguments, metric=metric, limit=limit)
        assert [shown(difference) for difference in first] == expected[:limit]


@thorough
@given(mades)
def test_without_a_metric_the_view_counts(snapshot_of, made):
    snapshot = snapshot_of(*made)
    for (at, metric), group_by in itertools.product(VIEWS.items(), GROUP_BY):
        seen = snapshot.view(at)
        assert seen.statistics(group_by) == snapshot.statistics(group_by, metric=metric)
        other = seen.statistics(group_by, metric="freed")
        assert other == snapshot.statistics(group_by, metric="freed")


@thorough
@given(mades)
def test_traces_say_the_same(snapshot_of, made):
    """Blocks one by one: what a view's traces are is what its statistics count."""
    snapshot = snapshot_of(*made)
    for at, group_by in itertools.product(VIEWS, OF_FRAMES):
        groups: dict[Any, list[int]] = {}
        for trace in snapshot.view(at).traces:
            frame = trace.traceback[0]
            raw = (frame.filename, frame.name, frame.lineno)
            group = groups.setdefault(key_of_frame(made, raw, group_by), [0, 0])
            group[0] += trace.size
            group[1] += 1
        found = snapshot.view(at).statistics(group_by)
        assert {s.key: [s.size, s.count] for s in found} == groups


@thorough
@given(mades)
def test_files_and_pickles_keep_the_answers(snapshot_of, made):
    snapshot = snapshot_of(*made)
    profile = _core._profile_of_snapshot(snapshot, b"{}")
    others = (
        _core._snapshot_of_profile(profile)[0],
        pickle.loads(pickle.dumps(snapshot)),
        copy.deepcopy(snapshot),
        snapshot.filter_traces([DomainFilter(False, 77)]),
    )
    for group_by, cumulative, metric in questions():
        found = snapshot.statistics(group_by, cumulative, metric=metric)
        for other in others:
            again = other.statistics(group_by, cumulative, metric=metric)
            assert list(map(shown, again)) == list(map(shown, found))
