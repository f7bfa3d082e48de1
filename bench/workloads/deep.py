# SPDX-License-Identifier: MIT
"""Allocating 20 calls deep."""

from ptm_bench_child import region

DEPTH = 20
TURNS = 150_000


def descend(level: int, kept: list[object]) -> int:
    """Go down; at the bottom make a few short-lived objects and keep the last."""
    if level:
        return descend(level - 1, kept) + 1
    for i in range(20):
        made = [i, {"depth": level}, str(i + 1000)]
    kept.append(made)
    return 0


def main() -> None:
    kept: list[object] = []
    for _ in range(TURNS):
        assert descend(DEPTH, kept) == DEPTH


if __name__ == "__main__":
    with region():
        main()
