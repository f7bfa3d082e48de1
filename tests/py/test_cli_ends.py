# SPDX-License-Identifier: MIT
"""The ways in which a program under `pytracemalloc run` may end."""

from __future__ import annotations

import json
import os
import signal

import pytest

HEAD = "── pytracemalloc ─"


def interrupt(children, program, number, *options, **more):
    """Sends a signal once the program has printed that it is ready."""
    children.write("prog.py", program)
    words = children.command("run", *options, "prog.py")
    process = children.start(words, **more)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    return children.finish(process)


def test_ctrl_c(children):
    program = "import time\nprint('ready', flush=True)\ntime.sleep(100)\n"
    done = interrupt(children, program, signal.SIGINT)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    traceback, report = done.stderr.split("KeyboardInterrupt\n")
    assert "_session" not in traceback and 'prog.py", line ' in traceback
    assert HEAD in report


@pytest.mark.parametrize("options", [["--json"], ["-o", "out"], ["--by", "function"]])
@pytest.mark.parametrize("kind", ["script", "-m", "-c"])
def test_the_report_does_not_change_death_by_ctrl_c(children, kind, options):
    code = "class A: pass\nraise KeyboardInterrupt"
    children.write("prog.py", code)
    words = {"script": ["prog.py"], "-m": ["-m", "prog"], "-c": ["-c", code]}[kind]
    plain = children.python(*words)
    done = children.run(*options, *words)
    assert done.returncode == plain.returncode == -signal.SIGINT
    assert done.stderr.startswith(plain.stderr)


def test_ctrl_c_as_the_shell_sees_it(children):
    children.write("prog.py", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)")
    done = children.shell("$RUN prog.py; echo $?")
    assert done.stdout == "130\n"


BLOCKED = {
    "sleep": "import time; time.sleep(100)",
    "read": "import os; os.read(os.pipe()[0], 1)",
    "input": "input()",
    "socket": "import socket; socket.socketpair()[0].recv(1)",
    "select": "import select; select.select([], [], [])",
    "lock": "import threading; k = threading.Lock(); k.acquire(); k.acquire()",
    "queue": "import queue; queue.Queue().get()",
    "child": "import subprocess as s, sys; s.run(['sleep', '100'])",
    "asyncio": "import asyncio; asyncio.run(asyncio.sleep(100))",
    "thread": (
        "import threading, time\n"
        "t = threading.Thread(target=time.sleep, args=(100,)); t.start()\n"
        "t.join()"
    ),
    "deep": (
        "import time\ndef f(n): f(n - 1) if n else time.sleep(100)\n"
        "import sys; f(sys.getrecursionlimit() - 10)"
    ),
    "loop": "while True: pass",
}


KEPT = "kept = bytearray(3_000_000)"


def ends_by_sigterm(children, program):
    done = interrupt(children, program, signal.SIGTERM)
    assert done.returncode == -signal.SIGTERM
    assert done.stderr.startswith(f"\n{HEAD}")
    assert KEPT in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("where", BLOCKED)
def test_sigterm(children, where):
    ready = f"{KEPT}\nprint('ready', flush=True)\n"
    ends_by_sigterm(children, f"{ready}{BLOCKED[where]}\nprint('on')\n")


def test_sigterm_while_the_last_threads_are_waited_for(children):
    """The program has ended, and the interpreter waits for what it started."""
    ends_by_sigterm(
        children,
        f"import threading, time\n{KEPT}\n"
        "def last():\n"
        "    threading.main_thread().join()\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(100)\n"
        "threading.Thread(target=last).start()\n",
    )


def test_sigterm_in_the_middle_of_an_import(children):
    """Half a module of the standard library is there, and the report needs it."""
    children.write(
        "prog.py",
        "import os, signal, sys\n"
        "class Stop:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name in ('functools', 'json.decoder'):\n"
        "            sys.meta_path.remove(Stop)\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Stop)\n"
        "for name in ('functools', 'json', 're', 'typing'):\n"
        "    for found in [m for m in sys.modules if m.split('.')[0] == name]:\n"
        "        del sys.modules[found]\n"
        "import typing, json\n",
    )
    for options in ([], ["--json"], ["-o", "out.pb.gz"]):
        done = children.run(*options, "prog.py")
        assert done.returncode == -signal.SIGTERM
        assert "no report" not in done.stderr
        assert HEAD in done.stderr or "schema" in done.stderr


