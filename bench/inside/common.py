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


def held() -> int:
    """Resident bytes of the tracer's own: what it mapped, and its module's variables.

    What it maps is anonymous and kept out of core dumps, a mark that neither the
    interpreter nor malloc gives; the kernel's own maps of that kind have a name.
    """
    total = resident = end = 0
    name, after = "", False
    with open("/proc/self/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                start, stop = (int(part, 16) for part in words[0].split("-"))
                new = words[5] if len(words) > 5 else ""
                after = start == end and "pytracemalloc/_core" in name and not new
                name, end = (name if after else new), stop
            elif words[0] == "Anonymous:":  # what was only read from a file is not ours
                resident = int(words[1]) * 1024
            elif words[0] == "VmFlags:":
                mapped = "dd" in words and (not name or name.startswith("[anon"))
                variables = "pytracemalloc/_core" in name and "wr" in words
                total += resident if mapped or variables else 0
    return total


def answer(**facts: Any) -> None:
    """The last line of the output is the answer."""
    sys.stdout.write(json.dumps(facts) + "\n")
