# SPDX-License-Identifier: MIT
"""An interpreter that shares the GIL but has blocks of its own stops the trace, while
blocks of dead code of the main one wait to be given back."""

import sys

import _interpreters

import pytracemalloc

STOPS = f"""
import sys
sys.path[:0] = {sys.path!r}
import pytracemalloc
assert pytracemalloc.is_tracing()
pytracemalloc.stop()
"""


def die(n):
    for i in range(n):
        exec(f"def f():\n    return [1.5 * {i}]\nx = f()", {})


for n in 40, 300:
    pytracemalloc.start(5)
    die(n)
    interpreter = _interpreters.create(
        _interpreters.new_config("isolated", gil="shared")
    )
    failed = _interpreters.exec(interpreter, STOPS)
    assert failed is None, failed
    _interpreters.destroy(interpreter)
    assert not pytracemalloc.is_tracing()
    die(n)
pytracemalloc.start()
die(300)
pytracemalloc.stop()
print("ok")
