# SPDX-License-Identifier: MIT
"""Sites whose blocks are gone are used again: a program may have millions of them."""

import sys

import pytracemalloc

SITES = int(sys.argv[1])


def one(n):
    bytes(n)


def two(n):
    one(n)


pytracemalloc.start(5)
for n in range(1000, 1000 + SITES // 2):
    one(n)
    two(n)
memory = pytracemalloc.get_tracemalloc_memory()
assert memory < 24 << 20, memory
line = one.__code__.co_firstlineno + 1
allocated = pytracemalloc.take_snapshot().view("allocated").statistics("lineno")
(found,) = (s for s in allocated if s.traceback[0].lineno == line)
assert found.count == 2 * (SITES // 2) or found.count - 2 * (SITES // 2) < 1000, found
assert pytracemalloc.get_lost() == (0, 0)
print("ok", memory)
