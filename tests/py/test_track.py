# SPDX-License-Identifier: MIT
"""Blocks that C code tells of by PyTraceMalloc_Track, in domains of their own."""

from __future__ import annotations

import random
import sys
import tracemalloc as core
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pytracemalloc
from pytracemalloc import stdlib

ext = pytest.importorskip("ptm_testtrack", reason="built by `make test` only")

DONE, NO_MEMORY, OFF = 0, -1, -2
PLACE = 0x7000_0000_0000
DOMAINS = (0, 1, 5, 65_535, 65_536, 389_047, 2**32 - 1)


@pytest.fixture(autouse=True)
def core_is_off() -> Iterator[None]:
    yield
    core.stop()


def here(steps: int = 0) -> tuple[str, int]:
    """The line of the caller, or `steps` after it."""
    return __file__, sys._getframe(1).f_lineno + steps


def tracked(domain: int | None = None) -> list[Any]:
    """The traces of a domain; None: of all but 0."""
    traces = pytracemalloc.take_snapshot().traces
    return [t for t in traces if (t.domain == domain if domain else t.domain)]


def first_frame(trace: Any) -> tuple[str, int]:
    return trace.traceback[0].filename, trace.traceback[0].lineno


def test_answers_are_those_of_core() -> None:
    assert ext.track(5, PLACE, 10) == ext.untrack(5, PLACE) == OFF
    assert ext.track_detached(5, PLACE, 10) == ext.untrack_detached(5, PLACE) == OFF
    pytracemalloc.start()
    assert ext.track(5, PLACE, 10) == ext.untrack(5, PLACE) == DONE
    assert ext.untrack(5, PLACE) == ext.untrack(6, 0) == DONE
    pytracemalloc.stop()
    assert ext.track(5, PLACE, 10) == ext.untrack(5, PLACE) == OFF
    pytracemalloc.start()
    assert tracked() == []


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(
    "how", ["track", "track_detached", "track_by_pointer", "track_looked_up"]
)
def test_a_block_is_there_with_its_line_until_it_is_untracked(
    how: str, domain: int
) -> None:
    pytracemalloc.start(2)
    assert getattr(ext, how)(domain, PLACE, 123_457) == DONE
    place = here(-1)
    (trace,) = (t for t in pytracemalloc.take_snapshot().traces if t.size == 123_457)
    assert (trace.domain, len(trace.traceback), first_frame(trace)) == (
        domain,
        2,
        place,
    )
    assert ext.untrack(domain, PLACE) == DONE
    sizes = [t.size for t in pytracemalloc.take_snapshot().traces]
    assert 123_457 not in sizes


@pytest.mark.parametrize("domain", [0, 9])
@pytest.mark.parametrize("place", [PLACE, PLACE + 3, 1 << 60])
def test_tracking_again_replaces(domain: int, place: int) -> None:
    pytracemalloc.start()
    sizes = (1_000_003, 2_000_003, 500_009)
    before = pytracemalloc.get_traced_memory()[0]
    for size in sizes:
        assert ext.track(domain, place, size) == DONE
    line = here(-1)
    now, peak = pytracemalloc.get_traced_memory()
    assert 500_009 <= now - before < 510_000
    assert 2_000_003 <= peak - before < 2_010_000
    (trace,) = (t for t in pytracemalloc.take_snapshot().traces if t.size in sizes)
    assert (trace.size, first_frame(trace)) == (500_009, line)
    ext.untrack(domain, place)
    assert pytracemalloc.get_traced_memory()[0] - before < 10_000


def test_one_address_in_several_domains() -> None:
    pytracemalloc.start()
    for i, domain in enumerate(DOMAINS):
        assert ext.track(domain, PLACE, 1_000_000 + i) == DONE
    snapshot = pytracemalloc.take_snapshot()
    found = {t.domain: t.size for t in snapshot.traces if t.size >= 1_000_000}
    assert found == {domain: 1_000_000 + i for i, domain in enumerate(DOMAINS)}
    ext.untrack(5, PLACE)
    assert {t.domain for t in tracked()} == set(DOMAINS) - {0, 5}


def test_domain_0_is_the_one_of_python_s_allocators() -> None:
    """As in core: an object's block that is tracked again is one block."""
    pytracemalloc.start()
    kept = object()
    assert ext.track(0, id(kept), 1_000_003) == DONE
    line = here(-1)
    tb = pytracemalloc.get_object_traceback(kept)
    assert (tb[0].filename, tb[0].lineno) == line
    before = pytracemalloc.get_traced_memory()[0]
    del kept
    assert before - pytracemalloc.get_traced_memory()[0] > 900_000


