# SPDX-License-Identifier: MIT
"""PYTRACEMALLOC and PYTRACEMALLOC_INSTALL: tracing from the interpreter's start."""

from __future__ import annotations

import os
import shutil
import sys
import venv

import pytest

SHOW = (
    "import sys; p = sys.modules.get('pytracemalloc'); "
    "print(p.get_traceback_limit() if p and p.is_tracing() else 'off')"
)


def show(children, *options, code=SHOW, **env):
    done = children.python(*options, "-c", code, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize("value", ["1", "25", "65535", "007"])
def test_number_of_frames(children, value):
    assert show(children, PYTRACEMALLOC=value) == str(int(value))


@pytest.mark.parametrize("value", ["", "0", "000"])
def test_off(children, value):
    assert show(children, PYTRACEMALLOC=value) == "off"


def test_nothing_of_ours_is_loaded_when_off(children):
    code = "import sys; print([m for m in sys.modules if 'pytracemalloc' in m])"
    for env in ({}, {"PYTRACEMALLOC": "0"}, {"PYTRACEMALLOC_INSTALL": "0"}):
        assert show(children, code=code, **env) == "[]"
        assert show(children, "-X", "tracemalloc", code=code, **env) == "[]"


def test_little_is_loaded_when_on(children):
    code = "import sys; print(sorted(sys.modules))"
    plain = set(eval(show(children, code=code)))
    on = set(eval(show(children, code=code, PYTRACEMALLOC="1")))
    assert on - plain <= {
        "pytracemalloc", "pytracemalloc._core", "pytracemalloc._startup", "_signal",
        "atexit",  # built in: the engine must hear when the end begins
    }  # fmt: skip


NONSENSE = ["x", "-1", "1.5", "65536", "99999999999999999999", " 5", "5 ", "+5", "0x10",
            "1_0", "٣", "5\n6", "9" * 10000, "\x1b[31m", "on"]  # fmt: skip


@pytest.mark.parametrize("value", NONSENSE, ids=lambda v: ascii(v[:20]))
def test_nonsense_is_told_in_one_line_before_the_program_starts(children, value):
    done = children.python("-c", "print('started')", env={"PYTRACEMALLOC": value})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("pytracemalloc: PYTRACEMALLOC=")
    assert done.stderr.endswith(
        ": must be a number of frames from 1 to 65535, or 0 for off\n"
    )
    assert done.stderr.isascii() and len(done.stderr) < 200


@pytest.mark.parametrize("value", ["yes", "2", "-1"])
def test_nonsense_in_install(children, value):
    env = {"PYTRACEMALLOC_INSTALL": value}
    done = children.python("-c", "print('started')", env=env)
    assert (done.returncode, done.stdout) == (1, "")
    line = f"pytracemalloc: PYTRACEMALLOC_INSTALL={value!r}: must be 1, or 0 for off\n"
    assert done.stderr == line


def test_nonsense_without_a_stderr(children):
    done = children.shell("$PY -c 'print(1)' 2>&-; echo $?", env={"PYTRACEMALLOC": "x"})
    assert done.stdout == "1\n"


@pytest.mark.parametrize("option", ["-E", "-I"])
def test_the_environment_is_ignored_when_python_is_told_so(children, option):
    assert show(children, option, PYTRACEMALLOC="5") == "off"
    assert show(children, option, PYTRACEMALLOC="nonsense") == "off"
    code = "import tracemalloc; print(tracemalloc.__name__, tracemalloc.is_tracing())"
    alias = show(
        children, option, "-X", "tracemalloc", code=code, PYTRACEMALLOC_INSTALL="1"
    )
    assert alias == "tracemalloc True"


def test_site_is_not_run(children):
    assert show(children, "-S", PYTRACEMALLOC="5") == "off"


def test_children_inherit(children):
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SHOW!r}])"
    assert show(children, code=code, PYTRACEMALLOC="7") == "7"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_inherit(children, method):
    children.write(
        "prog.py",
        "import multiprocessing as mp\n"
        "def limit():\n"
        "    import pytracemalloc\n"
        "    print(pytracemalloc.is_tracing(), pytracemalloc.get_traceback_limit())\n"
        "if __name__ == '__main__':\n"
        f"    p = mp.get_context('{method}').Process(target=limit)\n"
        "    p.start(); p.join()\n",
    )
    done = children.python("prog.py", env={"PYTRACEMALLOC": "7"})
    assert (done.stdout, done.stderr) == ("True 7\n", "")


def test_a_traced_program_is_seen_from_its_first_line(children):
    code = (
        "kept = bytearray(1_000_000)\n"
        "import pytracemalloc\n"
        "trace = pytracemalloc.get_object_traceback(kept)\n"
        "print(trace[0].filename, trace[0].lineno)\n"
    )
    assert show(children, code=code, PYTRACEMALLOC="1") == "<string> 1"


# -- the alias -------------------------------------------------------------------------


def alias(children, *options, **env):
    code = (
        "import sys, tracemalloc as t, _tracemalloc, pytracemalloc as p\n"
        "limit = p.get_traceback_limit() if p.is_tracing() else 0\n"
        "ours = t is p.stdlib\n"
        "del sys.modules['_tracemalloc']\n"
        "p.uninstall()\n"
        "import _tracemalloc as core\n"
        "print('ours' if ours else 'core', limit, core.is_tracing())\n"
    )
    return show(children, *options, code=code, **env)


def test_install_alone_starts_nothing(children):
    assert alias(children, PYTRACEMALLOC_INSTALL="1") == "ours 0 False"


def test_without_install_core_is_left_alone(children):
    assert alias(children, "-X", "tracemalloc=3") == "core 0 True"
    assert alias(children, PYTHONTRACEMALLOC="3") == "core 0 True"
    both = alias(children, PYTHONTRACEMALLOC="3", PYTRACEMALLOC="5")
    assert both == "core 5 True"


