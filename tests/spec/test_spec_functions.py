# SPDX-License-Identifier: MIT
"""The specification's functions, sentence by sentence."""

from __future__ import annotations

import inspect
import os
import sys

import pytest

import pytracemalloc

HERE = __file__


def this_line() -> int:
    return sys._getframe(1).f_lineno


def make(size: int) -> bytes:
    return bytes(size)


@pytest.fixture
def tracing():
    pytracemalloc.start(5)
    yield
    pytracemalloc.stop()


@pytest.mark.sentence(
    'The version of the module is tracemalloc.__version__ (string), example: "1.2".'
)
def test_version():
    assert isinstance(pytracemalloc.__version__, str)
    assert pytracemalloc.__version__[0].isdigit()


@pytest.mark.sentence("clear_traces()")
@pytest.mark.sentence("get_traceback_limit()")
@pytest.mark.sentence("get_traced_memory()")
@pytest.mark.sentence("get_tracemalloc_memory()")
@pytest.mark.sentence("is_tracing()")
@pytest.mark.sentence("stop()")
def test_functions_without_arguments(tracing):
    for name in (
        "clear_traces",
        "get_traceback_limit",
        "get_traced_memory",
        "get_tracemalloc_memory",
        "is_tracing",
        "stop",
    ):
        function = getattr(pytracemalloc, name)
        assert not inspect.signature(function).parameters
        with pytest.raises(TypeError):
            function(1)
    pytracemalloc.clear_traces()


@pytest.mark.sentence("take_snapshot()")
def test_take_snapshot_needs_no_argument(tracing):
    pytracemalloc.take_snapshot()


@pytest.mark.sentence("get_object_traceback(obj)")
def test_get_object_traceback_takes_one_object(tracing):
    with pytest.raises(TypeError):
        pytracemalloc.get_object_traceback()
    pytracemalloc.get_object_traceback(object())


@pytest.mark.sentence("start(nframe: int=1)")
def test_start_by_position_and_keyword():
    assert str(inspect.signature(pytracemalloc.start)) == "(nframe=1)"
    pytracemalloc.start(nframe=7)
    assert pytracemalloc.get_traceback_limit() == 7
    pytracemalloc.stop()
    pytracemalloc.start(8)
    assert pytracemalloc.get_traceback_limit() == 8


@pytest.mark.sentence("Clear traces of memory blocks allocated by Python.")
def test_clear_traces(tracing):
    block = make(5000)
    assert pytracemalloc.get_object_traceback(block) is not None
    pytracemalloc.clear_traces()
    assert pytracemalloc.get_object_traceback(block) is None
    assert pytracemalloc.get_traced_memory()[0] < 5000
    assert pytracemalloc.is_tracing()


@pytest.mark.sentence("Get the traceback where the Python object obj was allocated.")
def test_get_object_traceback(tracing):
    blocks, line = [make(5000)], this_line()
    traceback = pytracemalloc.get_object_traceback(blocks[0])
    make_line = inspect.getsourcelines(make)[1] + 1
    assert [(f.filename, f.lineno) for f in traceback[:2]] == [
        (HERE, make_line),
        (HERE, line),
    ]


@pytest.mark.sentence(
    "Return a Traceback instance, or None if the tracemalloc module is not "
    "tracing memory allocations or did not trace the allocation of the object."
)
def test_get_object_traceback_or_none():
    before = make(5000)
    assert pytracemalloc.get_object_traceback(before) is None
    pytracemalloc.start()
    assert pytracemalloc.get_object_traceback(before) is None
    traced = make(5000)
    traceback = pytracemalloc.get_object_traceback(traced)
    assert type(traceback) is pytracemalloc.Traceback
    pytracemalloc.stop()
    assert pytracemalloc.get_object_traceback(traced) is None


@pytest.mark.sentence(
    "Get the maximum number of frames stored in the traceback of a trace."
)
@pytest.mark.sentence("The limit is set by the start() function.")
def test_get_traceback_limit():
    for limit in (1, 2, 25, 65535):
        pytracemalloc.start(limit)
        assert pytracemalloc.get_traceback_limit() == limit
        pytracemalloc.stop()


@pytest.mark.sentence(
    "The tracemalloc module must be tracing memory allocations to get the limit, "
    "otherwise an exception is raised."
)
def test_get_traceback_limit_when_off():
    with pytest.raises(RuntimeError):
        pytracemalloc.get_traceback_limit()
    pytracemalloc.start(3)
    pytracemalloc.stop()
    with pytest.raises(RuntimeError):
        pytracemalloc.get_traceback_limit()


@pytest.mark.sentence(
    "Get the current size and peak size of memory blocks traced by the "
    "tracemalloc module as a tuple: (current: int, peak: int)."
)
def test_get_traced_memory(tracing):
    memory = pytracemalloc.get_traced_memory()
    assert type(memory) is tuple and [type(n) for n in memory] == [int, int]
    block = make(1_000_000)
    current, _ = pytracemalloc.get_traced_memory()
    assert 1_000_000 <= current - memory[0] < 1_010_000
    del block
    after, peak = pytracemalloc.get_traced_memory()
    assert after < current <= peak


@pytest.mark.skipif(
    "PTM_ASAN" in os.environ,
    reason="the sanitizers' allocator scatters blocks: the shadow outweighs the stacks",
)
@pytest.mark.sentence(
    "Get the memory usage in bytes of the tracemalloc module used to store "
    "traces of memory blocks."
)
@pytest.mark.sentence("Return an int.")
@pytest.mark.sentence(
    "Use the get_tracemalloc_memory() function to measure how much memory is "
    "used by the tracemalloc module."
)
@pytest.mark.sentence(
    "Storing more frames increases the memory and CPU overhead of the "
    "tracemalloc module."
)
def test_get_tracemalloc_memory():
    def used(nframe: int) -> int:
        pytracemalloc.start(nframe)
        kept = tree(13)
        memory = pytracemalloc.get_tracemalloc_memory()
        pytracemalloc.stop()
        assert type(memory) is int and kept
        return memory

    # With 14 frames each of the 8192 blocks has a stack of its own.
    assert 0 < used(1) < used(14) - 8192 * 16