@pytest.mark.parametrize("detached", [False, True])
def test_places_within_blocks_of_python_s_allocators(detached: bool) -> None:
    """They are blocks of their own: the others around them stay as they are."""
    alloc = pytest.importorskip("ptm_testalloc", reason="built by `make test` only")
    track, untrack = (
        (ext.track_detached, ext.untrack_detached)
        if detached
        else (ext.track, ext.untrack)
    )
    pytracemalloc.start()
    blocks = [alloc.malloc(1, 208) for _ in range(300)]
    of_blocks = [t.size for t in pytracemalloc.take_snapshot().traces].count(208)
    for block in blocks:
        for offset in 16, 64, 192:
            assert track(0, block + offset, 1_000_003) == DONE
    sizes = Counter(t.size for t in pytracemalloc.take_snapshot().traces)
    assert (sizes[1_000_003], sizes[208]) == (3 * len(blocks), of_blocks)
    assert all(ext.get_traceback(0, block + 64) for block in blocks)
    for block in blocks:
        for offset in 16, 64, 192:
            assert untrack(0, block + offset) == DONE
            assert ext.get_traceback(0, block + offset) is None
        alloc.free(1, block)
    sizes = Counter(t.size for t in pytracemalloc.take_snapshot().traces)
    assert sizes[1_000_003] == 0
    assert sizes[208] <= of_blocks - len(blocks)


def test_an_object_that_core_s_api_untracks() -> None:
    pytracemalloc.start()
    kept = object()
    assert ext.untrack(0, id(kept)) == DONE
    assert pytracemalloc.get_object_traceback(kept) is None
    before = pytracemalloc.get_traced_blocks()[0]
    del kept
    assert pytracemalloc.get_traced_blocks()[0] >= before


def test_get_traceback_of_the_c_api() -> None:
    assert ext.get_traceback(5, PLACE) is None
    pytracemalloc.start(2)
    ext.track(5, PLACE, 10)
    line = here(-1)
    frames = ext.get_traceback(5, PLACE)
    assert (len(frames), frames[0]) == (2, line)
    assert ext.get_traceback(6, PLACE) is None
    kept = object()
    assert ext.get_traceback(0, id(kept))[0] == here(-1)
    ext.untrack(5, PLACE)
    assert ext.get_traceback(5, PLACE) is None


def test_sums_and_questions() -> None:
    pytracemalloc.start()
    before = pytracemalloc.get_traced_memory()[0]
    for i in range(10):
        ext.track(70_000, PLACE + i, 1_000_000)
    ext.track(5, PLACE, 7)
    now, peak = pytracemalloc.get_traced_memory()
    assert 10_000_007 <= now - before < 10_010_000
    for i in range(10):
        ext.untrack(70_000, PLACE + i)
    at_peak = pytracemalloc.take_snapshot(at="peak")
    assert sum(t.size for t in at_peak.traces) == pytracemalloc.get_traced_memory()[1]
    groups = {s.key: (s.size, s.count) for s in at_peak.statistics("domain")}
    assert groups[70_000] == (10_000_000, 10)
    assert groups[5] == (7, 1)
    only = at_peak.filter_traces([pytracemalloc.DomainFilter(True, 70_000)])
    assert [(s.size, s.count) for s in only.statistics("lineno")] == [(10_000_000, 10)]
    rest = at_peak.filter_traces([pytracemalloc.DomainFilter(False, 70_000)])
    assert {t.domain for t in rest.traces} == {0, 5}
    ever = at_peak.view("allocated").statistics("domain")
    assert {s.key: s.size for s in ever if s.key} == {70_000: 10_000_000, 5: 7}


def test_clear_and_reset() -> None:
    pytracemalloc.start()
    ext.track(70_000, PLACE, 1_000_000)
    ext.untrack(70_000, PLACE)
    pytracemalloc.reset_peak()
    assert pytracemalloc.get_traced_memory()[1] < 1_000_000
    ext.track(70_000, PLACE, 1_000_000)
    pytracemalloc.clear_traces()
    assert tracked() == []
    before = pytracemalloc.get_traced_memory()[0]
    ext.untrack(70_000, PLACE)
    assert pytracemalloc.get_traced_memory()[0] >= before
    ext.track(70_001, PLACE, 1_000_000)
    assert [t.domain for t in tracked()] == [70_001]


