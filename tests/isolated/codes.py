# SPDX-License-Identifier: MIT
"""Code objects made and dropped: none is kept alive, none is taken for another."""

import gc
import sys
import sysconfig
import weakref

import pytracemalloc

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
TIMES, NFRAME = int(sys.argv[1]), int(sys.argv[2])
SOURCE = "\n" * 5 + "def f(n):\n    return bytes(n)\n"


def made(n):
    space = {}
    exec(compile("\n" * (n % 7) + SOURCE, f"made{n}", "exec"), space)
    return space.pop("f")


def place(kept):
    frame = pytracemalloc.get_object_traceback(kept)[0]
    return frame.filename, frame.lineno, frame.name


gc.disable()
pytracemalloc.start(NFRAME)
addresses, alive = set(), []
for n in range(TIMES):
    function = made(n)
    kept = function(1000)
    again = function(1000)
    addresses.add(id(function.__code__))
    alive.append(weakref.ref(function.__code__))
    del function
    if FREE_THREADED:
        gc.collect()  # functions and code have no count there that could reach zero
    assert alive[-1]() is None, "the code object lives on"
    del alive[:-10]
    for one in kept, again:
        assert place(one) == (f"made{n}", n % 7 + 7, "f"), (n, place(one))
assert len(addresses) < TIMES / 2, "no address came back: nothing was tested"
print("ok", pytracemalloc.get_tracemalloc_memory())
