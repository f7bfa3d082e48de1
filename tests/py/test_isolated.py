# SPDX-License-Identifier: MIT
"""Runs the scripts of tests/isolated, each in a process of its own: what could crash,
hang, or leave a tracer behind. PTM_FULL=1 runs them at full length."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ptm_testhooks", reason="built by `make test` only")

SCRIPTS = Path(__file__).resolve().parent.parent / "isolated"
FULL = os.environ.get("PTM_FULL") == "1"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
SANITIZED = "PTM_ASAN" in os.environ
PATIENCE = 900 if FULL or SANITIZED else 240

# A sanitizer keeps what is freed out of use: not where an address has to come back.
REUSE = {
    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")
    + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
}


def run(
    script: str,
    *args: Any,
    options: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> str:
    """Its output; it must have ended well and said so."""
    paths = [os.environ.get("PTM_TEST_EXT", ""), os.environ.get("PYTHONPATH", "")]
    paths.append(str(SCRIPTS.parent))  # hook_chain
    own = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    words = [sys.executable, *options, SCRIPTS / f"{script}.py", *args]
    done = subprocess.run(
        list(map(str, words)), env=os.environ | own | (env or {}), text=True,
        capture_output=True, timeout=PATIENCE, preexec_fn=before,
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr[-4000:]}"
    assert done.stdout.startswith("ok"), done.stdout + done.stderr
    return done.stdout


def test_start_and_stop_while_threads_allocate() -> None:
    run("start_stop", 100 if SANITIZED else 1000)


@pytest.mark.parametrize("limit", [1, 8, 25])
@pytest.mark.parametrize("kind", ["even", "odd"])
def test_the_first_shims(limit: int, kind: str) -> None:
    run("first_shims", limit, kind)


def test_threads_share_snapshots() -> None:
    run("threads_share", 5 if SANITIZED else 20)


def test_threads_set_what_others_read() -> None:
    run("one_snapshot", 5 if SANITIZED else 30)


def test_fork_while_threads_allocate() -> None:
    run("fork", 100 if FULL else 20)


def test_blocks_from_before_the_start() -> None:
    run("before_start")


@pytest.mark.parametrize("turn", range(3))
def test_end_with_daemon_threads(turn: int) -> None:
    run("daemons")


ALLOCATORS = ["malloc", "malloc_debug", "pymalloc", "pymalloc_debug", "debug"]
if FREE_THREADED:
    ALLOCATORS = ["mimalloc", "mimalloc_debug", "default", "debug"]


@pytest.mark.parametrize("nframe", [1, 4])
@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_under_every_allocator(allocator: str, nframe: int) -> None:
    run("basics", nframe, env={"PYTHONMALLOC": allocator})


def test_in_development_mode() -> None:
    run("basics", 4, options=("-X", "dev"))
    run("threads_without_gil", options=("-X", "dev"))


@pytest.mark.skipif(SANITIZED, reason="the sanitizer itself needs more address space")
@pytest.mark.parametrize("nframe", [1, 25])
def test_where_address_space_is_scarce(nframe: int) -> None:
    """ulimit -v 1000000"""
    limit = 1_000_000 * 1024

    def scarce() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    run("basics", nframe, before=scarce)


@pytest.mark.parametrize("nframe", [1, 5])
def test_code_objects_made_and_dropped(nframe: int) -> None:
    times = 2_000 if FREE_THREADED else 100_000 if FULL else 5_000
    run("codes", times, nframe, env=REUSE)


def test_generators_and_coroutines() -> None:
    run("generators")


def test_deep_recursion_with_the_highest_limit() -> None:
    run("deep", 2_000 if SANITIZED else 10_000)


def test_dead_sites_are_used_again() -> None:
    run("dead_sites", 1_000_000 if FULL else 200_000, env=REUSE)


def test_code_that_is_never_seen_complete() -> None:
    run("incomplete_code", env=REUSE)


@pytest.mark.skipif(
    sys.version_info < (3, 13), reason="Python code cannot make such an interpreter"
)
def test_stop_by_an_interpreter_that_shares_the_gil() -> None:
    run("shared_gil")


def test_no_memory_for_the_tracer() -> None:
    run("no_memory", 30)


@pytest.mark.skipif(FREE_THREADED, reason="mimalloc gives out other blocks first")
def test_entries_of_blocks_that_went_unheard() -> None:
    run("stale_entries", env={"PYTHONMALLOC": "pymalloc"})


@pytest.mark.skipif(FREE_THREADED, reason="there, another allocator has no pools")
def test_pools_that_went_unheard() -> None:
    env = {"PYTHONMALLOC": "pymalloc", "MALLOC_MMAP_THRESHOLD_": "131072"}
    run("stale_pools", env=env)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="nobody is told of objects")
def test_counts_outlive_the_places_where_they_wait() -> None:
    run("renewed_counts")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="nobody is told of objects")
@pytest.mark.parametrize("nframe", [1, 25])
def test_objects_within_blocks(nframe: int) -> None:
    run("inner_objects", nframe)


def test_raw_blocks_without_the_gil() -> None:
    run("threads_without_gil")


def test_peak_with_another_thread_in_the_raw_lane() -> None:
    run("two_lanes")


@pytest.mark.skipif(FREE_THREADED, reason="there, another allocator has no pools")
@pytest.mark.parametrize("nframe", [1, 25])
def test_blocks_from_pools_are_those_of_the_allocator(nframe: int) -> None:
    run("pools", nframe, env={"PYTHONMALLOC": "pymalloc"})


def test_other_hooks_before_and_after() -> None:
    run("wrapped")


def test_the_allocator_below_refuses() -> None:
    run("refused")


def test_no_key_for_threads_is_left() -> None:
    run("no_thread_keys")


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.13 has reference tracers")
def test_another_reference_tracer() -> None:
    run("ref_tracer")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.12 has GILs of their own")
def test_interpreters_with_their_own_gil() -> None:
    run("interpreters", 10 if FULL else 2)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.12 has GILs of their own")
def test_interpreters_clear_while_others_free() -> None:
    run("interpreters_clear", 30 if FULL else 5)


def test_track_by_threads_without_the_gil() -> None:
    run("track_threads", 200 if SANITIZED else 1000)


def test_track_after_the_interpreter_s_end() -> None:
    assert run("track_at_end").split("\n")[0] == "ok 0 0 0"


@pytest.mark.parametrize("when", ["before", "after"])
def test_numpy_arrays(when: str) -> None:
    run("numpy_arrays", when)


def test_dead_sites_of_other_domains() -> None:
    run("track_dead_sites", 1_000_000 if FULL else 200_000, env=REUSE)


@pytest.mark.skipif(
    not (hasattr(sys, "_jit") and sys._jit.is_available()),
    reason="this interpreter has no JIT",
)
def test_code_compiled_by_the_jit() -> None:
    run("jit", env={"PYTHON_JIT": "1"})


def test_eight_threads_call_everything_at_once() -> None:
    run("all_at_once", 300 if SANITIZED else 3000 if FULL else 1000)


@pytest.mark.parametrize("allocator", [a for a in ALLOCATORS if "_" not in a])
@pytest.mark.parametrize("imported", ["before", "after"])
def test_the_standard_library_s_tracer(imported: str, allocator: str) -> None:
    run("stdlib_tracer", imported, env={"PYTHONMALLOC": allocator})


def test_other_hooks_over_the_debug_allocator() -> None:
    run("wrapped", env={"PYTHONMALLOC": "debug"})


def test_short_threads() -> None:
    run("short_threads", 2_000 if SANITIZED else 100_000, env=REUSE)


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this build has a GIL"
)
def test_the_gil_stays_off() -> None:
    run("gil_stays_off")


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_multiprocessing(start: str) -> None:
    run("processes", start)


def test_a_server_that_forks_its_workers() -> None:
    run("prefork")
