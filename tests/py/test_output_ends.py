# SPDX-License-Identifier: MIT
"""PYTRACEMALLOC_OUTPUT: the ways in which a process may end, forked or not."""

from __future__ import annotations

import os
import signal
import sys

import pytest

KEPT = "import os, signal, sys, threading, time\nkept = bytearray(3_000_000)\n"


def start(children, outputs, program, **more):
    children.write("prog.py", KEPT + program)
    words = [sys.executable, "prog.py"]
    return children.start(words, env=outputs.env, **more)


def run(children, outputs, program, **more):
    return children.finish(start(children, outputs, program, **more))


def interrupt(children, outputs, program, number, **more):
    """Sends a signal once the program has printed that it is ready."""
    process = start(children, outputs, program, **more)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    return process.pid, children.finish(process)


ENDS = {
    "pass": 0,
    "sys.exit(5)": 5,
    "sys.exit('text')": 1,
    "1 / 0": 1,
    "os.kill(os.getpid(), signal.SIGINT)": -signal.SIGINT,
    "os.kill(os.getpid(), signal.SIGTERM)": -signal.SIGTERM,
    "t = threading.Thread(target=sys.exit); t.start(); t.join()": 0,
    "import atexit; atexit.register(lambda: 1 / 0)": 0,
    "sys.path[:] = []; sys.setrecursionlimit(20)": 0,
    "sys.stdout = sys.stderr = None; os.environ.clear()": 0,
}


@pytest.mark.parametrize("end", ENDS)
def test_ends(children, outputs, end):
    process = start(children, outputs, end)
    done = children.finish(process)
    assert done.returncode == ENDS[end]
    assert "pytracemalloc" not in done.stderr
    assert outputs.pids() == {process.pid}
    assert outputs.held(process.pid, 2) >= 3_000_000