def tree(depth: int) -> object:
    if depth == 0:
        return make(1000)
    left = tree(depth - 1)
    right = tree(depth - 1)
    return left, right


def stairs(depth: int) -> list[bytes]:
    if depth == 0:
        return [make(n) for n in range(1, 200)]
    return stairs(depth - 1)


@pytest.mark.sentence(
    "True if the tracemalloc module is tracing Python memory allocations, "
    "False otherwise."
)
def test_is_tracing():
    assert pytracemalloc.is_tracing() is False
    pytracemalloc.start()
    assert pytracemalloc.is_tracing() is True
    pytracemalloc.stop()
    assert pytracemalloc.is_tracing() is False


@pytest.mark.sentence(
    "Start tracing Python memory allocations: install hooks on Python memory "
    "allocators."
)
@pytest.mark.sentence(
    "Stop tracing Python memory allocations: uninstall hooks on Python memory "
    "allocators."
)
def test_start_and_stop():
    pytracemalloc.start()
    block = make(100_000)
    assert pytracemalloc.get_traced_memory()[0] >= 100_000
    pytracemalloc.stop()
    other = make(100_000)
    assert pytracemalloc.get_traced_memory() == (0, 0)
    pytracemalloc.start()
    assert pytracemalloc.get_object_traceback(block) is None
    assert pytracemalloc.get_object_traceback(other) is None


@pytest.mark.sentence(
    "Collected tracebacks of traces will be limited to nframe frames."
)
@pytest.mark.sentence(
    "Use the nframe parameter of the start() function to store more frames."
)
@pytest.mark.parametrize("nframe", [1, 2, 4])
def test_tracebacks_are_limited(nframe):
    pytracemalloc.start(nframe)
    kept = stairs(10)
    assert len(pytracemalloc.get_object_traceback(kept[-1])) == nframe
    snapshot = pytracemalloc.take_snapshot()
    assert max(len(trace.traceback) for trace in snapshot.traces) == nframe


@pytest.mark.sentence(
    "By default, a trace of a memory block only stores the most recent frame: "
    "the limit is 1."
)
def test_the_default_limit_is_1():
    pytracemalloc.start()
    blocks = stairs(3)
    assert pytracemalloc.get_traceback_limit() == 1
    (frame,) = pytracemalloc.get_object_traceback(blocks[-1])
    assert frame == pytracemalloc.Frame((HERE, inspect.getsourcelines(make)[1] + 1))


@pytest.mark.sentence("nframe must be greater or equal to 1.")
@pytest.mark.parametrize("nframe", [0, -1, -(2**31)])
def test_nframe_is_at_least_1(nframe):
    with pytest.raises(ValueError):
        pytracemalloc.start(nframe)
    assert not pytracemalloc.is_tracing()


@pytest.mark.sentence(
    "Also clears all previously collected traces of memory blocks allocated by Python."
)
@pytest.mark.sentence(
    "Call take_snapshot() function to take a snapshot of traces before clearing them."
)
def test_stop_clears_traces():
    pytracemalloc.start()
    block = make(77_777)
    snapshot = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    assert any(trace.size >= 77_777 for trace in snapshot.traces)
    pytracemalloc.start()
    again = pytracemalloc.take_snapshot()
    assert not any(trace.size >= 77_777 for trace in again.traces)
    assert len(block) == 77_777


@pytest.mark.sentence("Take a snapshot of traces of memory blocks allocated by Python.")
@pytest.mark.sentence("Return a new Snapshot instance.")
@pytest.mark.sentence("The take_snapshot() function creates a snapshot instance.")
@pytest.mark.sentence("Snapshot of traces of memory blocks allocated by Python.")
def test_take_snapshot(tracing):
    block = make(54_321)
    size = sys.getsizeof(block)
    one, two = pytracemalloc.take_snapshot(), pytracemalloc.take_snapshot()
    assert type(one) is pytracemalloc.Snapshot and one is not two
    traceback = pytracemalloc.get_object_traceback(block)
    (trace,) = [trace for trace in one.traces if trace.traceback == traceback]
    assert trace.size == size


@pytest.mark.sentence(
    "The snapshot does not include memory blocks allocated before the "
    "tracemalloc module started to trace memory allocations."
)
def test_snapshot_without_earlier_blocks():
    early = make(65_432)
    pytracemalloc.start()
    late = make(76_543)
    sizes = {trace.size for trace in pytracemalloc.take_snapshot().traces}
    assert sys.getsizeof(late) in sizes
    assert sys.getsizeof(early) not in sizes


@pytest.mark.sentence(
    "Tracebacks of traces are limited to get_traceback_limit() frames."
)
@pytest.mark.sentence(
    "When a snapshot is taken, tracebacks of traces are limited to "
    "get_traceback_limit() frames."
)
def test_snapshot_tracebacks_are_limited(tracing):
    kept = stairs(20)
    lengths = [len(trace.traceback) for trace in pytracemalloc.take_snapshot().traces]
    assert max(lengths) == pytracemalloc.get_traceback_limit() == 5
    assert min(lengths) >= 1 and len(kept) == 199


@pytest.mark.sentence(
    "The tracemalloc module must be tracing memory allocations to take a "
    "snapshot, see the the start() function."
)
def test_take_snapshot_when_off():
    with pytest.raises(RuntimeError):
        pytracemalloc.take_snapshot()
