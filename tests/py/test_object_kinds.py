# SPDX-License-Identifier: MIT
"""get_object_traceback() for every kind of object: what lies before an object in its
block (the head of the garbage collector, weak references, a managed dictionary, inline
values) differs by kind, by version, and by build."""

from __future__ import annotations

import abc
import array
import asyncio
import collections
import contextvars
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import itertools
import re
import sys
import threading
import types
import typing
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import pytracemalloc

SEED = [3]  # no constant, so nothing is made at compile time
NEXT = itertools.count()  # one that is compiled already would be found


class Plain:
    """A managed dictionary, from 3.13 on with inline values; weak references."""


class WithValues:
    def __init__(self) -> None:
        self.a, self.b = 1, 2


class WithDict(WithValues):
    """Its dictionary has been asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["c"] = 3


class ManyValues:
    def __init__(self) -> None:
        for n in range(100):
            setattr(self, f"a{n}", n)


class Slots:
    __slots__ = ("a", "b")


class NoSlots:
    """No garbage collection: nothing can be in it."""

    __slots__ = ()


class SlotsAndWeak:
    __slots__ = ("a", "__weakref__")


class SlotsAndDict:
    __slots__ = ("a", "__dict__")


class OfInt(int):
    pass


class OfIntSlots(int):
    __slots__ = ()


class OfFloat(float):
    pass


class OfStr(str):
    pass


class OfBytes(bytes):
    pass


class OfTuple(tuple):
    pass


class OfTupleSlots(tuple):
    __slots__ = ()


class OfList(list):
    pass


class OfDict(dict):
    pass


class OfSet(set):
    pass


class OfType(type):
    pass


class OfException(Exception):
    pass


class OfThread(threading.local):
    pass


class Finalized:
    def __del__(self) -> None:
        pass


class Generic(typing.Generic[typing.TypeVar("T")]):  # type: ignore[misc]
    pass


class Abstract(abc.ABC):  # noqa: B024
    pass


class Named(typing.NamedTuple):
    a: int
    b: int


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Data:
    a: int


@dataclasses.dataclass(slots=True)
class DataSlots:
    a: int


def generate() -> Any:
    yield 1


async def coroutine() -> None:
    pass


async def async_generate() -> Any:
    yield 1


def function(a: int = 1) -> int:
    return a


def closure(a: Any) -> Callable[[], Any]:
    def inner() -> Any:
        return a

    return inner


def made_type(name: str, bases: tuple[type, ...], names: dict[str, Any]) -> type:
    return type(name, bases, names)


# What makes a new object, never an immortal one or one that is kept; by kind.
KINDS: dict[str, Callable[[], Any]] = {
    "object": lambda: object(),
    "int": lambda: SEED[0] << 200,
    "small int": lambda: SEED[0] + 12345,
    "float": lambda: SEED[0] * 1.25,
    "complex": lambda: complex(SEED[0], 2.5),
    "str": lambda: "x" * (300 * SEED[0]),
    "wide str": lambda: "\u1234" * (300 * SEED[0]),
    "bytes": lambda: bytes(300 * SEED[0]),
    "large bytes": lambda: bytes(100_000 * SEED[0]),
    "bytearray": lambda: bytearray(300),
    "memoryview": lambda: memoryview(bytearray(300)),
    "array": lambda: array.array("d", [1.0] * 50),
    "tuple": lambda: tuple([SEED] * 50),
    "long tuple": lambda: tuple([SEED] * 5000),
    "list": lambda: [SEED] * 50,
    "dict": lambda: dict.fromkeys(range(50)),
    "set": lambda: set(range(50)),
    "frozenset": lambda: frozenset(range(50)),
    "slice": lambda: slice(SEED[0], SEED[0] + 1000),
    "range": lambda: range(SEED[0], 1000),
    "deque": lambda: collections.deque([1]),
    "OrderedDict": lambda: collections.OrderedDict(a=1),
    "defaultdict": lambda: collections.defaultdict(int),
    "Counter": lambda: collections.Counter("abc"),
    "plain": Plain,
    "inline values": WithValues,
    "dictionary asked for": WithDict,
    "many values": ManyValues,
    "slots": Slots,
    "no slots": NoSlots,
    "slots and weak references": SlotsAndWeak,
    "slots and dictionary": SlotsAndDict,
    "of int": lambda: OfInt(SEED[0]),
    "of int, slots": lambda: OfIntSlots(SEED[0]),
    "of float": lambda: OfFloat(1.5),
    "of str": lambda: OfStr("x" * 50),
    "of bytes": lambda: OfBytes(50),
    "of tuple": lambda: OfTuple([1, 2]),
    "of tuple, slots": lambda: OfTupleSlots([1, 2]),
    "of list": lambda: OfList([1]),
    "of dict": lambda: OfDict(a=1),
    "of set": lambda: OfSet([1]),
    "exception": lambda: ValueError("x"),
    "of exception": lambda: OfException("x"),
    "finalized": Finalized,
    "generic": Generic,
    "thread-local": OfThread,
    "named tuple": lambda: Named(1, 2),
    "data class": lambda: Data(1),
    "data class, slots": lambda: DataSlots(1),
    "type": lambda: made_type("T", (), {}),
    "type with slots": lambda: made_type("T", (), {"__slots__": ("a", "b")}),
    "type of a metaclass": lambda: OfType("T", (), {}),
    "type of int": lambda: made_type("T", (int,), {}),
    "abstract type": lambda: abc.ABCMeta("T", (), {}),
    "enumeration": lambda: enum.Enum("T", "A B"),
    "module": lambda: types.ModuleType("m"),
    "namespace": lambda: types.SimpleNamespace(a=1),
    "function": lambda: types.FunctionType(function.__code__, {}),
    "closure": lambda: closure(SEED),
    "method": lambda: types.MethodType(function, SEED),
    "built-in method": lambda: SEED.append,
    "code": lambda: function.__code__.replace(co_name="other"),
    "cell": lambda: types.CellType(SEED),
    "generator": generate,
    "coroutine": coroutine,
    "async generator": async_generate,
    "iterator": lambda: iter(SEED),
    "enumerate": lambda: enumerate(SEED),
    "zip": lambda: zip(SEED, SEED, strict=False),
    "count": lambda: itertools.count(10**30),
    "partial": lambda: functools.partial(function, 2),
    "property": lambda: property(function),
    "classmethod": lambda: classmethod(function),
    "weak reference": lambda: weakref.ref(SEEN := Plain(), lambda _: SEEN),
    "proxy": lambda: weakref.proxy(Plain),
    "weak dictionary": lambda: weakref.WeakValueDictionary(),
    "lock": lambda: threading.Lock(),
    "context variable": lambda: contextvars.ContextVar("v"),
    "context": lambda: contextvars.Context(),
    "pattern": lambda: re.compile(f"a{next(NEXT)}b*"),
    "BytesIO": lambda: io.BytesIO(b"x"),
    "StringIO": lambda: io.StringIO("x"),
    "datetime": lambda: datetime.datetime(2020, 1, 1),
    "timedelta": lambda: datetime.timedelta(seconds=SEED[0]),
    "Decimal": lambda: decimal.Decimal("1.5"),
    "Fraction": lambda: fractions.Fraction(3, 7),
    "alias": lambda: types.GenericAlias(list, (int,)),
    "union": lambda: int | Plain,
    "queue": lambda: asyncio.Queue(),
}


def make(kind: Callable[[], Any]) -> Any:
    return kind()


def never_run(objects: list[Any]) -> None:
    """A coroutine that was never run would complain."""
    for item in objects:
        if isinstance(item, types.CoroutineType):
            item.close()


def frames(traceback: Any) -> list[tuple[str, int]]:
    return [(frame.filename, frame.lineno) for frame in traceback]


@pytest.mark.parametrize("nframe", [1, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_where_it_was_allocated(kind: str, nframe: int) -> None:
    never_run([make(KINDS[kind])])  # what is made at the first time only
    pytracemalloc.start(nframe)
    # The first may come from a free list, and lie in blocks of before the start.
    objects = list(map(make, [KINDS[kind]] * 400))
    found = list(filter(None, map(pytracemalloc.get_object_traceback, objects)))
    pytracemalloc.stop()
    never_run(objects)
    assert len(found) >= 100, f"{len(found)} of 400 are known"
    here = make.__code__.co_firstlineno + 1
    elsewhere = [f for f in map(frames, found) if (__file__, here) not in f]
    if nframe > 1:
        # Before 3.13 nobody tells of an object that comes from a free list.
        most = 0 if sys.version_info >= (3, 13) else 100
        assert len(elsewhere) <= most, (kind, elsewhere[0])


@pytest.mark.parametrize("kind", KINDS)
def test_as_the_standard_library_says(kind: str) -> None:
    """The same line as its tracer's, which lies below and hears the same."""
    import tracemalloc

    never_run([make(KINDS[kind])])
    tracemalloc.start(5)
    try:
        pytracemalloc.start(5)
        objects = list(map(make, [KINDS[kind]] * 20))
        ours = list(map(pytracemalloc.get_object_traceback, objects))
        theirs = list(map(tracemalloc.get_object_traceback, objects))
    finally:
        pytracemalloc.stop()
        tracemalloc.stop()
    never_run(objects)
    for o, t in zip(ours, theirs, strict=True):
        if t is not None:
            assert o is not None and frames(o) == frames(t)[::-1], kind
        elif sys.version_info >= (3, 12):  # 3.11's looks at the wrong place for some
            assert o is None, kind


def test_what_was_never_allocated() -> None:
    pytracemalloc.start()
    for thing in (None, True, 1, "", (), int, len, sys, Ellipsis):
        assert pytracemalloc.get_object_traceback(thing) is None, thing