FORK = """\
pid = os.fork()
if pid == 0:
    kept += bytes(1_000_000)
    more = bytearray(2_000_000)
    {end}
    sys.exit()
status = os.waitpid(pid, 0)[1]
print(pid, os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("end", ENDS)
def test_forked_children(children, outputs, end):
    process = start(children, outputs, FORK.format(end=end))
    done = children.finish(process)
    pid, status = map(int, done.stdout.split())
    assert (done.returncode, status) == (0, ENDS[end])
    assert "pytracemalloc" not in done.stderr
    assert outputs.pids() == {process.pid, pid}
    # What it inherited is in its file, too.
    assert outputs.held(process.pid, 6) == 0
    assert outputs.held(pid, 6) >= 2_000_000
    assert outputs.held(pid, 2) + outputs.held(pid, 5) >= 4_000_000


@pytest.mark.parametrize("end", ["os._exit(7)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_who_leaves_at_once_writes_nothing(children, outputs, end):
    done = run(children, outputs, end)
    assert done.returncode in (7, -signal.SIGKILL)
    assert (done.stderr, outputs.pids()) == ("", set())


def test_exec_begins_anew_under_the_same_number(children, outputs):
    program = (
        "if len(sys.argv) == 1:\n"
        "    more = bytearray(2_000_000)\n"
        "    os.execv(sys.executable, [sys.executable, __file__, 'again'])\n"
    )
    process = start(children, outputs, program)
    assert children.finish(process).returncode == 0
    assert outputs.pids() == {process.pid}
    assert outputs.held(process.pid, 2) >= 3_000_000
    assert outputs.held(process.pid, 4) == 0


def test_a_forked_child_that_forgets_what_it_inherited(children, outputs):
    end = "import pytracemalloc; pytracemalloc.clear_traces(); x = bytearray(500_000)"
    done = run(children, outputs, FORK.format(end=end))
    pid = int(done.stdout.split()[0])
    assert outputs.held(pid, 2) == outputs.held(pid, 6) == 0
    assert 500_000 <= outputs.held(pid, 7) < 501_000


def test_processes_of_processes(children, outputs):
    program = (
        "import subprocess\n"
        "depth = int((sys.argv + ['3'])[1])\n"
        "print(os.getpid(), flush=True)\n"
        "if depth:\n"
        "    subprocess.run([sys.executable, __file__, str(depth - 1)], check=True)\n"
        "if depth == 2 and os.fork() == 0:\n"
        "    print(os.getpid(), flush=True)\n"
        "elif depth == 2:\n"
        "    os.wait()\n"
    )
    done = run(children, outputs, program)
    pids = set(map(int, done.stdout.split()))
    assert (len(pids), outputs.pids()) == (5, pids)
    assert all(outputs.held(pid, 2) >= 3_000_000 for pid in pids)


# -- signals ---------------------------------------------------------------------------


def test_sigterm_runs_nothing_of_the_program(children, outputs):
    program = (
        "import atexit; atexit.register(print, 'atexit')\n"
        "print('waits'); sys.stderr.write('ready\\n')\n"
        "try:\n    time.sleep(100)\n"
        "finally:\n    print('finally')\n"
    )
    process = start(children, outputs, program)
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    done = children.finish(process)
    # What is buffered is lost, as ever: a forked child's would be its parent's text.
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
    assert outputs.pids() == {process.pid}


def test_sigterm_that_the_program_handles(children, outputs):
    program = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "print('ready', flush=True); time.sleep(100)\n"
    )
    pid, done = interrupt(children, outputs, program, signal.SIGTERM)
    assert (done.returncode, outputs.pids()) == (3, {pid})


def test_sigterm_ignored_from_the_start(children, outputs):
    ignore = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)  # noqa: E731
    program = "os.kill(os.getpid(), signal.SIGTERM); print('on')"
    done = run(children, outputs, program, preexec_fn=ignore)
    assert (done.returncode, done.stdout) == (0, "on\n")


@pytest.mark.parametrize("moment", ["look_around", "write"])
def test_sigterm_waits_until_the_file_is_whole(children, outputs, moment):
    """A pool tells its workers to end, and kills them by SIGTERM while they do."""
    program = (
        "from pytracemalloc._session import Figures\n"
        f"done = Figures.{moment}\n"
        "def slow(*args):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return done(*args)\n"
        f"Figures.{moment} = slow\n"
    )
    process = start(children, outputs, program)
    assert children.finish(process).returncode == -signal.SIGTERM
    assert outputs.pids() == {process.pid}
    assert outputs.held(process.pid, 2) >= 3_000_000


FORKED = "pid = os.fork()\nif pid: sys.exit(-os.waitpid(pid, 0)[1] % 256)\n"


@pytest.mark.parametrize("first", ["", FORKED], ids=["itself", "forked"])
def test_sigterm_that_wakes_nobody(children, outputs, first):
    """Another thread gets it, and the main thread goes on waiting in a system call."""
    program = first + (
        "def work():\n"
        "    time.sleep(0.3)\n"
        "    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)\n"
        "    time.sleep(300)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "os.read(os.pipe()[0], 1)\n"
    )
    process = start(children, outputs, program)
    done = children.finish(process)
    assert done.returncode == (-signal.SIGTERM % 256 if first else -signal.SIGTERM)
    assert process.pid in outputs.pids() and len(outputs.pids()) == 1 + bool(first)


def test_anothers_handler_of_sigterm_is_called_once_in_a_child(children, outputs):
    """A handler in C, which CPython does not know of: signal.getsignal names ours."""
    program = (
        "import faulthandler\n"
        "dumps = open('dumps', 'w+')\n"
        "faulthandler.register(signal.SIGTERM, file=dumps, all_threads=False)\n"
        "pid = os.fork()\n"
        "if pid: sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(0.5)\n"
        "dumps.seek(0)\n"
        "os._exit(dumps.read().count('most recent call first'))\n"
    )
    process = start(children, outputs, program)
    assert children.finish(process).returncode == 1


def test_fork_by_a_thread(children, outputs):
    program = (
        "def fork():\n"
        "    global pid\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        print('ready', flush=True)\n"
        "        while True: time.sleep(1)\n"
        "t = threading.Thread(target=fork); t.start(); t.join()\n"
        "sys.stdin.readline()\n"
        "os.kill(pid, signal.SIGTERM)\n"
        "print(pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    process = start(children, outputs, program)
    assert process.stdout.readline() == "ready\n"
    done = children.finish(process, "go\n")
    pid, status = map(int, done.stdout.split())
    assert status == -signal.SIGTERM
    assert outputs.pids() == {process.pid, pid}


def test_a_forked_child_does_not_print_what_its_parent_had_buffered(children, outputs):
    program = (
        "print('once', end=' ')\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(100)\n"
        "os.waitpid(pid, 0)\n"
    )
    assert run(children, outputs, program).stdout == "once "
    assert len(outputs.pids()) == 2


def test_threads_end_before_the_file(children, outputs):
    program = (
        "def late():\n"
        "    global more\n"
        "    time.sleep(0.3)\n"
        "    more = bytearray(2_000_000)\n"
        "threading.Thread(target=late).start()\n"
    )
    process = start(children, outputs, program)
    assert children.finish(process).returncode == 0
    assert outputs.held(process.pid, 6) >= 2_000_000


# -- what cannot be written ------------------------------------------------------------

UNWRITTEN = {
    "os.rename(sys.path[0] + '/snapshots', 'gone')": "No such file or directory",
    "os.mkdir(f'snapshots/{os.getpid()}.pb.gz')": "Is a directory",
    "import pytracemalloc; pytracemalloc.stop()": "tracing had been stopped",
    "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (99, 99)); "
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)": "File too large",
}


@pytest.mark.parametrize("deed", UNWRITTEN)
@pytest.mark.parametrize("status", [0, 9])
def test_a_failure_is_one_line_and_changes_nothing(children, outputs, deed, status):
    process = start(children, outputs, f"{deed}\nsys.exit({status})")
    done = children.finish(process)
    path = outputs.folder / f"{process.pid}.pb.gz"
    line = f"pytracemalloc: {path}: not written: {UNWRITTEN[deed]}\n"
    assert (done.returncode, done.stderr) == (status, line)
    assert not path.is_file()
    assert not outputs.folder.exists() or set(os.listdir(outputs.folder)) <= {path.name}


def test_a_failure_without_a_stderr(children, outputs):
    children.write("prog.py", KEPT + "os.rename('snapshots', 'gone'); sys.exit(4)")
    for closed in ("2>&-", "2>/dev/full"):
        (children.folder / "snapshots").mkdir(exist_ok=True)
        done = children.shell(f"$PY prog.py {closed}; echo $?", env=outputs.env)
        assert done.stdout == "4\n"
        (children.folder / "gone").rmdir()


def test_no_memory_for_the_snapshot_is_told(children, outputs):
    program = "from pytracemalloc import _core; _core._fail_after(0)"
    done = run(children, outputs, program)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert ": not written: " in done.stderr
    assert outputs.pids() == set()
