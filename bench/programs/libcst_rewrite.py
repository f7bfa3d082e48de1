# SPDX-License-Identifier: MIT
"""libcst: a parser and a rewriter over modules of the standard library."""

import argparse
import dataclasses
import typing
from pathlib import Path

import libcst
from libcst import metadata
from ptm_bench_child import region

MODULES = (argparse, dataclasses, typing)


class Rename(libcst.CSTTransformer):
    """Gives every private name another ending, and counts positions as it goes."""

    METADATA_DEPENDENCIES = (metadata.PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.lines: set[int] = set()

    def leave_Name(self, original: libcst.Name, updated: libcst.Name) -> libcst.Name:
        """One name."""
        self.lines.add(
            self.get_metadata(metadata.PositionProvider, original).start.line
        )
        if updated.value.startswith("_") and not updated.value.startswith("__"):
            return updated.with_changes(value=updated.value + "_renamed")
        return updated


def main() -> None:
    for module in MODULES:
        source = Path(module.__file__).read_text(encoding="utf-8")
        rename = Rename()
        tree = metadata.MetadataWrapper(libcst.parse_module(source)).visit(rename)
        assert len(rename.lines) > 100 and len(tree.code) > len(source)


if __name__ == "__main__":
    with region():
        main()
