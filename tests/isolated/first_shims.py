# SPDX-License-Identifier: MIT
"""The first blocks after the start, made in an `__init__` that the interpreter calls by
a shim which the engine has not met: each has its own line."""

import sys

import pytracemalloc

WARM_UP = 100  # calls until the interpreter calls `__init__` by its shim


class Even:
    def __init__(self):
        self.both = [
            {},
            {},
        ]


class Odd:
    """Its instructions lie one further."""

    def __init__(self):
        self.both = [
            0,
            {},
            {},
        ]


def make(kind):
    return kind()


kind = {"even": Even, "odd": Odd}[sys.argv[2]]
first_line = kind.__init__.__code__.co_firstlineno
warm = [make(kind) for _ in range(WARM_UP)]
# Else dicts come from the free list of before the start.
used_up = [{} for _ in range(2000)]

pytracemalloc.start(int(sys.argv[1]))
for pair in [make(kind), make(kind)]:
    for line, made in enumerate(pair.both, first_line + 2):
        if made != 0:
            found = pytracemalloc.get_object_traceback(made)[0].lineno
            assert found == line, (found, line)
print("ok")