def test_files_keep_the_domain(tmp_path: Any) -> None:
    pytracemalloc.start()
    ext.track(2**32 - 1, PLACE, 1_000_003)
    snapshot = pytracemalloc.take_snapshot()
    snapshot.dump(tmp_path / "a.pb.gz")
    loaded = pytracemalloc.Snapshot.load(tmp_path / "a.pb.gz")
    (trace,) = (t for t in loaded.traces if t.size == 1_000_003)
    assert trace.domain == 2**32 - 1


def test_without_memory_nothing_changes() -> None:
    pytracemalloc.start()
    ext.track(5, PLACE, 1_000)
    refused = 0
    for i in range(2, 200_000):
        pytracemalloc._core._fail_after(0)
        answer = ext.track(5, PLACE + i, 2_000)
        again = ext.track(5, PLACE, 1_000)
        pytracemalloc._core._fail_after(-1)
        assert answer in (DONE, NO_MEMORY)
        assert again in (DONE, NO_MEMORY)
        refused += answer == NO_MEMORY
        if refused == 3:
            break
    assert refused == 3
    assert pytracemalloc.get_lost()[0] >= 3
    sizes = Counter(t.size for t in tracked(5))
    assert sizes == {1_000: 1, 2_000: i - 1 - 3}


def test_both_tracers_count() -> None:
    """What core's own tracer has is what it has without ours."""
    core.start()
    pytracemalloc.start()
    ext.track(5, PLACE, 1_000_003)
    line = here(-1)
    assert [first_frame(t) for t in tracked(5)] == [line]
    cores = [t for t in core.take_snapshot().traces if t.domain == 5]
    assert [(t.size, t.traceback[-1].lineno) for t in cores] == [(1_000_003, line[1])]
    pytracemalloc.stop()
    assert ext.track(5, PLACE + 16, 7) == DONE
    assert ext.get_traceback(5, PLACE + 16)[0] == here(-1)
    assert ext.untrack(5, PLACE) == DONE
    pytracemalloc.start()
    assert ext.untrack(5, PLACE + 16) == DONE
    assert not [t for t in core.take_snapshot().traces if t.domain == 5]
    core.stop()
    assert ext.track(5, PLACE, 8) == DONE
    assert [t.size for t in tracked()] == [8]


def test_core_hears_of_detached_callers_too() -> None:
    pytracemalloc.start()
    core.start()
    assert ext.track_detached(5, PLACE, 9) == DONE
    assert [t.size for t in core.take_snapshot().traces if t.domain == 5] == [9]
    assert ext.untrack_detached(5, PLACE) == DONE
    assert not [t for t in core.take_snapshot().traces if t.domain == 5]


LATE_CORE = """
import sys
sys.path.append(sys.argv[1])
import ptm_testtrack as ext
assert "_tracemalloc" not in sys.modules
import tracemalloc as core
core.start()
answer = ext.track_detached(5, 4096, 9)
print(answer, [t.size for t in core.take_snapshot().traces if t.domain == 5])
"""


def test_core_that_is_made_after_our_start_hears_of_detached_callers(
    children: Any,
) -> None:
    """Until 3.12.8 and 3.13.1 core is made when its module is imported."""
    place = Path(ext.__file__).parent
    done = children.python("-c", LATE_CORE, place, env={"PYTRACEMALLOC": "1"})
    assert (done.stdout, done.stderr) == ("0 [9]\n", "")


@pytest.mark.parametrize("seed", range(5))
def test_random_calls_against_core(seed: int) -> None:
    """Both tracers run; whatever is tracked, both have the same of it."""
    rng = random.Random(seed)
    core.start(3)
    stdlib.start(3)
    for _ in range(3_000):
        domain = rng.choice((1, 2, 77_777, *range(100, 120)))
        block = domain, PLACE + rng.randrange(300)
        if rng.random() < 0.6:
            ext.track(*block, rng.randrange(5000))
        else:
            ext.untrack(*block)
    # core.take_snapshot() itself tracks nothing, but it allocates
    of_core = Counter(t for t in core._get_traces() if t[0])
    of_ours = Counter(t for t in stdlib._get_traces() if t[0])
    assert of_ours == of_core
    assert sum(of_ours.values()) > 1_000
