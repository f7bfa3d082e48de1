# SPDX-License-Identifier: MIT
"""When small blocks are taken from the interpreter's own pools, and when not."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig

import pytest

pytestmark = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="free-threaded builds have another allocator",
)
PYMALLOC = {"PYTHONMALLOC": "pymalloc"}

START = "import pytracemalloc as p; p.start({}); x = [object() for _ in range(9_999)]; "
TELL = "print(p._core._uses_pools(), p.get_traced_memory()[0] > 160_000)"


def told(program: str, env: dict[str, str] | None = None, *options: str) -> list[str]:
    paths = os.pathsep.join(
        filter(None, [os.environ.get("PTM_TEST_EXT"), os.environ.get("PYTHONPATH")])
    )
    done = subprocess.run(
        [sys.executable, *options, "-c", program],
        env=os.environ | {"PYTHONPATH": paths} | (env or {}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("nframe", [1, 25])
def test_they_are_used_where_pymalloc_is(nframe: int) -> None:
    assert told(START.format(nframe) + TELL, PYMALLOC) == ["True", "True"]


@pytest.mark.parametrize("allocator", ["malloc", "malloc_debug", "pymalloc_debug"])
def test_they_are_not_where_it_is_not(allocator: str) -> None:
    env = {"PYTHONMALLOC": allocator}
    assert told(START.format(1) + TELL, env) == ["False", "True"]


def test_they_are_not_below_another_hook_and_are_again_without_it() -> None:
    """A hook of the raw domain is in nobody's way."""
    pytest.importorskip("ptm_testhooks", reason="built by `make test` only")
    program = (
        "import pytracemalloc as p, ptm_testhooks as h; said = []\n"
        "def turn(): p.start(); said.append(p._core._uses_pools()); p.stop()\n"
        "for domain in 0, 1, 2: turn(); h.wrap(domain); turn(); h.unwrap(domain)\n"
        "turn(); print(*said)"
    )
    mem = obj = ["True", "False"]
    assert told(program, PYMALLOC) == ["True", "True", *mem, *obj, "True"]


def test_they_still_are_where_somebody_came_on_top() -> None:
    """We stay below and in the chain: what lies below us is what it was."""
    pytest.importorskip("ptm_testhooks", reason="built by `make test` only")
    program = (
        "import pytracemalloc as p, ptm_testhooks as h; p.start()\n"
        "[h.wrap(domain) for domain in (0, 1, 2)]; p.stop()\n" + START.format(1) + TELL
    )
    assert told(program, PYMALLOC) == ["True", "True"]


def test_they_are_not_above_the_interpreter_s_own_tracer() -> None:
    assert told(START.format(1) + TELL, PYMALLOC, "-X", "tracemalloc") == [
        "False",
        "True",
    ]


MEMORY = (
    "import pytracemalloc as p, ptm_testalloc as alloc; p.start()\n"
    "N = 100_000\n"
    "blocks = [0] * N\n"
    "def grow(size):\n"
    "    for i in range(N): blocks[i] = alloc.malloc(2, size)\n"
    "def drop():\n"
    "    for i in range(N): alloc.free(2, blocks[i])\n"
    "def own(): return p.get_tracemalloc_memory()\n"
    "p.clear_traces()\n"
)
LITTLE = 7 << 20  # with a row for each pool that ever was it is 15 MB


def told_of_memory(program: str) -> list[str]:
    pytest.importorskip("ptm_testalloc", reason="built by `make test` only")
    return told(program, PYMALLOC)


@pytest.mark.parametrize("size", [32, 64, 112, 240, 512])
def test_they_need_a_few_bytes_of_ours_for_a_block_of_any_size(size: int) -> None:
    """4 to 8 (docs/design/shadow.md), where plain rows would take a quarter of the
    block; a page more or less for all of them."""
    tell = (
        f"before = own()\nfor _ in range(N): alloc.malloc(2, {size})\n"
        "print((own() - before) / N)"
    )
    (per_block,) = map(float, told_of_memory(MEMORY + tell))
    assert 3.9 < per_block < 8.9


def test_what_they_needed_serves_the_next_ones() -> None:
    """Pools end and others begin in their place, of all sizes, again and again."""
    tell = (
        "for k in range(6):\n"
        "    for size in range(32, 513, 32): grow(size); drop()\n"
        "    print(own())"
    )
    first, *later = map(int, told_of_memory(MEMORY + tell))
    assert max(later) < first * 1.05
    assert max(later) < LITTLE


def test_a_pool_that_ended_unheard_leaves_its_place_to_the_next() -> None:
    """The last block of each is one of before the start."""
    program = (
        "import pytracemalloc as p, ptm_testalloc as alloc\n"
        "def fill(size, n): return [alloc.malloc(2, size) for _ in range(n)]\n"
        "def drop(blocks): [alloc.free(2, block) for block in blocks]\n"
        "def own(): return p.get_tracemalloc_memory()\n"
        "old = fill(64, 60_000); one = {block >> 14: block for block in old}\n"
        "kept = set(one.values()); drop(block for block in old if block not in kept)\n"
        "del old; p.start(); drop(fill(64, 60_000)); drop(kept)\n"
        "before = own(); blocks = fill(400, 9_000); grown = own() - before\n"
        "blocks = [alloc.realloc(2, block, 390) for block in blocks]\n"
        "sizes = [t.size for t in p.take_snapshot().traces]\n"
        "print(len(one), len({b >> 14 for b in blocks} & one.keys()), grown)\n"
        "print(sizes.count(390), sizes.count(400))\n"
    )
    pools, again, grown, now, before = map(int, told_of_memory(program))
    assert again > pools / 2 > 100
    assert grown < again * 1024, "4 kB each if their rows are plain ones"
    assert 9_000 <= now < 9_100
    assert before < 100
