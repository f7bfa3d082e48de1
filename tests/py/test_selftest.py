# SPDX-License-Identifier: MIT
"""An interpreter whose frames do not read as expected is not traced: no import."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

EXT = os.environ.get("PTM_TEST_EXT", "")
LIAR = Path(EXT, "libptm_liar.so")
SHARED = bool(sysconfig.get_config_var("Py_ENABLE_SHARED"))

needs_liar = pytest.mark.skipif(
    not (EXT and SHARED),
    reason="built by `make test` only, and preloaded before a shared libpython",
)


def import_with(lie: str) -> subprocess.CompletedProcess[str]:
    preload = f"{os.environ.get('LD_PRELOAD', '')} {LIAR}".strip()
    env = os.environ | {"LD_PRELOAD": preload, "PTM_TEST_LIE": lie}
    code = "import pytracemalloc; print('traced', pytracemalloc.is_tracing())"
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True
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
    head = "ImportError: pytracemalloc cannot trace this interpreter: "
    assert done.returncode == 1 and done.stdout == ""
    assert last.startswith(head + why.format(*sys.version_info)), done.stderr
