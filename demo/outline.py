# SPDX-License-Identifier: MIT
"""Indexes the classes and functions of Python's own standard library.

A program like many: it reads a few megabytes of real text (the library's sources,
which every interpreter brings along), has a library from PyPI (parso) parse them,
works on the trees and writes a small result. It is content with its memory until
somebody looks: `make demo` does.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

import parso

LIMIT_BYTES = 2_500_000


def main() -> None:
    folder = Path(os.__file__).parent
    trees = {path: parse(path) for path in sources(folder)}
    index = {
        str(path.relative_to(folder)): outline(tree) for path, tree in trees.items()
    }
    del trees
    gc.collect()  # a tree's nodes know their parents: only this frees them
    text = json.dumps(index, indent=1)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)
    print(f"{len(index)} modules, {sum(map(len, index.values())):,} definitions")


def sources(folder: Path) -> list[Path]:
    """The library's modules in order of their names, up to some megabytes."""
    chosen, size = [], 0
    for path in sorted(folder.glob("*.py")):
        size += path.stat().st_size
        if size > LIMIT_BYTES:
            break
        chosen.append(path)
    return chosen


def parse(path: Path) -> parso.tree.NodeOrLeaf:
    return parso.parse(path.read_text(encoding="utf-8"))


def outline(scope: parso.tree.NodeOrLeaf) -> list[dict[str, object]]:
    """What a module or a class defines: kind, name, line, first words of the doc."""
    found = []
    for kind in ("iter_classdefs", "iter_funcdefs"):
        for node in getattr(scope, kind)():
            found.append(describe(node))
            if node.type == "classdef":
                found += outline(node)
    return found


def describe(node: parso.tree.NodeOrLeaf) -> dict[str, object]:
    doc = node.get_doc_node()
    return {
        "kind": node.type,
        "name": node.name.value,
        "line": node.start_pos[0],
        "doc": doc.value.strip("rbu\"' \n")[:60] if doc else "",
    }


if __name__ == "__main__":
    main()
