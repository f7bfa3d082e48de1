# SPDX-License-Identifier: MIT
"""lark: parses deeply nested expressions; recursion walks and copies the trees."""

import copy
import sys

from lark import Lark, Tree, Visitor
from ptm_bench_child import region

GRAMMAR = r"""
    ?start: sum
    ?sum: product | sum "+" product -> add | sum "-" product -> sub
    ?product: atom | product "*" atom -> mul
    ?atom: NUMBER -> number | "-" atom -> neg | "(" sum ")" | NAME "(" args ")" -> call
    args: sum ("," sum)*
    NAME: /[a-z]+/
    %import common.NUMBER
    %import common.WS_INLINE
    %ignore WS_INLINE
"""
DEPTH = 90
EXPRESSIONS = 80


def nested(depth: int, salt: int) -> str:
    """An expression `depth` brackets deep, with something to do at every level."""
    if depth == 0:
        return str(salt)
    inner = nested(depth - 1, salt + depth)
    return (
        f"({inner} + {depth} * {salt % 9} - f({depth}, -{salt % 5}, {depth % 3} * 2))"
    )


def value(tree: Tree) -> int:
    """Evaluate by recursion; numbers are kept small."""
    if tree.data == "number":
        return int(tree.children[0])
    if tree.data == "call":
        return sum(value(arg) for arg in tree.children[1].children)
    parts = [value(child) for child in tree.children]
    if tree.data == "neg":
        return -parts[0]
    left, right = parts
    made = {"add": left + right, "sub": left - right, "mul": left * right}[tree.data]
    return made % 1_000_003


class Count(Visitor):
    """Counts the calls."""

    calls = 0

    def call(self, tree: Tree) -> None:
        self.calls += 1


def main() -> None:
    sys.setrecursionlimit(20_000)
    parser = Lark(GRAMMAR, parser="lalr")
    kept = []
    for salt in range(EXPRESSIONS):
        tree = parser.parse(nested(DEPTH, salt))
        twin = copy.deepcopy(tree)
        count = Count()
        count.visit(twin)
        assert value(twin) == value(tree) and count.calls == DEPTH
        kept.append((tree, twin))
    assert len(kept) == EXPRESSIONS


if __name__ == "__main__":
    with region():
        main()
