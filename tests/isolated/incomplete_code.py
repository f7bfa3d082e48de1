# SPDX-License-Identifier: MIT
"""Code met only in frames that are being set up, or made by hand so that it never is
complete, dies, and other code takes its address: each block has its own function."""

import marshal
import sys
import types

import pytracemalloc

ROUNDS = 700  # more than wait to be given back at a time

CELLS = [f"c{i}" for i in range(14)]
SETS_UP = (
    "def f(flag=False):\n    "
    + "; ".join(f"{name}=None" for name in CELLS)
    + f"\n    if flag:\n        return lambda: ({', '.join(CELLS)})\n"
)
CALLS = "def f(flag=False):\n    x = CellType()\n    if flag:\n"
SET = "def f(flag=False):\n    return {flag}\n"


def code_of(source, name):
    names = {}
    exec(compile(source, name, "exec"), names)
    return names["f"].__code__


def heap_units(code):
    return (code.__sizeof__() + 15) // 16


def as_large_as(code):
    """Code that calls at its start, of the same size class."""
    for lines in range(1, 300):
        source = CALLS + "        y = flag\n" * lines + "    return x\n"
        found = code_of(source, "complete.py")
        if heap_units(found) == heap_units(code):
            return found
    raise AssertionError("no code of this size")


def without_resume(code):
    """What the interpreter takes for never complete, like its own shim of __init__."""
    text = code.co_code
    size = 4 if sys.version_info >= (3, 15) else 2  # RESUME, with its cache
    text = text[size:] + text[-2:] * (size // 2)
    return code.replace(co_code=text, co_filename="hand_made.py")


def run(function):
    return function()


def check(limit, first, second):
    first, second = marshal.dumps(first), marshal.dumps(second)
    dead, met_again = set(), 0
    pytracemalloc.start(limit)
    for turn in range(ROUNDS):
        for _ in range(1 + turn % 2):  # else each kind may stay at its own addresses
            code = marshal.loads(first)
            dead.add(id(code))
            run(types.FunctionType(code, {}, "f", (False,)))
            del code
        code = marshal.loads(second)
        met_again += id(code) in dead
        names = {"CellType": types.CellType}
        made = run(types.FunctionType(code, names, "f", (False,)))
        top = pytracemalloc.get_object_traceback(made)[0]
        assert top.filename == "complete.py", (limit, top)
        del code
    pytracemalloc.stop()
    assert met_again > 0, (limit, first[:40], len(dead))


for limit in 1, 5, 25:
    incomplete = code_of(SETS_UP, "incomplete.py")
    check(limit, incomplete, as_large_as(incomplete))
    complete = code_of(SET, "complete.py")
    check(limit, without_resume(complete), complete)
print("ok")
