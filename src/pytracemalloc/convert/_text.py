# SPDX-License-Identifier: MIT
"""Frames in words, and text into binary files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from pytracemalloc import _text
from pytracemalloc.convert._table import Table


def frame_text(table: Table, frame: int, by: str) -> str:
    """ "name (file:line)", by function "name (file)", by file "file"; without the name
    where it is not known."""
    place = table.file(frame)
    if by == "line":
        place = f"{place}:{table.frame_line[frame]}"
    name = None if by == "file" else table.function(frame)
    return place if name is None else f"{name} ({place})"


def frame_texts(table: Table, frames: Sequence[int], by: str) -> list[str]:
    return [frame_text(table, frame, by) for frame in frames]


def one_line(text: str) -> str:
    """Without characters that would end a line, or a field of collapsed stacks."""
    return _text.printable(text).replace(";", ":")


@contextmanager
def text_of(file: IO[bytes]) -> Iterator[IO[str]]:
    """UTF-8 with LF; what is no UTF-8 (lone surrogates) is written as \\udcff."""
    text = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="\n")
    try:
        yield text
        text.flush()
    finally:
        _let_go(text)


def _let_go(text: io.TextIOWrapper) -> None:
    """The file stays its owner's, who closes it and hears of what is wrong with it."""
    try:
        text.detach()
    except OSError:
        pass