def test_what_core_was_told_ours_does(children):
    install = {"PYTRACEMALLOC_INSTALL": "1"}
    assert alias(children, PYTHONTRACEMALLOC="3", **install) == "ours 3 False"
    assert alias(children, "-X", "tracemalloc", **install) == "ours 1 False"
    assert alias(children, "-X", "tracemalloc=9", **install) == "ours 9 False"
    both = alias(children, "-X", "tracemalloc=9", PYTHONTRACEMALLOC="3", **install)
    assert both == "ours 9 False"
    off = alias(children, "-X", "tracemalloc=0", PYTHONTRACEMALLOC="3", **install)
    assert off == "ours 0 False"


def test_our_variable_comes_first(children):
    env = {"PYTRACEMALLOC_INSTALL": "1", "PYTRACEMALLOC": "6"}
    assert alias(children, **env) == "ours 6 False"
    assert alias(children, "-X", "tracemalloc=9", **env) == "ours 6 False"


def test_warnings_ask_ours(children):
    children.write("prog.py", "def f():\n    open(__file__)\nf()\n")
    env = {"PYTRACEMALLOC_INSTALL": "1", "PYTRACEMALLOC": "5"}
    done = children.python("-X", "dev", "prog.py", env=env)
    assert "ResourceWarning: unclosed file" in done.stderr
    assert "Object allocated at (most recent call last):" in done.stderr
    assert done.stderr.index("lineno 3") < done.stderr.index("lineno 2")


def test_children_by_subprocess_get_the_alias_too(children):
    inner = "import tracemalloc as t; print(t.__name__, t.get_traceback_limit())"
    code = (
        "import subprocess, sys; args = subprocess._args_from_interpreter_flags(); "
        f"subprocess.run([sys.executable, *args, '-c', {inner!r}])"
    )
    seen = show(children, "-X", "tracemalloc=4", code=code, PYTRACEMALLOC_INSTALL="1")
    assert seen == "pytracemalloc.stdlib 4"


# -- installs --------------------------------------------------------------------------


@pytest.fixture
def install(children):
    """A virtual environment that has a copy of the installed package."""
    import pytracemalloc

    home = children.folder / "venv"
    venv.create(home, symlinks=True)
    site = next(home.glob("lib/python3.*/site-packages"))
    package = os.path.dirname(pytracemalloc.__file__)
    shutil.copytree(package, site / "pytracemalloc")
    shutil.copy(os.path.join(os.path.dirname(package), "pytracemalloc.pth"), site)
    return home / "bin/python", site


def test_the_line_runs_twice_in_a_virtual_environment(children, install):
    python, site = install
    (site / "a_counter.pth").write_text(
        "import sys; sys.runs = getattr(sys, 'runs', 0) + 1\n"
    )
    code = f"import sys; print(sys.runs); {SHOW}"
    done = children.finish(
        children.start([python, "-c", code], env={"PYTRACEMALLOC": "5"})
    )
    runs = 2 if sys.version_info < (3, 15) else 1
    assert (done.stdout, done.stderr) == (f"{runs}\n5\n", "")
    done = children.finish(
        children.start([python, "-c", code], env={"PYTRACEMALLOC": "x"})
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


BREAKS = {
    "no package": lambda site: shutil.rmtree(site / "pytracemalloc"),
    "no engine": lambda site: [
        f.unlink() for f in site.glob("pytracemalloc/_core*.so")
    ],
    "not an engine": lambda site: [
        f.write_text("?") for f in site.glob("pytracemalloc/_core*.so")
    ],
    "a syntax error": lambda site: (site / "pytracemalloc/__init__.py").write_text("("),
    "refuses": lambda site: (site / "pytracemalloc/__init__.py").write_text(
        "raise ImportError('not\\nfor this \\'one\\' \"here\"')"
    ),
    "half": lambda site: (site / "pytracemalloc/_startup.py").write_text(""),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_install_never_breaks_the_interpreter(children, install, how):
    python, site = install
    BREAKS[how](site)
    words = [python, "-c", "print('ran')"]
    for env in ({}, {"PYTRACEMALLOC": "0"}, {"PYTHONTRACEMALLOC": "3"}):
        done = children.finish(children.start(words, env=env))
        assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")
    for name in ("", "_INSTALL", "_OUTPUT"):
        env = {"PYTRACEMALLOC" + name: "1"}
        done = children.finish(children.start(words, env=env))
        assert (done.returncode, done.stdout) == (0, "ran\n")
        assert done.stderr.startswith("pytracemalloc: not tracing: ")
        assert done.stderr.count("\n") == 1, done.stderr


def test_another_interpreter_in_the_process_starts_nothing(children):
    code = (
        "try:\n    import _interpreters as interpreters\n"
        "except ImportError:\n    import _xxsubinterpreters as interpreters\n"
        "import pytracemalloc; pytracemalloc.stop()\n"
        "i = interpreters.create()\n"
        "interpreters.run_string(i, 'import sys; '\n"
        "    'assert not any(\"pytracemalloc\" in m for m in sys.modules)')\n"
        "interpreters.destroy(i)\n"
        "print(pytracemalloc.is_tracing())"
    )
    assert show(children, code=code, PYTRACEMALLOC="5") == "False"


def test_the_start_up_file_is_one_line_of_code():
    import pytracemalloc

    folder = os.path.dirname(os.path.dirname(pytracemalloc.__file__))
    with open(os.path.join(folder, "pytracemalloc.pth")) as file:
        lines = [line for line in file if not line.startswith("#")]
    assert len(lines) == 1
    assert lines[0].startswith("import ")
