# SPDX-License-Identifier: MIT
"""Runs one program under one tracer and writes down what is traced at its end.

    child.py stdlib|ours|both NFRAME PROGRAM OUT

Both tracers are imported in any case, so that two children differ in the tracer alone.
"""

# ruff: noqa: E402
# Loaded here, so that no import of these is traced.
import collections  # noqa: F401, E401, I001
import gc
import marshal
import runpy
import sys
import tracemalloc

import pytracemalloc.stdlib

tracer, nframe, path, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
ENGINES = {"stdlib": [tracemalloc], "ours": [pytracemalloc.stdlib]}
engines = ENGINES.get(tracer) or [tracemalloc, pytracemalloc.stdlib]
main = runpy.run_path(path)["main"]

gc.collect()
gc.disable()
for engine in engines:
    engine.start(nframe)
main()
# The cache of methods keeps names by the address of a string: by chance.
(getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache)()
# The list of the answer is itself traced, by the standard library: let it be a new one.
reserve = [[] for _ in range(200)]
traces = engines[0]._get_traces() if len(engines) == 1 else []
ANSWER = (__file__, sys._getframe().f_lineno - 1), 56
traces = [t for t in traces if (t[2][0], t[1]) != ANSWER]


def reachable():
    """Every object that the collector knows, and what those refer to.

    But for modules: 3.12's _asyncio shows its free list as something it refers to.
    """
    seen = {}
    for one in gc.get_objects():
        if type(one) is type(gc):
            continue
        seen[id(one)] = one
        for other in gc.get_referents(one):
            seen[id(other)] = other
    return list(seen.values())


def disagreements():
    """Of objects that both tracers know: type and places of those they place apart."""
    found = []
    for one in reachable():
        theirs, ours = (engine._get_object_traceback(one) for engine in engines)
        if theirs is not None and ours is not None and theirs != ours:
            found.append((type(one).__name__, theirs, ours))
    return found


apart = disagreements() if tracer == "both" else []
for engine in engines:
    engine.stop()
with open(out, "wb") as file:
    marshal.dump((traces, apart), file)
