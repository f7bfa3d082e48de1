# SPDX-License-Identifier: MIT
"""Instances of a class with slots and of one with a dict."""

from ptm_bench_child import region

COUNT = 150_000


class Point:
    """Three slots."""

    __slots__ = ("x", "y", "weight")

    def __init__(self, x: int, y: int, weight: float) -> None:
        self.x = x
        self.y = y
        self.weight = weight


class Person:
    """An instance dict, with a list in it."""

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name
        self.tags = [number]


def main() -> None:
    for turn in range(3):
        points = [Point(i, i + turn, i * 0.5) for i in range(COUNT)]
        persons = [Person(i, f"name {i}") for i in range(COUNT)]
        assert len(points) == len(persons)


if __name__ == "__main__":
    with region():
        main()
