# SPDX-License-Identifier: MIT
"""Importing the package, all of it, and tracing leave the GIL off."""

import sys
import warnings

warnings.simplefilter("error")  # turning it on is told by a warning
assert not sys._is_gil_enabled()
import pytracemalloc  # noqa: E402
import pytracemalloc.cli  # noqa: E402, F401
import pytracemalloc.stdlib  # noqa: E402, F401

pytracemalloc.start()
pytracemalloc.take_snapshot().statistics("lineno")
assert not sys._is_gil_enabled()
for name in ("ptm_testalloc", "ptm_testhooks", "ptm_testtrack", "ptm_teststeps"):
    __import__(name)
    assert not sys._is_gil_enabled(), name
print("ok")
