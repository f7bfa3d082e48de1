# SPDX-License-Identifier: MIT
"""Arrays of a numpy that is imported before tracing starts, or after."""

import sys

import pytracemalloc

WHEN = sys.argv[1]
if WHEN == "before":
    import numpy as np

    early = np.ones(1_000_001, np.uint8)

pytracemalloc.start(3)
if WHEN == "after":
    import numpy as np
NUMPY = 389_047
SOURCE = [line.strip() for line in open(__file__)]


def arrays():
    """The arrays that are alive, as (size, lines, most recent first)."""
    found = [t for t in pytracemalloc.take_snapshot().traces if t.size > 1_000_000]
    assert {t.domain for t in found} <= {NUMPY}, found
    assert all(f.filename == __file__ for t in found for f in t.traceback)
    return sorted((t.size, *(f.lineno for f in t.traceback)) for t in found)


def at(start):
    """The line that starts so."""
    (line,) = (i for i, text in enumerate(SOURCE, 1) if text.startswith(start))
    return line


def make(n):
    return np.empty(n, np.uint8)


MAKE = at("return np.empty")
assert arrays() == []
a = make(2_000_003)
b = np.zeros(3_000_017, np.uint8)
c = np.arange(500_009, dtype=np.int64)
views = a[10:], b.reshape(1, -1)  # of the same memory
total = 2_000_003 + 3_000_017 + 4_000_072
assert arrays() == [
    (2_000_003, MAKE, at("a =")),
    (3_000_017, at("b =")),
    (4_000_072, at("c =")),
]
by_domain = {s.key: s for s in pytracemalloc.take_snapshot().statistics("domain")}
assert by_domain[NUMPY].size >= total

c.resize(1_000_003, refcheck=False)
assert arrays() == [
    (2_000_003, MAKE, at("a =")),
    (3_000_017, at("b =")),
    (8_000_024, at("c.resize(1_")),
]
d = a + 1
c.resize(10, refcheck=False)
del a, b
assert arrays() == [
    (2_000_003, MAKE, at("a =")),
    (2_000_003, at("d =")),
    (3_000_017, at("b =")),
]
del views, d
assert arrays() == []
if WHEN == "before":
    del early  # was never there, so nothing leaves
assert pytracemalloc.get_traced_memory()[1] > total
pytracemalloc.stop()
e = make(2_000_003)
pytracemalloc.start()
del e
e = make(2_000_003)
assert arrays() == [(2_000_003, MAKE)]
assert pytracemalloc.get_lost() == (0, 0)
print("ok")
