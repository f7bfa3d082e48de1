# SPDX-License-Identifier: MIT
"""Random snapshots and filters: the stdlib face does as the standard library.

The same list of raw traces goes to both; what comes out must be the same, in the same
order.
"""

from __future__ import annotations

import itertools
import pickle
import random
import tracemalloc as theirs

import pytest

import pytracemalloc as main
from pytracemalloc import stdlib as ours

FILES = ["a.py", "b.py", "ab.pyc", "dir/a.pyo", "é\udcff.py", "<unknown>", "", "A.py"]
PATTERNS = ["*", "a.py", "?.py", "*.pyc", "dir/*", "[ab]*", "é*", "<unknown>", "", "a"]
FILTERS = 40


def random_traces(rng):
    frames = [(rng.choice(FILES), rng.randrange(4)) for _ in range(12)]
    stacks = [
        tuple(rng.choice(frames) for _ in range(rng.choice((1, 1, 2, 3, 9))))
        for _ in range(15)
    ]
    sizes = [rng.randrange(5), rng.randrange(5000), 1 << rng.randrange(50)]
    return [
        (
            rng.choice((0, 0, 0, 1, 5)),
            rng.choice(sizes),
            rng.choice(stacks),
            rng.choice((None, 1, 9)),
        )
        for _ in range(rng.choice((0, 1, 5, 60)))
    ]


def random_filters(rng, module):
    filters = []
    for _ in range(rng.randrange(4)):
        inclusive = rng.random() < 0.5
        domain = rng.choice((None, None, 0, 1))
        if rng.random() < 0.2:
            filters.append(module.DomainFilter(inclusive, domain))
            continue
        pattern, line = rng.choice(PATTERNS), rng.choice((None, None, 0, 1, 2))
        all_frames = rng.random() < 0.5
        filters.append(module.Filter(inclusive, pattern, line, all_frames, domain))
    return filters


QUESTIONS = (
    ("filename", False),
    ("lineno", False),
    ("traceback", False),
    ("filename", True),
    ("lineno", True),
)


def grouped(one, two):
    """All groupings of two snapshots and of their differences, both ways."""
    for key, cumulative in QUESTIONS:
        for snapshot, old in ((one, two), (two, one), (one, one)):
            yield snapshot.statistics(key, cumulative)
            differences = snapshot.compare_to(old, key, cumulative)
            yield differences
            yield [str(difference) for difference in differences]
            yield [difference._sort_key() for difference in differences]
        groups = one._group_by(key, cumulative)
        yield sorted(groups.values(), key=repr)
        yield all(
            groups[statistic.traceback] is statistic for statistic in groups.values()
        )


def everything(module, seed):
    """All that can be asked of two random snapshots, as text."""
    rng = random.Random(seed)
    one = module.Snapshot(random_traces(rng), 9)
    two = module.Snapshot(random_traces(rng), 9)
    answers = list(grouped(one, two))
    for _ in range(FILTERS):
        kept = one.filter_traces(random_filters(rng, module))
        answers.append(kept.traces._traces)
        answers.append(kept.statistics("lineno", True))
        answers.append(two.compare_to(kept, "traceback"))
    return [repr(answer) for answer in answers]


@pytest.mark.parametrize("seed", range(30))
def test_as_the_standard_library(seed):
    assert everything(ours, seed) == everything(theirs, seed)


def every_single_filter(module, seed):
    """Each filter of these patterns and numbers, alone and trace by trace."""
    traces = random_traces(random.Random(seed))
    snapshot = module.Snapshot(traces, 9)
    for arguments in itertools.product(
        (True, False), PATTERNS, (None, 0, 1, 3), (False, True), (None, 0, 5)
    ):
        filter = module.Filter(*arguments)
        yield snapshot.filter_traces([filter]).traces._traces
        yield [filter._match(trace) for trace in traces[:5]]
    for inclusive, domain in itertools.product((True, False), (0, 1, 5, 9, None)):
        filter = module.DomainFilter(inclusive, domain)
        yield snapshot.filter_traces([filter]).traces._traces


@pytest.mark.parametrize("seed", [1, 6])
def test_every_filter_as_the_standard_library(seed):
    assert len(random_traces(random.Random(seed))) == 60
    for our, their in zip(
        every_single_filter(ours, seed), every_single_filter(theirs, seed), strict=True
    ):
        assert our == their


def test_empty_snapshots_as_the_standard_library():
    def answers(module):
        empty, other = (
            module.Snapshot([], 1),
            module.Snapshot([(0, 3, (("a", 1),), 1)], 1),
        )
        yield from grouped(empty, other)
        yield from grouped(empty, empty)
        for filters in (
            [],
            [module.Filter(True, "*")],
            [module.DomainFilter(False, 0)],
        ):
            yield empty.filter_traces(filters).traces._traces
            yield from grouped(other.filter_traces(filters), other)

    assert list(map(repr, answers(ours))) == list(map(repr, answers(theirs)))


@pytest.mark.parametrize("seed", range(15))
def test_main_counts_the_same(seed):
    """The other order of frames: groups have the same sums."""

    def groups(module):
        rng = random.Random(seed)
        one = module.Snapshot(random_traces(rng), 9)
        two = module.Snapshot(random_traces(rng), 9)
        return {
            (key, frozenset((f.filename, f.lineno) for f in d.traceback)): (
                (d.size, d.size_diff, d.count, d.count_diff)
            )
            for key in ("filename", "lineno")
            for d in two.compare_to(one, key, True)
        }

    assert groups(main) == groups(theirs)


@pytest.mark.parametrize("seed", range(15))
def test_main_statistics_are_sorted(seed):
    rng = random.Random(seed)
    snapshot = main.Snapshot(random_traces(rng), 9)
    other = main.Snapshot(random_traces(rng), 9)
    for key in ("filename", "lineno", "traceback"):
        for found in (snapshot.statistics(key), other.compare_to(snapshot, key)):
            by_key = sorted(found, key=type(found[0])._sort_key) if found else []
            assert found == by_key[::-1]


@pytest.mark.parametrize("seed", range(15))
def test_main_comes_back(seed, tmp_path):
    snapshot = main.Snapshot(random_traces(random.Random(seed)), 9)
    snapshot.dump(tmp_path / "s")
    loaded = main.Snapshot.load(tmp_path / "s")
    assert loaded.traces == snapshot.traces
    assert pickle.loads(pickle.dumps(loaded)).traces == snapshot.traces
    for key in ("filename", "lineno", "traceback"):
        assert loaded.statistics(key) == snapshot.statistics(key)
