# SPDX-License-Identifier: MIT
"""Hot loops in code the JIT compiled: each block in its function, with its callers.

The line of the function itself may be that of an instruction before the allocating
one: compiled code does not store every instruction's place.
"""

import sys
import types

import pytracemalloc

ROUNDS = 9000  # compiled after some 4000
FROM_BEFORE = 2100  # what free lists keep of one kind: memory from before the start


def add(a, b):
    made = a + b
    return made


def pair(a, b):
    made = (a, b)
    return made


def pair_of_pair(a, b):
    return pair(a, pair(b, a))


def listed(a, b):
    made = [a, b]
    return made


def cut(a, b):
    made = slice(a, b)
    return made


class Made:
    def __init__(self, a, b):
        self.both = pair(a, b)


def initialized(a, b):
    return Made(a, b).both


def yielded(a, b):
    yield (a, b)


def hot(function, a, b):
    made, compiled = [], False
    for _ in range(ROUNDS):
        made.append(function(a, b))
        compiled = compiled or sys._jit.is_active()
    return made, compiled


def hot_generator(a, b):
    made, compiled = [], False
    for _ in range(ROUNDS):
        for one in yielded(a, b):
            made.append(one)
        compiled = compiled or sys._jit.is_active()
    return made, compiled


def lines_of(function):
    lines = [line for _, _, line in function.__code__.co_lines() if line]
    return range(min(lines), max(lines) + 1)


def check(limit, function, args, functions):
    """Whether compiled code ran. functions: the stack's, the most recent first."""
    code = function.__code__.replace()  # with counters and compiled code of its own
    function = types.FunctionType(code, globals(), function.__name__)
    pytracemalloc.start(limit)
    made, compiled = function(*args)
    found = [pytracemalloc.get_object_traceback(one) for one in made]
    pytracemalloc.stop()
    known = [stack for stack in found if stack is not None]
    assert len(known) >= ROUNDS - FROM_BEFORE, len(known)
    for stack in known:
        for frame, function in zip(stack, functions, strict=False):
            assert frame.name == function.__qualname__, (frame, function)
            assert frame.lineno in lines_of(function), (frame, function)
    callers = {tuple(frame.lineno for frame in stack)[1:] for stack in known}
    assert len(callers) == 1, ("a caller's line moved", callers)
    return compiled


assert sys._jit.is_enabled()
LONG = "longer than what is kept for good" * 9
for limit in 1, 2, 8:
    n_compiled = 0
    for make, a, b, functions in (
        (add, 0.5, 2.25, (add, hot)),
        (add, 1 << 40, 1, (add, hot)),
        (add, LONG, LONG, (add, hot)),
        (pair, 1, 2, (pair, hot)),
        (pair_of_pair, 1, [], (pair, pair_of_pair, hot)),
        (listed, 1, 2, (listed, hot)),
        (cut, 1, 2, (cut, hot)),
        (initialized, 1, [], (pair, Made.__init__, initialized, hot)),
    ):
        n_compiled += check(limit, hot, (make, a, b), functions)
    n_compiled += check(limit, hot_generator, (1, []), (yielded, hot_generator))
    assert n_compiled >= 5, n_compiled
print("ok")
