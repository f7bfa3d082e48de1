# SPDX-License-Identifier: MIT
"""Objects that somebody sets up inside a block of his: they are no blocks, and say
nothing of the one they lie in, nor of its neighbours."""

import ctypes
import gc
import sys

import ptm_testalloc as alloc

import pytracemalloc

MEM = 1
SIZES = range(64, 513, 16)
EACH = 40

init = ctypes.pythonapi.PyObject_Init
init.restype = ctypes.c_void_p
init.argtypes = [ctypes.c_void_p, ctypes.py_object]


class Plain:
    __slots__ = ()


def make():
    return [(alloc.malloc(MEM, size), size) for size in SIZES for _ in range(EACH)]


def made():
    """Size → count, of the blocks that `make` holds by the books."""
    here = pytracemalloc.Filter(True, __file__, lineno=make.__code__.co_firstlineno + 1)
    traces = pytracemalloc.take_snapshot().filter_traces([here]).traces
    found = {}
    for trace in traces:
        if trace.size in SIZES:
            found[trace.size] = found.get(trace.size, 0) + 1
    return found


gc.disable()
pytracemalloc.start(int(sys.argv[1]))
blocks = make()
before = made()
assert all(before[size] >= EACH for size in SIZES), before
for block, size in blocks:
    for offset in range(32, size - 32, 16):  # a tuple's block begins 16 bytes before it
        for kind in Plain, float, tuple:
            init(block + offset, kind)
assert made() == before, (before, made())
print("ok", len(blocks))
