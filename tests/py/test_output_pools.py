# SPDX-License-Identifier: MIT
"""PYTRACEMALLOC_OUTPUT: children of multiprocessing, pools, executors."""

from __future__ import annotations

import os
import signal
import sys

import pytest

METHODS = ["fork", "spawn", "forkserver"]

#: `grow` keeps 1 MB by its line 4 each time it is called, and tells where.
HEAD = """\
import multiprocessing as mp, os, sys, time
KEPT = []
def grow(n=0):
    KEPT.append(bytearray(1_000_000))
    time.sleep(0.05)
    return os.getpid()
"""


def run(children, outputs, program, **env):
    """The ids that the program printed."""
    children.write("prog.py", HEAD + program)
    process = children.start([sys.executable, "prog.py"], env=outputs.env | env)
    done = children.finish(process)
    assert (done.returncode, done.stderr) == (0, "")
    assert process.pid in outputs.pids()
    return list(map(int, done.stdout.split()))


def check(outputs, calls):
    """Each process holds as much as it was called for."""
    for pid in set(calls):
        least = 1_000_000 * calls.count(pid)
        assert least <= outputs.held(pid, 4) < least + 10_000


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("end", ["pass", "sys.exit(0)", "raise SystemExit"])
def test_process(children, outputs, method, end):
    program = (
        "def target():\n"
        "    print(grow(), flush=True)\n"
        f"    {end}\n"
        "if __name__ == '__main__':\n"
        f"    p = mp.get_context('{method}').Process(target=target)\n"
        "    p.start(); p.join()\n"
    )
    calls = run(children, outputs, program)
    assert len(calls) == 1
    check(outputs, calls)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("end", ["pool.close(); pool.join()", "pool.terminate()", "0"])
def test_pool(children, outputs, method, end):
    """Workers leave by themselves, or are killed: by terminate(), or by `with`."""
    program = (
        "if __name__ == '__main__':\n"
        f"    with mp.get_context('{method}').Pool(3) as pool:\n"
        "        print(*pool.map(grow, range(9), chunksize=1), flush=True)\n"
        f"        {end}\n"
    )
    calls = run(children, outputs, program)
    assert len(calls) == 9
    check(outputs, calls)


@pytest.mark.parametrize("method", METHODS)
def test_workers_that_are_replaced(children, outputs, method):
    program = (
        "if __name__ == '__main__':\n"
        f"    with mp.get_context('{method}').Pool(2, maxtasksperchild=1) as pool:\n"
        "        print(*pool.map(grow, range(6), chunksize=1), flush=True)\n"
        "        pool.close(); pool.join()\n"
    )
    calls = run(children, outputs, program)
    assert len(set(calls)) == 6
    check(outputs, calls)


@pytest.mark.parametrize("method", METHODS)
def test_executor(children, outputs, method):
    program = (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "if __name__ == '__main__':\n"
        f"    context = mp.get_context('{method}')\n"
        "    with ProcessPoolExecutor(2, mp_context=context) as pool:\n"
        "        print(*pool.map(grow, range(6)), flush=True)\n"
    )
    calls = run(children, outputs, program)
    assert len(calls) == 6
    check(outputs, calls)


@pytest.mark.parametrize("method", METHODS)
def test_a_busy_child_that_is_terminated(children, outputs, method):
    program = (
        "def target(pipe):\n"
        "    print(grow(), flush=True)\n"
        "    pipe.send(1)\n"
        "    while True: pass\n"
        "if __name__ == '__main__':\n"
        f"    context = mp.get_context('{method}')\n"
        "    ours, theirs = context.Pipe()\n"
        "    p = context.Process(target=target, args=(theirs,))\n"
        "    p.start(); ours.recv()\n"
        "    p.terminate(); p.join(); assert p.exitcode == -15\n"
    )
    check(outputs, run(children, outputs, program))


def test_a_child_that_is_terminated_when_it_has_hardly_begun(children, outputs):
    """CPython forgets what a handler noted before the child was put in order."""
    program = (
        "if __name__ == '__main__':\n"
        "    for _ in range(40):\n"
        "        fork = mp.get_context('fork')\n"
        "        p = fork.Process(target=time.sleep, args=(300,))\n"
        "        p.start(); p.terminate(); p.join()\n"
        "        assert p.exitcode == -15\n"
    )
    assert run(children, outputs, program) == []


@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_in_a_terminal_reaches_all(children, outputs, method):
    program = (
        "def forever(n):\n"
        "    print(grow(), flush=True)\n"
        "    while True: time.sleep(1)\n"
        "if __name__ == '__main__':\n"
        f"    with mp.get_context('{method}').Pool(2) as pool:\n"
        "        pool.map(forever, range(2), chunksize=1)\n"
    )
    children.write("prog.py", HEAD + program)
    words = [sys.executable, "prog.py"]
    process = children.start(words, env=outputs.env, start_new_session=True)
    calls = [int(process.stdout.readline()) for _ in range(2)]
    os.killpg(process.pid, signal.SIGINT)
    done = children.finish(process)
    assert done.returncode == -signal.SIGINT
    assert "pytracemalloc" not in done.stderr
    assert outputs.pids() >= {process.pid, *calls}
    check(outputs, calls)


