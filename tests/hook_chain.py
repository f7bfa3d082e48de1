# SPDX-License-Identifier: MIT
"""A model of two that put hooks on one allocator, in any order: `other` puts back what
it found, whatever came since; ours leaves from the top only, and is put in once."""

from __future__ import annotations


class Chain:
    """`called`: who is called in turn, from the interpreter's own allocator up."""

    def __init__(self, other: str | None, ours: str = "ours") -> None:
        self.other, self.ours = other, ours
        self.called = ["python"]
        self.found = ["python"]  # by the other

    def follow(self, move: str) -> None:
        """A name and + or -: it puts its hook in, or takes it out."""
        name, sign = move[:-1], move[-1]
        if name == self.other:
            self.follow_other(sign)
        elif name == self.ours:
            self.follow_ours(sign)

    def follow_other(self, sign: str) -> None:
        if sign == "+":
            self.found = self.called
            self.called = [*self.called, str(self.other)]
        else:
            self.called = self.found

    def follow_ours(self, sign: str) -> None:
        if sign == "+" and self.ours not in self.called:
            self.called = [*self.called, self.ours]
        elif sign == "-" and self.called[-1] == self.ours:
            self.called = self.called[:-1]
