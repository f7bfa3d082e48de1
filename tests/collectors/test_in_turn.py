# SPDX-License-Identifier: MIT
"""Other people's memory collectors in one process with ours: make collectors-test."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("in_turn.py")

# Each is started before it is stopped; then ours goes on, alone.
ORDERS = [
    order
    for order in itertools.permutations(("dd+", "ours+", "dd-", "ours-"))
    if order.index("dd+") < order.index("dd-")
    and order.index("ours+") < order.index("ours-")
]
AFTERWARDS = ("ours+", "ours-")


@pytest.mark.parametrize("order", ORDERS, ids="_".join)
def test_ddtrace(order: tuple[str, ...]) -> None:
    paths = os.pathsep.join((os.environ["PTM_TEST_EXT"], str(SCRIPT.parent.parent)))
    env = {"PYTHONPATH": paths, "DD_TRACE_ENABLED": "false"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *order, *AFTERWARDS],
        env=os.environ | env, text=True, capture_output=True, timeout=240,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr[-4000:]
