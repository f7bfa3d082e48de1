# SPDX-License-Identifier: MIT
"""Sub-interpreters with a GIL of their own, where this Python has them."""

from __future__ import annotations

import sys
from typing import Any

HELD = 50
SIZE = 64 * 300 + 41

#: Allocates, and turns the tracer on and off from inside.
CHURN = """
import gc, pytracemalloc as t
class C:
    def __init__(self, n):
        self.data = {n: [n] * 10}
kept = []
for n in range(1500):
    kept.append([bytes(n % 700), C(n), (n, str(n))])
    if len(kept) > 300:
        del kept[::2]
for n in range(20):
    exec(compile(f"x = [{n}]", f"code{n}", "exec"))
del kept
"""
TOGGLE = """
t.start(1 + len(str(t)) % 3)
try:
    t.take_snapshot().statistics("lineno")
except RuntimeError:
    pass
t.reset_peak()
t.clear_traces()
t.get_tracemalloc_memory()
t.stop()
"""
HOLD = f"""
import sys
held = []
def make():
    held.append(bytes({SIZE} - sys.getsizeof(b"")))
for _ in range({HELD}):
    make()
"""
LINE = 1 + HOLD.split("\n").index("def make():") + 1


def backend() -> Any:
    if sys.version_info >= (3, 14):
        from concurrent import interpreters
    elif sys.version_info >= (3, 13):
        import _interpreters as interpreters
    else:
        import _xxsubinterpreters as interpreters
    return interpreters


class Interpreter:
    """A sub-interpreter; what it holds is at a line of a file of its own name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = backend()
        if sys.version_info >= (3, 14):
            self.interp = self.module.create()
        elif sys.version_info >= (3, 13):
            self.interp = self.module.create("isolated")
        else:
            self.interp = self.module.create(isolated=True)

    def exec(self, text: str) -> None:
        if sys.version_info >= (3, 14):
            self.interp.exec(text)
        elif sys.version_info >= (3, 13):
            failed = self.module.exec(self.interp, text)
            if failed is not None:
                raise RuntimeError(failed.formatted)
        else:
            self.module.run_string(self.interp, text)

    def churn(self, toggle: bool) -> None:
        self.exec(CHURN + TOGGLE if toggle else CHURN)

    def hold(self) -> None:
        self.exec(f"exec(compile({HOLD!r}, {self.name!r}, 'exec'))")

    def close(self) -> None:
        if sys.version_info >= (3, 14):
            self.interp.close()
        else:
            self.module.destroy(self.interp)
