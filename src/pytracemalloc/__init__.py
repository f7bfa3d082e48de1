# SPDX-License-Identifier: MIT
"""Trace every Python memory allocation.

The functions and classes here are the package's own API. `pytracemalloc.stdlib`
is the same engine behind exactly the standard library's `tracemalloc`, and
`install()` puts that in the standard library's place for the whole process.
"""

import sys

TYPE_CHECKING = False  # `typing` and `types` would cost each traced program 10 ms
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

if (
    sys.implementation.name != "cpython"
    or not (3, 11) <= sys.version_info[:2] <= (3, 15)
    or not sys.platform.startswith("linux")
):
    raise ImportError(
        "pytracemalloc traces CPython 3.11 to 3.15 on Linux, and this is "
        f"{sys.implementation.name} {'.'.join(map(str, sys.version_info[:3]))} on "
        f"{sys.platform}: run your program with one of those, or look for a newer "
        "pytracemalloc"
    )

from pytracemalloc._core import (  # noqa: E402
    BaseFilter,
    DomainFilter,
    Filter,
    Frame,
    Snapshot,
    Statistic,
    StatisticDiff,
    Trace,
    Traceback,
    Traces,
    __version__,
    clear_traces,
    get_lost,
    get_object_traceback,
    get_traceback_limit,
    get_traced_blocks,
    get_traced_memory,
    get_tracemalloc_memory,
    is_tracing,
    reset_peak,
    start,
    stop,
    take_snapshot,
)

__all__ = [
    "BaseFilter",
    "DomainFilter",
    "Filter",
    "Frame",
    "Snapshot",
    "Statistic",
    "StatisticDiff",
    "Trace",
    "Traceback",
    "Traces",
    "__version__",
    "clear_traces",
    "get_lost",
    "get_object_traceback",
    "get_traceback_limit",
    "get_traced_blocks",
    "get_traced_memory",
    "get_tracemalloc_memory",
    "install",
    "is_tracing",
    "reset_peak",
    "start",
    "stop",
    "take_snapshot",
    "uninstall",
]

_NOTHING = object()
_replaced: "dict[str, Any]" = {}


def _stand_ins() -> "dict[str, ModuleType]":
    from pytracemalloc import stdlib

    return {"tracemalloc": stdlib, "_tracemalloc": stdlib._engine}


def install() -> None:
    """Put `pytracemalloc.stdlib` in the place of `tracemalloc`, process-wide.

    Whatever imports `tracemalloc` from now on gets ours, `warnings` included.
    Modules that imported it before keep what they have. A second call does
    nothing.
    """
    for name, module in _stand_ins().items():
        present = sys.modules.get(name, _NOTHING)
        if present is not module:
            _replaced[name] = present
            sys.modules[name] = module


def uninstall() -> None:
    """Undo `install()`: what stood in these places before stands there again.

    Another module that was put there since is left alone.
    """
    if not _replaced:
        return
    for name, module in _stand_ins().items():
        before = _replaced.pop(name, module)
        if sys.modules.get(name, _NOTHING) is not module:
            continue
        if before is _NOTHING:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def __getattr__(name: str) -> "Any":
    if name == "stdlib":
        import importlib

        return importlib.import_module("pytracemalloc.stdlib")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
