# SPDX-License-Identifier: MIT
"""The standard library's `tracemalloc`, on pytracemalloc's engine.

What `_bind_stdlib` puts here is written in C and looks up its helpers among the
names of this module, so that replacing one of them has the effect it has there.
"""

import fnmatch  # noqa: F401
import linecache  # noqa: F401
import os  # noqa: F401
import pickle  # noqa: F401
from collections.abc import Iterable, Sequence  # noqa: F401
from functools import total_ordering  # noqa: F401

from pytracemalloc import _core


def _compare_grouped_stats(old_group, new_group):
    differences = []
    for traceback, stat in new_group.items():
        previous = old_group.pop(traceback, None)
        size = count = 0
        if previous is not None:
            size, count = previous.size, previous.count
        differences.append(
            StatisticDiff(  # noqa: F821
                traceback, stat.size, stat.size - size, stat.count, stat.count - count
            )
        )
    for traceback, stat in old_group.items():
        differences.append(
            StatisticDiff(traceback, 0, -stat.size, 0, -stat.count)  # noqa: F821
        )
    return differences


_compare_grouped_stats.__module__ = "tracemalloc"

_engine = _core._bind_stdlib(globals())
