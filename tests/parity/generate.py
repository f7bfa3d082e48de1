# SPDX-License-Identifier: MIT
"""Python programs at random, the same for the same seed.

A program is a module with `main()`. Its functions call each other (a later one the
earlier ones), keep some of what they allocate in KEEP, and drop the rest.
"""

from __future__ import annotations

import random
from collections.abc import Callable

HEAD = '''\
import collections, contextlib, contextvars, dataclasses, functools

KEEP = []


def keep(value):
    KEEP.append(value)
    return value


def drop(value):
    if KEEP and value % 3 == 0:
        del KEEP[value % len(KEEP)]


class Plain:
    def __init__(self, n):
        self.n = n
        self.items = [n] * (n % 5)


class Child(Plain):
    def __init__(self, n):
        super().__init__(n)
        self.extra = {n: str(n)}


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = [a]
        self.b = self.build(a)

    def build(self, a):
        return Plain(a) if a % 2 else (a, [a])


class Dropped:
    def __init__(self, n):
        self.n = n

    def __del__(self):
        keep([self.n, "x" * self.n])


class Getter:
    def __getattr__(self, name):
        return keep([name, len(name)])

    def __call__(self, *args, **kwargs):
        return keep((args, kwargs))

    @property
    def computed(self):
        return keep(bytearray(33))


class Chain:
    """Allocates from an __init__ inside an __init__ inside ..."""

    def __init__(self, n):
        self.rest = Chain(n - 1) if n > 0 else None
        self.data = bytes(n + 50)


@contextlib.contextmanager
def context(n):
    before = [n]
    yield keep([before, n])
    keep(str(n) * 3)


def counted(function):
    @functools.wraps(function)
    def call(*args):
        keep([len(args)] * 2)
        return function(*args)

    return call


def numbers(n):
    for i in range(n):
        yield [i, i * 1.5]


def nested(n):
    yield from numbers(n)
    yield (n, str(n) * 4)


class Pause:
    def __await__(self):
        yield


async def sleeper(n):
    data = [n] * n
    await Pause()
    return keep(data)


async def stream(n):
    for i in range(n):
        await Pause()
        yield keep({i: str(i) * 10})


async def gathered(n):
    results = [await sleeper(i) for i in range(n)]
    return keep([len(results), [x async for x in stream(n)]])


def in_turns(coroutines):
    """An event loop in four lines (asyncio has weak sets: sizes hang on addresses)."""
    waiting = collections.deque(coroutines)
    while waiting:
        try:
            waiting.append(waiting.popleft())
            waiting[-1].send(None)
        except StopIteration as stop:
            waiting.pop()
            keep(stop.value)


class Step:
    def __init__(self, n):
        self.n = n

    def __await__(self):
        yield keep([self.n])
        return keep(str(self.n) * 7)


async def by_hand(n):
    return keep([await Step(n), await Step(n + 1)])


def drive(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


def deep(n, make):
    if n == 0:
        return make(1)
    return deep(n - 1, make)


def deep_list(n):
    kept = [n]
    if n:
        kept.append(deep_list(n - 1))
    return kept


def raiser(n):
    if n == 0:
        raise ValueError([1, 2, 3], "x" * 30)
    try:
        raiser(n - 1)
    finally:
        keep((n, float(n)))
'''

Pick = random.Random


def call_of(pick: Pick, names: list[str]) -> str:
    return (
        f"{pick.choice(names)}({pick.choice(['n', 'n + 1', str(pick.randrange(9))])})"
    )


