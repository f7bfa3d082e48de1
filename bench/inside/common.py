# SPDX-License-Identifier: MIT
"""What the scripts in inside/ share: the tracer that was named, the answer."""

from __future__ import annotations

import gc
import json
import os
import sys
from types import ModuleType
from typing import Any


def tracer_of(name: str) -> tuple[ModuleType | None, int]:
    """The module and the number of frames of `ours:25`, `stdlib:1` or `none`."""
    family, _, nframe = name.partition(":")
    if family == "none":
        return None, 0
    if family == "ours":
        import pytracemalloc as module
    else:
        import tracemalloc as module
    return module, int(nframe)


def start(name: str) -> ModuleType | None:
    """Start the tracer; None when untraced."""
    module, nframe = tracer_of(name)
    if module is not None:
        module.start(nframe)
    return module


def rss() -> int:
    """Resident bytes of this process."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def undumped() -> int:
    """Resident bytes of anonymous mappings kept out of core dumps: the tracer's own.

    The interpreter and malloc mark none of theirs so; the kernel's have a name.
    """
    total = resident = 0
    anonymous = False
    with open("/proc/self/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                anonymous = len(words) < 6 or words[5].startswith("[anon")
            elif words[0] == "Rss:":
                resident = int(words[1]) * 1024
            elif words[0] == "VmFlags:" and "dd" in words and anonymous:
                total += resident
    return total


def answer(**facts: Any) -> None:
    """The last line of the output is the answer."""
    sys.stdout.write(json.dumps(facts) + "\n")
