# SPDX-License-Identifier: MIT
"""Tuples, ints and a dict of str: much is kept alive at once."""

from ptm_bench_child import region

ROWS = 200_000


def fill(base: int) -> tuple[list[tuple[int, int, int]], dict[str, str]]:
    """A table of tuples of fresh ints, and an index of fresh strings."""
    table = [(base + i, base + i * i, base - i) for i in range(ROWS)]
    index = {f"key-{i}": str(base + i) for i in range(ROWS)}
    return table, index


def main() -> None:
    kept = [fill(base) for base in (10**6, 10**9)]
    for turn in range(2):
        kept[turn] = fill(10**7 + turn)
    assert sum(len(table) + len(index) for table, index in kept) == 4 * ROWS


if __name__ == "__main__":
    with region():
        main()
