# SPDX-License-Identifier: MIT
"""PYTRACEMALLOC_OUTPUT beside `pytracemalloc run`: the program itself is the run's,
its children are the variable's."""

from __future__ import annotations

import os
import signal
import sys

HEAD = "── pytracemalloc ─"

TREE = """\
import os, subprocess, sys
kept = bytearray(3_000_000)
print(os.getpid(), flush=True)
pid = os.fork()
if pid == 0:
    print(os.getpid(), flush=True)
    sys.exit()
os.waitpid(pid, 0)
code = "import os; print(os.getpid())"
subprocess.run([sys.executable, "-c", code], check=True)
"""


def run(children, outputs, *options):
    """The ids of the program, its fork, and its subprocess; and the report."""
    children.write("prog.py", TREE)
    done = children.run(*options, "prog.py", env=outputs.env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(HEAD) == 1 and "not written" not in done.stderr
    own, fork, sub = map(int, done.stdout.split())
    assert outputs.held(fork, 2) >= 3_000_000
    assert outputs.load(sub).traceback_limit == 25
    return own, fork, sub, done.stderr


def test_with_o_the_file_of_the_program_is_the_runs(children, outputs):
    _, fork, sub, report = run(children, outputs, "-n", "4", "-o", "run.pb.gz")
    assert outputs.pids() == {fork, sub}
    assert "Snapshot: run.pb.gz (" in report
    os.rename(children.folder / "run.pb.gz", outputs.folder / "1.pb.gz")
    assert outputs.held(1, 2) >= 3_000_000
    assert outputs.load(fork).traceback_limit == 4


def test_without_o_it_is_the_variables(children, outputs):
    own, fork, sub, report = run(children, outputs)
    assert outputs.pids() == {own, fork, sub}
    assert f"Snapshot: snapshots/{own}.pb.gz (" in report
    assert outputs.held(own, 2) >= 3_000_000
    assert outputs.load(own).traceback_limit == 25


def test_without_pid_the_program_is_the_only_one(children):
    children.write("prog.py", TREE)
    env = {"PYTRACEMALLOC_OUTPUT": "out.pb.gz"}
    done = children.run("prog.py", env=env)
    assert "Snapshot: out.pb.gz (" in done.stderr
    done = children.run("-o", "run.pb.gz", "prog.py", env=env)
    assert "Snapshot: run.pb.gz (" in done.stderr
    assert sorted(os.listdir(children.folder)) == ["out.pb.gz", "prog.py", "run.pb.gz"]


def test_off_is_off(children, outputs):
    children.write("prog.py", TREE)
    done = children.run("prog.py", env=outputs.env | {"PYTRACEMALLOC": "0"})
    assert done.stderr.count(HEAD) == 1 and "Snapshot:" not in done.stderr
    assert "1 frame per block" in done.stderr
    assert outputs.pids() == set()


def test_nonsense_is_refused_before_the_command(children):
    env = {"PYTRACEMALLOC_OUTPUT": "nope/{pid}"}
    done = children.run("-c", "print('started')", env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


def test_a_pool_under_run(children, outputs):
    children.write(
        "prog.py",
        "import multiprocessing as mp, os, time\n"
        "def work(n):\n"
        "    time.sleep(0.05)\n"
        "    return os.getpid()\n"
        "with mp.get_context('fork').Pool(2) as pool:\n"
        "    print(*pool.map(work, range(6), chunksize=1))\n",
    )
    done = children.run("prog.py", env=outputs.env)
    assert done.returncode == 0
    assert done.stderr.count(HEAD) == 1
    assert set(map(int, done.stdout.split())) <= outputs.pids()


def test_sigterm_at_the_report(children, outputs):
    """The file is whole, the report is not cut off, and then the signal has its way."""
    children.write(
        "prog.py",
        "import os, signal\n"
        "from pytracemalloc import _session\n"
        "write = _session.Figures.write\n"
        "def slow(*args):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return write(*args)\n"
        "_session.Figures.write = slow\n",
    )
    process = children.start(children.command("run", "prog.py"), env=outputs.env)
    done = children.finish(process)
    assert done.returncode == -signal.SIGTERM
    assert done.stderr.count(HEAD) == 1
    assert outputs.pids() == {process.pid}


def test_a_run_inside_a_program(children, outputs):
    words = [sys.executable, "-m", "pytracemalloc", "run", "-c", "pass"]
    code = f"import os, subprocess; subprocess.run({words!r}, check=True)"
    process = children.start([sys.executable, "-c", code], env=outputs.env)
    done = children.finish(process)
    assert (done.returncode, done.stderr.count(HEAD)) == (0, 1)
    assert len(outputs.pids()) == 2 and process.pid in outputs.pids()
