# SPDX-License-Identifier: MIT
"""Python inside another program, begun and ended more than once, with tracing on."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PROGRAM = Path(os.environ.get("PTM_TEST_EXT", "/nowhere"), "ptm_embed")

pytestmark = [
    pytest.mark.skipif(
        not PROGRAM.exists(),
        reason="built by `make test`, where there is a Python library to link with",
    ),
    pytest.mark.skipif(
        "PTM_ASAN" in os.environ, reason="the program itself is not sanitized"
    ),
]

TRACES = """
import sys
import pytracemalloc as t
assert not t.is_tracing(), "the life before has ended"
t.start(3)
kept = []
for n in range(100):
    kept.append(bytes(5000))
size = sys.getsizeof(kept[0])
found = [x for x in t.take_snapshot().traces if x.size == size]
assert [x.traceback[0].lineno for x in found] == [8] * 100, len(found)
class Thing:
    pass
thing = Thing()
assert t.get_object_traceback(thing)[0].lineno == 14
total = sum(x.size for x in t.take_snapshot().traces)
assert abs(total - t.get_traced_memory()[0]) < 100_000
assert t.get_lost() == (0, 0)
print("life", life, "traced")
"""
STOPS = TRACES + "\nt.stop()\n"
ONLY_FIRST = f"if life == 0:\n    exec({TRACES!r})\nelse:\n    kept = [bytes(100)] * 9"
WITH_DAEMONS = (
    TRACES
    + """
import threading
def churn():
    kept = []
    while True:
        kept.append([None] * len(kept))
        if len(kept) > 50:
            kept.clear()
for _ in range(3):
    threading.Thread(target=churn, daemon=True).start()
"""
)
MODES = {"traces on": TRACES, "stops": STOPS, "later not": ONLY_FIRST}


def embed(lives: int, script: str, **env: str) -> str:
    """What it prints; it must have ended well."""
    own = {
        "PYTHONHOME": sys.base_prefix,
        "PYTHONPATH": os.pathsep.join(site.getsitepackages()),
    }
    done = subprocess.run(
        [str(PROGRAM), str(lives), script], env=os.environ | own | env, text=True,
        capture_output=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.parametrize("allocator", ["pymalloc", "malloc", "debug"])
@pytest.mark.parametrize("mode", MODES)
def test_three_lives(mode: str, allocator: str) -> None:
    if sysconfig.get_config_var("Py_GIL_DISABLED") and allocator != "debug":
        pytest.skip("a build without a GIL has neither")
    out = embed(3, MODES[mode], PYTHONMALLOC=allocator)
    lives = 1 if mode == "later not" else 3
    assert out.splitlines() == [f"life {n} traced" for n in range(lives)]


def test_one_life_that_ends_with_daemon_threads() -> None:
    assert embed(1, WITH_DAEMONS) == "life 0 traced\n"