STATEMENTS: list[Callable[[Pick, list[str]], str]] = [
    lambda p, f: f"keep([None] * {p.randrange(90)})",
    lambda p, f: f"keep('x' * (n + {p.randrange(2000)}))",
    lambda p, f: f"keep(bytes({p.randrange(3000)}) + b'y')",
    lambda p, f: f"keep({{i: str(i) for i in range({p.randrange(40)})}})",
    lambda p, f: f"keep([[i, (i,)] for i in range({p.randrange(12)})])",
    lambda p, f: f"keep({{(i, str(i)) for i in range({p.randrange(30)})}})",
    lambda p, f: f"keep([[j for j in range(i)] for i in range({p.randrange(9)})])",
    lambda p, f: f"keep(list(nested({p.randrange(9)})))",
    lambda p, f: "g = nested(5); next(g); keep(g)",
    lambda p, f: f"keep(sum(x[0] for x in numbers({p.randrange(20)})))",
    lambda p, f: f"keep(Plain({p.randrange(9)}))",
    lambda p, f: f"keep(Child({p.randrange(9)}))",
    lambda p, f: f"keep(Slots({p.randrange(9)}))",
    lambda p, f: f"keep(Chain({p.randrange(9)}))",
    lambda p, f: f"keep(Chain({p.randrange(40, 60)}))",
    lambda p, f: f"Dropped({p.randrange(90)})",
    lambda p, f: f"keep(Getter().some_{p.randrange(9)})",
    lambda p, f: f"Getter()(n, {p.randrange(9)}, k={p.randrange(9)})",
    lambda p, f: "keep(Getter().computed)",
    lambda p, f: f"keep(10 ** {p.randrange(200)} + n)",
    lambda p, f: f"keep([x / 7 for x in range({p.randrange(30)})])",
    lambda p, f: f"keep(lambda x, y=[n]: x + y[0] + {p.randrange(9)})",
    lambda p, f: f"keep(functools.partial(drop, {p.randrange(9)}))",
    lambda p, f: f"keep(sorted(range({p.randrange(20)}), key=lambda x: (-x % 3, [x])))",
    lambda p, f: f"keep(list(map(lambda x: [x], range({p.randrange(9)}))))",
    lambda p, f: f"keep(f'{{n}} and {{n * 2!r:>{p.randrange(1, 80)}}}')",
    lambda p, f: f"keep(collections.deque(range({p.randrange(200)})))",
    lambda p, f: f"keep(collections.namedtuple('T{p.randrange(9)}', 'a b')(n, [n]))",
    lambda p, f: "keep(dataclasses.make_dataclass('D', ['a', 'b'])(n, [n]))",
    lambda p, f: f"keep(type('Made{p.randrange(9)}', (Plain,), {{'x': [1]}})(n))",
    lambda p, f: (
        f"in_turns([gathered({p.randrange(5)}) for _ in range({p.randrange(4)})])"
    ),
    lambda p, f: f"keep(drive(by_hand({p.randrange(9)})))",
    lambda p, f: f"keep(deep({p.randrange(60)}, lambda k: [k, str(k) * 40]))",
    lambda p, f: f"keep(deep({p.randrange(20, 50)}, {p.choice(f)}))",
    lambda p, f: f"keep(deep_list({p.randrange(70)}))",
    lambda p, f: f"keep(contextvars.copy_context().run(Child, {p.randrange(9)}))",
    lambda p, f: f"drop(n + {p.randrange(9)})",
    lambda p, f: f"del KEEP[-{p.randrange(1, 6)}:]",
    lambda p, f: f"keep({call_of(p, f)})",
    lambda p, f: f"keep([{call_of(p, f)} for _ in range({p.randrange(4)})])",
    lambda p, f: f"keep(counted({p.choice(f)})(n))",
]

BLOCKS: list[list[str]] = [
    ["for i in range({k}):", "    {one}", "    {two}"],
    ["with context({k}) as c:", "    {one}", "    keep([c, n])"],
    [
        "try:", "    {one}", "    raiser({k})", "except ValueError as e:",
        "    keep([e, n])",
    ],
    [
        "items = []", "for i in range({k} * 20):", "    items.append(str(i))",
        "keep(items)",
    ],
    ["text = ''", "for i in range({k} * 9):", "    text += chr(65 + i)", "keep(text)"],
    [
        "def inner(x, more=[n]):", "    return [x, n, more]",
        "keep(inner({k})); keep(inner)",
    ],
    [
        "match (n, {k}):", "    case (0, x):", "        keep([x])",
        "    case (x, *rest):", "        keep(rest)",
    ],
    [
        "a, *b = range({k} + 2)", "keep(b)", "table = {{}}",
        "table.update(x=b, **{{str(a): n}})", "keep(table)",
    ],
    [
        "grown = bytearray()", "for i in range({k}):",
        "    grown.extend(bytes(100 * i))", "keep(grown)",
    ],
    ["if n % 2:", "    {one}", "else:", "    {two}"],
]  # fmt: skip


def body_of(pick: Pick, earlier: list[str]) -> list[str]:
    lines: list[str] = []
    for _ in range(pick.randrange(3, 8)):
        one, two = (pick.choice(STATEMENTS)(pick, earlier) for _ in range(2))
        if pick.random() < 0.4:
            block = pick.choice(BLOCKS)
            lines += [x.format(k=pick.randrange(1, 8), one=one, two=two) for x in block]
        else:
            lines.append(one)
    return lines


def program(seed: int, functions: int = 12) -> str:
    """The source of the program of this seed."""
    pick = random.Random(seed)
    names, parts = ["Plain", "deep_list"], [HEAD]
    for number in range(functions):
        # A function calls few others, so that programs stay small.
        body = body_of(pick, names[-4:] if number % 3 else names[:3])
        parts.append(f"\n\ndef f{number}(n):\n    " + "\n    ".join(body))
        parts.append("\n    return keep([n])")
        names.append(f"f{number}")
    calls = [f"    {name}({pick.randrange(9)})" for name in names[2:]]
    parts.append("\n\ndef main():\n" + "\n".join(calls) + "\n    return len(KEEP)\n")
    return "".join(parts)
