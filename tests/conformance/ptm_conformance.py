# SPDX-License-Identifier: MIT
"""Put into the environment under test, and called by a .pth line at interpreter start.

Says in $PTM_CONFORMANCE_LOG which tracemalloc a process has, and brings the wanted
manner about where the product's own start-up line does not: in the manner `engine`,
and in isolated children (-I, -E), where the product keeps its hands off on purpose.
"""

from __future__ import annotations

import os
import sys

LOG = "PTM_CONFORMANCE_LOG"
MANNER = "PTM_CONFORMANCE_MANNER"


def log(*words: object) -> None:
    with open(os.environ[LOG], "a", encoding="utf-8") as file:
        file.write(" ".join(map(str, (os.getpid(), *words))) + "\n")


def take_over() -> None:
    """What PYTRACEMALLOC_INSTALL=1 does, for a process that ignores its environment."""
    import _tracemalloc as core

    import pytracemalloc

    limit = core.get_traceback_limit() if core.is_tracing() else 0
    core.stop()
    pytracemalloc.install()
    if limit:
        pytracemalloc.start(limit)


def engine_only() -> None:
    """Our functions under the standard library's own Python layer."""
    import pytracemalloc

    pytracemalloc.install()
    sys.modules.pop("tracemalloc", None)


def trace_isolated() -> None:
    """What PYTRACEMALLOC does, for a process that ignores its environment."""
    try:
        import pytracemalloc
    except ImportError as error:  # an interpreter in a process that is traced already
        if "subinterpreters" not in str(error):
            raise
        return
    pytracemalloc.start(3)
    log("child", "ours")


def whose() -> str:
    """The tracemalloc this process would import, or has imported: ours or core's."""
    import tracemalloc

    from pytracemalloc import stdlib

    same = tracemalloc.get_traced_memory is stdlib.get_traced_memory
    return "ours" if same else "core"


def at_interpreter_start() -> None:
    if LOG not in os.environ:
        return
    if os.environ[MANNER] == "traced":
        trace_isolated()
        return
    if sys.flags.ignore_environment:
        take_over()
    if os.environ[MANNER] == "engine":
        engine_only()
    log("child", whose())
