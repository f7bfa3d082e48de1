# SPDX-License-Identifier: MIT
"""A generator or coroutine shows the stack of whoever resumes it."""

import pytracemalloc


def gen():
    while True:
        yield bytes(5000)


async def work():
    kept = []
    for _ in range(2):
        kept.append(bytes(5000))
        await Pause()
    return kept


class Pause:
    def __await__(self):
        yield


def first(g):
    return next(g)


def second(g):
    return next(g)


def names(kept):
    return [f.name for f in pytracemalloc.get_object_traceback(kept)]


def send(c):
    c.send(None)


pytracemalloc.start(10)
g = gen()
for _ in range(20):
    assert names(first(g)) == ["gen", "first", "<module>"]
    assert names(second(g)) == ["gen", "second", "<module>"]
c = work()
send(c)
c.send(None)
try:
    send(c)
except StopIteration as stop:
    kept = stop.value
assert [names(k) for k in kept] == [["work", "send", "<module>"], ["work", "<module>"]]
both = [x for x in (bytes(6000 + i) for i in range(2))]
assert names(both[0])[0] == "<genexpr>"
print("ok")