def test_sigterm_runs_nothing_of_the_program(children):
    program = (
        "import atexit, time\natexit.register(print, 'atexit')\n"
        "try:\n    print('ready', flush=True)\n    time.sleep(100)\n"
        "finally:\n    print('finally')\n"
    )
    done = interrupt(children, program, signal.SIGTERM)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")


def test_sigterm_writes_the_snapshot(children):
    program = "import time\nprint('ready', flush=True)\ntime.sleep(100)\n"
    done = interrupt(children, program, signal.SIGTERM, "-o", "out.pb.gz")
    assert done.returncode == -signal.SIGTERM
    assert (children.folder / "out.pb.gz").stat().st_size > 0


def test_sigterm_that_the_program_handles(children):
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *a: sys.exit(3))\n"
        "print('ready', flush=True)\ntime.sleep(100)\n"
    )
    done = interrupt(children, program, signal.SIGTERM)
    assert done.returncode == 3
    assert done.stderr.count(HEAD) == 1


def test_sigterm_ignored_from_the_start(children):
    program = "import sys\nprint('ready', flush=True)\nsys.stdin.read()\nprint('on')\n"
    ignore = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)  # noqa: E731
    done = interrupt(children, program, signal.SIGTERM, preexec_fn=ignore)
    assert (done.returncode, done.stdout) == (0, "on\n")


@pytest.mark.parametrize("code", ["os._exit(4)", "os.execlp('false', 'false')"])
def test_no_report_where_the_program_leaves_at_once(children, code):
    out = children.write("out.pb.gz", "before")
    done = children.run("-o", out, "-c", f"import os; {code}")
    assert (done.returncode, done.stderr) == (4 if "4" in code else 1, "")
    assert out.read_text() == "before"


def test_no_report_after_sigkill(children):
    out = children.write("out.pb.gz", "before")
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    done = children.run("-o", out, "-c", code)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    assert out.read_text() == "before"


def test_help_tells_of_the_ends_without_a_report(children):
    text = children.run("--help").stdout
    for word in ("os._exit()", "exec*()", "SIGKILL", "Forked children"):
        assert word in text


FORKS = {
    "exit": "import sys; sys.exit(0)",
    "_exit": "os._exit(0)",
    "exception": "sys.stderr = None; 1 / 0",
    "sigterm": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(100)",
}


@pytest.mark.parametrize("end", FORKS)
def test_a_forked_child_neither_reports_nor_writes(children, end):
    children.write(
        "prog.py",
        "import os, signal, sys, time\n"
        "pid = os.fork()\n"
        f"if pid == 0:\n    x = 1; {FORKS[end]}\n"
        "status = os.waitpid(pid, 0)[1]\n"
        "print(os.waitstatus_to_exitcode(status), os.path.exists('out.pb.gz'))\n",
    )
    done = children.run("-o", "out.pb.gz", "prog.py")
    code = {"exception": 1, "sigterm": -signal.SIGTERM}.get(end, 0)
    assert done.stdout == f"{code} False\n"
    assert done.stderr.count(HEAD) == 1
    assert (children.folder / "out.pb.gz").exists()


