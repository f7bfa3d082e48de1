# SPDX-License-Identifier: MIT
"""Ends at which little is left to report with: no memory, no files, no stack, modules
and hooks of the program's own in the way."""

from __future__ import annotations

import os
import resource
import signal
import sys
import types

import pytest

import pytracemalloc
from pytracemalloc._undisturbed import Undisturbed

HEAD = "── pytracemalloc ─"
KEPT = "kept = bytearray(3_000_000)\n"


def limited(which, most, hard=True):
    def limit():
        bound = most if hard else resource.getrlimit(which)[1]
        resource.setrlimit(which, (most, bound))

    return limit


def check_ended(children, code, *, status=0, **more):
    """Ends as it does without us, with a report and a whole file."""
    children.write("own/prog.py", code)
    plain = children.python("own/prog.py", **more)
    assert plain.returncode == status
    done = children.run("-o", "out.pb.gz", "own/prog.py", **more)
    assert (done.returncode, done.stdout) == (status, plain.stdout)
    assert HEAD in done.stderr and "_session" not in done.stderr, done.stderr
    saved = pytracemalloc.Snapshot.load(children.folder / "out.pb.gz")
    assert saved.statistics("filename")
    return done


# -- out of memory, of files, of stack -------------------------------------------------

ROWS = "rows = []\nwhile True: rows.append([1] * 20)\n"
HUGE = "kept = [bytes(1000) for _ in range(99)]\nbytes(1 << 50)\n"


@pytest.mark.skipif("PTM_ASAN" in os.environ, reason="it needs more address space")
@pytest.mark.parametrize("megabytes", [150, 300])
@pytest.mark.parametrize("code", [ROWS, HUGE], ids=["rows", "huge"])
def test_out_of_memory(children, code, megabytes):
    bound = limited(resource.RLIMIT_AS, megabytes << 20)
    done = check_ended(children, code, status=1, preexec_fn=bound)
    assert "MemoryError" in done.stderr


FILES = (
    f"{KEPT}opened = []\n"
    "try:\n    while True: opened.append(open('/dev/null'))\n"
    "except OSError: print('handled')\n"
)


def test_out_of_files(children):
    bound = limited(resource.RLIMIT_NOFILE, 50, hard=False)
    done = check_ended(children, FILES, preexec_fn=bound)
    assert done.stdout == "handled\n"


@pytest.mark.parametrize("limit", ["2**31 - 1", "2**31 - 1000", "300"])
def test_any_limit_of_recursion(children, limit):
    check_ended(children, f"{KEPT}import sys; sys.setrecursionlimit({limit})")


@pytest.mark.parametrize("limit", ["2**31 - 1", "1000"])
def test_sigterm_at_any_limit_of_recursion(children, limit):
    code = (
        f"{KEPT}import os, sys, time; sys.setrecursionlimit({limit})\n"
        "os.kill(os.getpid(), 15); time.sleep(60)\n"
    )
    check_ended(children, code, status=-signal.SIGTERM)


@pytest.mark.parametrize("left", range(1, 9))
def test_sigterm_where_no_stack_is_left(children, left):
    code = (
        f"{KEPT}import os, sys, time\n"
        "sleep, kill, me = time.sleep, os.kill, os.getpid()\n"
        "def f(n):\n"
        "    if n: return f(n - 1)\n"
        "    kill(me, 15); sleep(60)\n"
        f"f(sys.getrecursionlimit() - {left})\n"
    )
    children.write("prog.py", code)
    done = children.run("prog.py")
    deep = done.returncode == 1 and "RecursionError: maximum" in done.stderr
    assert done.returncode == -signal.SIGTERM or (deep and left < 4), done.stderr
    assert HEAD in done.stderr


# -- in the way ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["types", "json", "typing", "functools", "unicodedata", "zlib", "shutil"]
)
def test_a_module_of_the_programs_own(children, name):
    children.write(f"own/{name}.py", "MINE = 1")
    code = (
        f"{KEPT}import atexit, sys\n"
        f"sys.modules.pop('{name}', None)\n"
        f"import {name}\n"
        f"atexit.register(lambda: print({name}.MINE))\n"
    )
    done = check_ended(children, code)
    assert done.stdout == "1\n" or name in sys.builtin_module_names


def test_what_the_program_imported_comes_back(monkeypatch):
    """Also a part of it, and with nothing of what was there meanwhile."""
    made = {name: types.ModuleType(name) for name in ("this", "this.part")}
    made["this"].__file__ = "/elsewhere/this.py"
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, name, module)
    path = list(sys.path)
    with Undisturbed().own_imports():
        assert not made.keys() & sys.modules.keys()
        sys.modules["this"] = sys.modules["this.other"] = types.ModuleType("this")
        sys.path = []
    assert sys.modules["this"] is made["this"]
    assert sys.modules["this.part"] is made["this.part"]
    assert "this.other" not in sys.modules and sys.path == path


@pytest.mark.parametrize("setter", ["settrace", "setprofile"])
def test_a_follower_that_fails(children, setter):
    code = (
        f"{KEPT}import sys\n"
        "def follow(frame, event, what):\n"
        "    if '_session' in frame.f_code.co_filename: raise ValueError\n"
        "    return follow\n"
        f"sys.{setter}(follow)\n"
    )
    children.write("prog.py", code)
    done = children.run("prog.py")
    assert done.returncode == 0 and HEAD in done.stderr, done.stderr


@pytest.mark.parametrize(
    "line, status",
    [
        ("sys.last_traceback = 5; sys.last_type = KeyboardInterrupt", 0),
        ("sys.stdout.flush = exit", 120),
        ("import _thread, atexit; atexit.register(_thread.interrupt_main)", 0),
    ],
)
def test_what_a_program_may_do_to_its_end(children, line, status):
    check_ended(children, f"{KEPT}import sys\n{line}\n", status=status)


def test_ctrl_c_while_the_file_is_written(children):
    code = (
        f"{KEPT}import atexit, os, threading, time\n"
        "def interrupt():\n"
        "    while True: os.kill(os.getpid(), 2); time.sleep(0.002)\n"
        "thread = threading.Thread(target=interrupt, daemon=True)\n"
        "atexit.register(thread.start)\n"
    )
    children.write("prog.py", code)
    done = children.run("-o", "out.pb.gz", "prog.py")
    assert "_session" not in done.stderr, done.stderr
    assert pytracemalloc.Snapshot.load(children.folder / "out.pb.gz").traces
