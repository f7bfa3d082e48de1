# SPDX-License-Identifier: MIT
"""An interpreter whose frames do not read as expected is not traced: no import."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

EXT = os.environ.get("PTM_TEST_EXT", "")
LIAR = Path(EXT, "libptm_liar.so")
SHARED = "/libpython" in Path("/proc/self/maps").read_text()

SAID = (
    "ImportError: pytracemalloc cannot trace this interpreter, CPython 3.*: {}.*; "
    "install it anew with this interpreter, or use another version of Python"
)

needs_liar = pytest.mark.skipif(
    not (EXT and SHARED),
    reason="built by `make test` only, and preloaded before a shared libpython",
)
needs_pymalloc = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="free-threaded builds have another allocator",
)


def import_with(
    lie: str,
    code: str = "import pytracemalloc; print('traced', pytracemalloc.is_tracing())",
    **more: str,
) -> subprocess.CompletedProcess[str]:
    preload = f"{os.environ.get('LD_PRELOAD', '')} {LIAR}".strip()
    env = os.environ | {"LD_PRELOAD": preload, "PTM_TEST_LIE": lie} | more
    return subprocess.run(
        [sys.executable, "-c", code, EXT], env=env, capture_output=True, text=True
    )


@needs_liar
def test_the_truth_is_believed() -> None:
    done = import_with("")
    assert (done.returncode, done.stdout) == (0, "traced False\n"), done.stderr


@needs_liar
@pytest.mark.parametrize(
    "lie, why",
    [
        ("version", "it was built for Python {0}.{1}"),
        ("frames", "the frames of this interpreter do not read as those of the one"),
    ],
)
def test_a_lie_stops_the_import(lie: str, why: str) -> None:
    done = import_with(lie)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(SAID.format(why.format(*sys.version_info)), last), done.stderr


@needs_liar
@needs_pymalloc
@pytest.mark.parametrize("allocator", ["malloc", "malloc_debug", "pymalloc_debug"])
def test_what_is_called_pymalloc_is_watched_before_it_is_believed(
    allocator: str,
) -> None:
    code = "import pytracemalloc as p; p.start(); print(p._core._uses_pools())"
    done = import_with("pymalloc", code, PYTHONMALLOC=allocator)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@needs_liar
@needs_pymalloc
@pytest.mark.parametrize("which", ["late", "guarded"])
def test_what_is_nearly_pymalloc_is_not_believed(which: str) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import ptm_testpools\n"
        "import pytracemalloc as p; kept = [bytes(470) for _ in range(1000)]\n"
        f"ptm_testpools.put({which!r}); p.start(); print(p._core._uses_pools())"
    )
    done = import_with("pymalloc", code, PYTHONMALLOC="pymalloc")
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.13 publishes its offsets")
@pytest.mark.parametrize("what", ["cookie", "version", "threads", "frame"])
def test_other_offsets_stop_the_import(what: str) -> None:
    frame = 23 if sys.version_info < (3, 14) else 26  # where current_frame is told
    word = {"cookie": 0, "version": 1, "threads": 2, "frame": frame}[what]
    code = (
        "import ctypes\n"
        "words = (ctypes.c_uint64 * 99).in_dll(ctypes.pythonapi, '_PyRuntime')\n"
        f"words[{word}] ^= 1 << 40\n"
        "import pytracemalloc\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    why = "this interpreter publishes other struct offsets than the one"
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert re.fullmatch(SAID.format(why), last), done.stderr


@pytest.mark.parametrize("domain", range(3))
def test_hooks_are_put_in_word_by_word(domain: int) -> None:
    hooks = pytest.importorskip("ptm_testhooks", reason="built by `make test` only")
    found = hooks.put_in_place(domain)
    assert found is (sys.version_info >= (3, 12))
    assert len([bytes(n) for n in range(2000)]) == 2000