def test_a_forked_child_has_the_default_action(children):
    code = (
        "import os, signal\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert children.run("-c", code).stdout == "1\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(children, method):
    children.write(
        "prog.py",
        "import multiprocessing as mp\n"
        "def double(n): return n * 2\n"
        "if __name__ == '__main__':\n"
        f"    context = mp.get_context('{method}')\n"
        "    with context.Pool(2) as pool:\n"
        "        print(pool.map(double, range(5)))\n"
        "    process = context.Process(target=double, args=(1,))\n"
        "    process.start(); process.join(); print(process.exitcode)\n",
    )
    done = children.run("-o", "out.pb.gz", "prog.py")
    assert (done.returncode, done.stdout) == (0, "[0, 2, 4, 6, 8]\n0\n")
    assert done.stderr.count(HEAD) == 1


def test_threads_and_atexit_come_before_the_report(children):
    children.write(
        "prog.py",
        "import atexit, sys, threading, time\n"
        "kept = []\n"
        "def late():\n"
        "    time.sleep(0.2)\n"
        "    kept.append(bytearray(3_000_000))\n"
        "    print('thread', file=sys.stderr)\n"
        "atexit.register(print, 'atexit', file=sys.stderr)\n"
        "threading.Thread(target=late).start()\n"
        "print('main', file=sys.stderr)\n",
    )
    done = children.run("--at", "end", "prog.py")
    assert done.stderr.startswith(f"main\nthread\natexit\n\n{HEAD}")
    assert "kept.append(bytearray(3_000_000))" in done.stderr


def test_what_was_printed_comes_first(children):
    done = children.shell("$RUN -c \"print('last words', end='')\" 2>&1")
    assert done.stdout.startswith(f"last words\n{HEAD}")


def test_a_daemon_thread_does_not_hold_the_end(children):
    code = (
        "import threading\n"
        "def work():\n    while True: [bytes(100) for _ in range(100)]\n"
        "threading.Thread(target=work, daemon=True).start()\n"
    )
    done = children.run("-c", code)
    assert done.returncode == 0
    assert done.stderr.count(HEAD) == 1


@pytest.mark.parametrize(
    "code",
    ["import pytracemalloc; pytracemalloc.stop()",
     "import tracemalloc; tracemalloc.stop()"],
)  # fmt: skip
def test_a_program_that_stops_tracing_is_told_of(children, code):
    env = {"PYTRACEMALLOC_INSTALL": "1"} if code.startswith("import tracem") else {}
    done = children.run("-o", "out.pb.gz", "-c", code, env=env)
    assert done.returncode == 0
    assert "the program stopped tracing before it ended" in done.stderr
    assert "out.pb.gz: not written: " in done.stderr
    assert not (children.folder / "out.pb.gz").exists()
    assert children.report("-c", code, env=env) == {
        "schema": "pytracemalloc-report/1",
        "version": children.report("-c", "")["version"],
        "python": children.report("-c", "")["python"],
        "tracing": False,
        "output": None,
    }


@pytest.mark.parametrize("code", ["p.stop(); p.start()", "p.clear_traces()"])
def test_a_program_that_drops_the_traces_is_told_of(children, code):
    code = f"import pytracemalloc as p; x = bytes(5_000_000); {code}"
    done = children.run("-c", code)
    assert "the program dropped what was traced until then" in done.stderr
    report = children.report("-c", code)
    assert report["tracing"] and report["cleared"]
    assert report["peak"]["bytes"] < 5_000_000
    assert not children.report("-c", "pass")["cleared"]


def test_tracemalloc_of_the_program_beside_ours(children):
    code = (
        "import tracemalloc as t\n"
        "t.start(); x = bytearray(2_000_000)\n"
        "size = t.get_traced_memory()[0]; t.stop()\n"
        "y = bytearray(1_000_000)\n"
        "assert size >= 2_000_000, size\n"
    )
    assert children.report("-c", code)["end"]["bytes"] >= 3_000_000


CODES = ["pass", "import sys; sys.exit(5)", "1/0", "print('x')"]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full", "2> >(exec 0<&-)"])
def test_stderr_never_changes_the_exit_code(children, code, stderr):
    env = {"CODE": code}
    plain = children.shell(f'$PY -c "$CODE" {stderr}; echo $?', env=env)
    ours = children.shell(f'$RUN -c "$CODE" {stderr}; echo $?', env=env)
    assert ours.stdout == plain.stdout


@pytest.mark.parametrize("stdout", [">&-", ">/dev/full"])
def test_stdout_ends_as_with_python(children, stdout):
    for code in CODES:
        env = {"CODE": code}
        plain = children.shell(f'$PY -c "$CODE" {stdout}; echo $? >&2', env=env)
        ours = children.shell(f'$RUN -c "$CODE" {stdout}; echo $? >&2', env=env)
        assert ours.stderr.split()[-1] == plain.stderr.split()[-1]


def test_a_closed_pipe_with_sigpipe_set_to_kill(children):
    children.write(
        "prog.py",
        "import os, signal, sys\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "reader, writer = os.pipe(); os.close(reader); os.dup2(writer, 2)\n"
        "sys.exit(6)\n",
    )
    assert children.run("prog.py").returncode == 6


def test_a_file_that_got_the_number_of_stderr(children):
    code = "f = open('data', 'w'); assert f.fileno() == 2; f.write('mine')"
    done = children.shell('$RUN -c "$CODE" 2>&-; echo $?', env={"CODE": code})
    assert done.stdout == "0\n"
    assert (children.folder / "data").read_text() == "mine"


def test_a_stderr_that_the_program_led_elsewhere(children):
    code = "import os; os.dup2(os.open('log', os.O_CREAT | os.O_WRONLY), 2)"
    assert children.run("-c", code).stderr == ""
    assert HEAD in (children.folder / "log").read_text()


def test_a_nonblocking_stderr(children):
    code = "import os; os.set_blocking(2, False); os.write(2, b'x' * 65536)"
    script = '$RUN -c "$CODE" 2> >(sleep 0.3; wc -c); wait'
    done = children.shell(script, env={"CODE": code})
    assert int(done.stdout) > 65536 + 500


HOSTILE = {
    "sys.path": "import sys; sys.path[:] = []",
    "sys.path gone": "import sys; del sys.path",
    "streams": "import sys; sys.stderr = sys.stdout = None",
    "limit": "import sys; sys.setrecursionlimit(20)",
    "folder gone": "import os; os.mkdir('d'); os.chdir('d'); os.rmdir('../d')",
    "environ": "import os; os.environ.clear()",
    "builtins": "import builtins; builtins.print = builtins.sum = None",
    "hook": "import sys; sys.excepthook = None",
    "argv": "import sys; del sys.argv",
    "threads": "import threading; threading.current_thread().name = '\\x1b'",
    "umask": "import os; os.umask(0o777)",
}


@pytest.mark.parametrize("deed", HOSTILE)
def test_what_the_program_did_to_the_interpreter(children, deed):
    done = children.run("-c", f"x = bytearray(1_000_000)\n{HOSTILE[deed]}")
    assert done.returncode == 0, done.stderr
    if deed == "builtins":
        assert "pytracemalloc" in done.stderr
    else:
        assert "<string>:1" in done.stderr


def test_modules_of_the_program_that_shadow_the_standard_library(children):
    for name in ("json", "linecache", "unicodedata", "dataclasses", "_text", "cli"):
        children.write(f"{name}.py", "1 / 0")
    children.write("prog.py", "x = bytearray(1_000_000)")
    done = children.run("prog.py")
    assert done.returncode == 0
    assert "prog.py:1" in done.stderr


def test_paths_are_resolved_before_the_program_starts(children):
    (children.folder / "sub").mkdir()
    code = "import os; os.chdir('sub')"
    done = children.run("-o", "out.pb.gz", "--report", "report", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert (children.folder / "out.pb.gz").exists()
    assert HEAD in (children.folder / "report").read_text()
    assert os.listdir(children.folder / "sub") == []


def test_an_output_that_fails_at_the_end(children):
    (children.folder / "sub").mkdir()
    code = "import os, sys; os.rmdir('sub'); sys.exit(9)"
    done = children.run("-o", "sub/out.pb.gz", "--report", "sub/report", "-c", code)
    assert done.returncode == 9
    assert len(done.stderr.splitlines()) == 2
    assert "sub/out.pb.gz: not written: No such file" in done.stderr
    assert "sub/report: not written: No such file" in done.stderr


def test_the_old_output_is_there_until_the_end(children):
    out = children.write("out.pb.gz", "before")
    code = "print(open('out.pb.gz').read()); 1 / 0"
    done = children.run("-o", out, "-c", code)
    assert (done.returncode, done.stdout) == (1, "before\n")
    assert out.read_bytes()[:2] == b"\x1f\x8b"
    assert sorted(os.listdir(children.folder)) == ["out.pb.gz"]


def test_names_as_long_as_they_may_be(children):
    names = ["s" * 255, "r" * 255]
    words = ["-o", names[0], "--report", names[1], "-c", ""]
    done = children.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(os.listdir(children.folder)) == sorted(names)


def test_an_output_by_a_link_replaces_what_it_leads_to(children):
    (children.folder / "sub").mkdir()
    link = children.folder / "link"
    link.symlink_to("sub/out.pb.gz")
    assert children.run("-o", link, "-c", "").returncode == 0
    assert link.is_symlink()
    assert (children.folder / "sub/out.pb.gz").read_bytes()[:2] == b"\x1f\x8b"


SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
interpreter = interpreters.create()
interpreters.run_string(interpreter, "x = list(range(1000))")
interpreters.destroy(interpreter)
"""


def test_another_interpreter_in_the_process(children):
    done = children.run("-c", SUBINTERPRETER)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(HEAD) == 1
    assert done.stderr.startswith(f"\n{HEAD}")


def test_json_after_sigterm(children):
    program = "import time\nprint('ready', flush=True)\ntime.sleep(100)\n"
    done = interrupt(children, program, signal.SIGTERM, "--json")
    assert json.loads(done.stderr)["tracing"]
