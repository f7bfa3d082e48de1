# SPDX-License-Identifier: MIT
"""The sentences of the specification, numbered from 1.

A sentence ends at a full stop, question mark or end of paragraph; headings,
signatures and table rows are sentences of their own.
"""

from __future__ import annotations

import re
from pathlib import Path

TEXT = Path(__file__).with_name("pytracemalloc-api.txt")


def split(text: str) -> list[str]:
    sentences = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip()]
        for line in lines:
            parts = re.split(r"(?<=[.?])\s+(?=[A-Za-z])", line)
            sentences += [part.strip() for part in parts]
    return sentences


def all_sentences() -> list[str]:
    return split(TEXT.read_text(encoding="utf-8"))
