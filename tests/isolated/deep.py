# SPDX-License-Identifier: MIT
"""65,535 frames under a recursion of 10,000: whole stacks, in bounded memory."""

import sys

import pytracemalloc

DEPTH = int(sys.argv[1])
sys.setrecursionlimit(DEPTH + 1000)


def dive(n, kept):
    kept.append(bytes(100 + n % 50))
    if n:
        dive(n - 1, kept)


pytracemalloc.start(65535)
kept = []
dive(DEPTH, kept)
deepest = pytracemalloc.get_object_traceback(kept[-1])
assert len(deepest) == deepest.total_nframe == DEPTH + 2, len(deepest)
assert {f.lineno for f in deepest[1:-1]} == {dive.__code__.co_firstlineno + 3}
memory = pytracemalloc.get_tracemalloc_memory()
assert memory < 16 << 20, memory
again = []
dive(DEPTH, again)
assert pytracemalloc.get_tracemalloc_memory() < memory + (8 << 20)
assert pytracemalloc.get_lost() == (0, 0)
print("ok", memory)
