#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists the sentences of the specification that no test proves.

Exits with 1 if there are any, if a test or the list of sentences without
behaviour names a sentence that is not in the specification, or if a sentence is
in both.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from no_behaviour import NO_BEHAVIOUR  # noqa: E402
from sentences import all_sentences  # noqa: E402


def marked(path: Path) -> Iterator[tuple[str, str]]:
    """(sentence, test) of each @pytest.mark.sentence in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if ast.unparse(mark).startswith("pytest.mark.sentence("):
                assert isinstance(mark, ast.Call)
                place = f"{path.name}:{mark.lineno} {node.name}"
                yield ast.literal_eval(mark.args[0]), place


def breaches(folder: Path = HERE) -> list[str]:
    sentences = all_sentences()
    proved: dict[str, str] = {}
    found = []
    for path in sorted(folder.glob("test_*.py")):
        for sentence, place in marked(path):
            proved[sentence] = place
            if sentence not in sentences:
                found.append(f"{place}: not in the specification: {sentence!r}")
    for sentence in NO_BEHAVIOUR:
        if sentence not in sentences:
            found.append(f"no_behaviour.py: not in the specification: {sentence!r}")
        if sentence in proved:
            found.append(f"no_behaviour.py: {proved[sentence]} proves {sentence!r}")
    for number, sentence in enumerate(sentences, 1):
        if sentence not in proved and sentence not in NO_BEHAVIOUR:
            found.append(f"sentence {number} has no test: {sentence!r}")
    return found


def main() -> int:
    found = breaches()
    print(*found, sep="\n", end="\n" if found else "")
    total = len(all_sentences())
    print(f"{total} sentences, {len(NO_BEHAVIOUR)} of them without behaviour")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