def test_an_exception_in_the_child(children, outputs):
    children.write(
        "prog.py",
        HEAD + "def target():\n    print(grow(), flush=True); 1 / 0\n"
        "p = mp.get_context('fork').Process(target=target)\n"
        "p.start(); p.join(); print(p.exitcode)\n",
    )
    done = children.python("prog.py", env=outputs.env)
    pid, status = map(int, done.stdout.split())
    assert status == 1
    assert "ZeroDivisionError" in done.stderr and "pytracemalloc" not in done.stderr
    check(outputs, [pid])


def test_children_of_children(children, outputs):
    """Forked by os.fork, then by multiprocessing, twice."""
    program = (
        "fork = mp.get_context('fork')\n"
        "def target(depth):\n"
        "    print(grow(), flush=True)\n"
        "    if depth:\n"
        "        p = fork.Process(target=target, args=(depth - 1,))\n"
        "        p.start(); p.join()\n"
        "if os.fork() == 0:\n"
        "    target(2)\n"
        "else:\n"
        "    os.wait()\n"
    )
    pids = run(children, outputs, program)
    assert len(set(pids)) == 3
    held = [outputs.held(pid, 4) for pid in pids]  # each inherits what came before
    assert [h // 1_000_000 for h in held] == [1, 2, 3]


def test_threads_that_still_run_in_a_child(children, outputs):
    """Before 3.13 the finalizers run first, and the threads are joined then."""
    program = (
        "import threading\n"
        "def late():\n"
        "    time.sleep(0.5); grow()\n"
        "def target():\n"
        "    print(os.getpid(), flush=True)\n"
        "    threading.Thread(target=late).start()\n"
        "p = mp.get_context('fork').Process(target=target)\n"
        "p.start(); p.join()\n"
    )
    [pid] = run(children, outputs, program)
    assert (outputs.held(pid, 4) >= 1_000_000) == (sys.version_info >= (3, 13))


def test_finalizers_of_the_program_come_before_the_file(children, outputs):
    program = (
        "from multiprocessing import util\n"
        "def target():\n"
        "    print(os.getpid(), flush=True)\n"
        "    for priority in (-100, 0, 100):\n"
        "        util.Finalize(None, grow, exitpriority=priority)\n"
        "p = mp.get_context('fork').Process(target=target)\n"
        "p.start(); p.join()\n"
    )
    [pid] = run(children, outputs, program)
    assert outputs.held(pid, 4) >= 3_000_000


def test_multiprocessing_is_not_imported_for_us(children, outputs):
    program = (
        "for name in [m for m in sys.modules if m.startswith('multiprocessing')]:\n"
        "    del sys.modules[name]\n"
        "pid = os.fork()\n"
        "if pid: os.waitpid(pid, 0)\n"
        "import atexit\n"
        "atexit.register(lambda: print(os.getpid(),\n"
        "    int(any(m.startswith('multiprocessing') for m in sys.modules))))\n"
    )
    found = run(children, outputs, program)
    assert set(found[0::2]) == outputs.pids() and set(found[1::2]) == {0}


def test_what_we_leave_in_a_child_of_multiprocessing_is_small(children, outputs):
    """Its finalizer is made while tracing is on. Of all else only what a free list of
    CPython keeps is seen (from 3.14 on there is one for bound methods)."""
    program = (
        "p = mp.get_context('fork').Process(target=lambda: print(grow()))\n"
        "p.start(); p.join()\n"
    )
    [pid] = run(children, outputs, program)
    finalizer = others = 0
    for trace in outputs.load(pid).traces:
        files = [frame.filename for frame in trace.traceback]
        if any("pytracemalloc" in file for file in files):
            if any("multiprocessing/util.py" in file for file in files):
                finalizer += trace.size
            else:
                others += trace.size
    assert 0 < finalizer < 2000
    assert others <= (100 if sys.version_info >= (3, 14) else 0)


@pytest.mark.parametrize("method", METHODS)
def test_without_a_file_for_each_only_the_parent_writes(children, method):
    program = (
        "if __name__ == '__main__':\n"
        f"    with mp.get_context('{method}').Pool(2) as pool:\n"
        "        pool.map(grow, range(4))\n"
    )
    children.write("prog.py", HEAD + program)
    done = children.python("prog.py", env={"PYTRACEMALLOC_OUTPUT": "out.pb.gz"})
    assert (done.returncode, done.stderr) == (0, "")
    files = [path.name for path in children.folder.iterdir()]
    assert sorted(set(files) - {"__pycache__"}) == ["out.pb.gz", "prog.py"]
