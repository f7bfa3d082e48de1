# SPDX-License-Identifier: MIT
"""What the scripts in inside/ share: the tracer that was named, the answer."""

from __future__ import annotations

import gc
import json
import os
import struct
import sys
from collections.abc import Iterator
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
    total, end, module = 0, 0, ""
    for head, facts in mappings():
        start, stop = (int(part, 16) for part in head[0].split("-"))
        name = head[5] if len(head) > 5 else ""
        # not Rss: what was only read from the module's file is not ours
        used = int(facts["Anonymous"][0]) * 1024
        writable = "wr" in facts["VmFlags"]
        if "dd" in facts["VmFlags"] and (not name or name.startswith("[anon")):
            total += used
        elif "pytracemalloc/_core" in name and writable:
            total, end, module = total + used, stop, name
        elif start == end and not name:
            total += present(start, start + zeroed_tail(module))
    return total


def present(start: int, end: int) -> int:
    """Bytes of the pages in this range that are in memory: a neighbour's map may be
    merged with the one they lie in."""
    page = os.sysconf("SC_PAGESIZE")
    with open("/proc/self/pagemap", "rb") as pagemap:
        pagemap.seek(start // page * 8)
        words = struct.iter_unpack("<Q", pagemap.read((end - start) // page * 8))
    return sum(word >> 63 for (word,) in words) * page


def mappings() -> Iterator[tuple[list[str], dict[str, list[str]]]]:
    """The maps of this process: the words of the first line, and key → words."""
    head: list[str] = []
    facts: dict[str, list[str]] = {}
    with open("/proc/self/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            words = line.split()
            if words[0].endswith(":"):
                facts[words[0][:-1]] = words[1:]
                continue
            if head:
                yield head, facts
            head, facts = words, {}
    yield head, facts


def zeroed_tail(path: str) -> int:
    """The bytes a module's zeroed variables take beyond the pages of its file."""
    page = os.sysconf("SC_PAGESIZE")
    with open(path, "rb") as file:
        elf = file.read()
    at, size, count = (
        *struct.unpack_from("<Q", elf, 32),
        *struct.unpack_from("<2H", elf, 54),
    )
    tail = 0
    for k in range(count):
        kind, flags, _, address, _, in_file, in_memory = struct.unpack_from(
            "<2I5Q", elf, at + k * size
        )
        if kind == 1 and flags & 2:  # loaded, writable
            tail = -(-(address + in_memory) // page) - -(-(address + in_file) // page)
    return tail * page


def answer(**facts: Any) -> None:
    """The last line of the output is the answer."""
    sys.stdout.write(json.dumps(facts) + "\n")
