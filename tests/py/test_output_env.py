# SPDX-License-Identifier: MIT
"""PYTRACEMALLOC_OUTPUT: what it may say, who hears it, and where the file lands."""

from __future__ import annotations

import os

import pytest

SHOW = (
    "import os, sys; p = sys.modules.get('pytracemalloc'); "
    "print(os.getpid(), p.get_traceback_limit() if p and p.is_tracing() else 'off')"
)


def show(children, *options, env):
    """The id of a process, and its number of frames or off."""
    done = children.python(*options, "-c", SHOW, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    pid, limit = done.stdout.split()
    return int(pid), limit


def test_one_process(children, outputs):
    program = "import os\nkept = bytearray(3_000_000)\nprint(os.getpid())"
    children.write("prog.py", program)
    done = children.python("prog.py", env=outputs.env | {"PYTRACEMALLOC": "7"})
    assert (done.returncode, done.stderr) == (0, "")
    pid = int(done.stdout)
    assert outputs.pids() == {pid}
    assert 3_000_000 <= outputs.held(pid, 2) < 3_001_000
    assert outputs.load(pid).traceback_limit == 7


def test_nothing_of_ours_is_in_the_file(children, outputs):
    pid, _ = show(children, env=outputs.env)
    traces = outputs.load(pid).view("allocated").traces
    assert len(traces) > 10
    for trace in traces:
        assert all("pytracemalloc" not in f.filename for f in trace.traceback)


def test_little_is_loaded_before_the_program(children, outputs):
    code = "import sys; print(sorted(sys.modules))"
    plain = set(eval(children.python("-c", code).stdout))
    on = set(eval(children.python("-c", code, env=outputs.env).stdout))
    ours = {"", "._core", "._startup", "._session", "._output", "._undisturbed"}
    assert on - plain <= {"pytracemalloc" + n for n in ours} | {"_signal", "atexit"}


# -- together with the other variables -------------------------------------------------


def test_it_starts_the_tracing_by_itself(children, outputs):
    assert show(children, env=outputs.env)[1] == "25"
    assert show(children, env=outputs.env | {"PYTRACEMALLOC": ""})[1] == "25"
    assert show(children, env=outputs.env | {"PYTRACEMALLOC": "3"})[1] == "3"
    assert len(outputs.pids()) == 3


@pytest.mark.parametrize("off", ["0", "000"])
def test_pytracemalloc_0_is_off(children, outputs, off):
    for path in (outputs.env["PYTRACEMALLOC_OUTPUT"], "/no/such/{folder}/file"):
        env = {"PYTRACEMALLOC_OUTPUT": path, "PYTRACEMALLOC": off}
        assert show(children, env=env)[1] == "off"
    assert outputs.pids() == set()


def test_an_empty_value_is_none(children):
    assert show(children, env={"PYTRACEMALLOC_OUTPUT": ""})[1] == "off"
    env = {"PYTRACEMALLOC_OUTPUT": "", "PYTRACEMALLOC": "4"}
    assert show(children, env=env)[1] == "4"
    assert os.listdir(children.folder) == []


def test_what_core_was_told_gives_the_limit(children, outputs):
    env = outputs.env | {"PYTRACEMALLOC_INSTALL": "1"}
    assert show(children, "-X", "tracemalloc=9", env=env)[1] == "9"
    assert show(children, env=env)[1] == "25"


@pytest.mark.parametrize("option", ["-E", "-I", "-S"])
def test_python_may_ignore_it(children, outputs, option):
    assert show(children, option, env=outputs.env)[1] == "off"
    bad = {"PYTRACEMALLOC_OUTPUT": "/no/such/folder/{x}"}
    assert show(children, option, env=bad)[1] == "off"
    assert outputs.pids() == set()


# -- what is refused -------------------------------------------------------------------

REFUSED = {
    "{}": "{pid} is the only field there is: leave other braces out",
    "{name}.pb.gz": "{pid} is the only field there is: leave other braces out",
    "{pid": "{pid} is the only field there is: leave other braces out",
    "{pid}}": "{pid} is the only field there is: leave other braces out",
    "nope/{pid}.pb.gz": "no folder {here}/nope: make it first",
    "/nope/x.pb.gz": "no folder /nope: make it first",
    "there": "is a folder: name a file in it",
    "nope/": "no such folder",
    "/dev/null": "not a regular file: name another",
}


@pytest.mark.parametrize("value", REFUSED)
def test_nonsense_is_told_in_one_line_before_the_program_starts(children, value):
    (children.folder / "there").mkdir()
    env = {"PYTRACEMALLOC_OUTPUT": value}
    done = children.python("-c", "print('started')", env=env)
    reason = REFUSED[value].replace("{here}", str(children.folder))
    line = f"pytracemalloc: PYTRACEMALLOC_OUTPUT={value!r}: {reason}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    assert os.listdir(children.folder) == ["there"]


def test_a_name_that_is_too_long(children):
    env = {"PYTRACEMALLOC_OUTPUT": "x" * 256}
    done = children.python("-c", "print('started')", env=env)
    assert (done.returncode, done.stdout) == (1, "")
    reason = "xxx...': cannot be written: File name too long: name another\n"
    assert done.stderr.endswith(reason)


def test_a_folder_that_is_write_protected(children):
    children.folder.chmod(0o555)
    if os.access(children.folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    done = children.python("-c", "", env={"PYTRACEMALLOC_OUTPUT": "x.pb.gz"})
    assert done.returncode == 1
    assert ": cannot be written: Permission denied: name another\n" in done.stderr


def test_the_other_variables_are_refused_as_ever(children, outputs):
    for name in ("PYTRACEMALLOC", "PYTRACEMALLOC_INSTALL"):
        done = children.python("-c", "print(1)", env=outputs.env | {name: "x"})
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"pytracemalloc: {name}='x': must be ")
    assert outputs.pids() == set()


# -- relative paths --------------------------------------------------------------------


def test_a_relative_path_is_where_the_program_started(children):
    (children.folder / "sub").mkdir()
    inner = "import os; print(os.getpid())"
    code = (
        "import os, subprocess, sys; os.chdir('sub')\n"
        "print(os.getpid(), flush=True)\n"
        f"subprocess.run([sys.executable, '-c', {inner!r}])\n"
    )
    env = {"PYTRACEMALLOC_OUTPUT": "{pid}.pb.gz"}
    done = children.python("-c", code, env=env)
    files = {f"{pid}.pb.gz" for pid in done.stdout.split()}
    assert len(files) == 2
    assert set(os.listdir(children.folder)) == files | {"sub"}
    assert os.listdir(children.folder / "sub") == []


# -- without {pid} ---------------------------------------------------------------------

TREE = """\
import os, subprocess, sys
kept = bytearray(3_000_000)
if len(sys.argv) == 1:
    words = [sys.executable, __file__]
    subprocess.run([*words, "child"], check=True)
    pid = os.fork()
    if pid == 0:
        sys.exit()
    os.waitpid(pid, 0)
    os.remove("out") if os.path.exists("out") else print("not yet", flush=True)
    if "EXEC" in os.environ:
        os.execv(words[0], [*words, "again"])
else:
    import pytracemalloc
    print(sys.argv[1], pytracemalloc.is_tracing())
"""


@pytest.mark.parametrize("frames", ["", "5"])
def test_only_the_process_that_was_started_writes(children, outputs, frames):
    children.write("prog.py", TREE)
    env = {"PYTRACEMALLOC_OUTPUT": "out", "PYTRACEMALLOC": frames}
    done = children.python("prog.py", env=env)
    assert done.stdout == f"child {bool(frames)}\nnot yet\n"
    assert (done.returncode, done.stderr) == (0, "")
    os.rename(children.folder / "out", outputs.folder / "1.pb.gz")
    assert outputs.held(1, 2) >= 3_000_000


def test_what_it_becomes_by_exec_is_the_same_process(children, outputs):
    children.write("prog.py", TREE)
    env = {"PYTRACEMALLOC_OUTPUT": "out", "EXEC": "1"}
    done = children.python("prog.py", env=env)
    assert done.stdout == "child False\nnot yet\nagain True\n"
    assert (children.folder / "out").exists()


def test_a_child_that_is_given_a_path_of_its_own_writes_there(children):
    code = (
        "import os, subprocess, sys; os.environ['PYTRACEMALLOC_OUTPUT'] = 'inner'\n"
        "subprocess.run([sys.executable, '-c', ''], check=True)\n"
    )
    done = children.python("-c", code, env={"PYTRACEMALLOC_OUTPUT": "outer"})
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(os.listdir(children.folder)) == ["inner", "outer"]


# -- who is never stopped by it --------------------------------------------------------


def test_a_child_starts_even_where_its_file_cannot_be_written_any_more(children):
    (children.folder / "sub").mkdir()
    code = (
        "import os, subprocess, sys; os.rmdir('sub')\n"
        "words = [sys.executable, '-c', 'print(1); raise SystemExit(3)']\n"
        "done = subprocess.run(words)\n"
        "print(done.returncode)\n"
    )
    env = {"PYTRACEMALLOC_OUTPUT": "sub/{pid}.pb.gz"}
    done = children.python("-c", code, env=env)
    assert (done.returncode, done.stdout) == (0, "1\n3\n")
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(": not written: No such file" in line for line in lines)


# -- our own commands ------------------------------------------------------------------


def test_the_commands_that_read_files_write_none(children, outputs):
    pid, _ = show(children, env=outputs.env)
    path = outputs.folder / f"{pid}.pb.gz"
    done = children.call("report", path, env=outputs.env)
    assert (done.returncode, done.stderr) == (0, "")
    assert children.call("diff", path, path, env=outputs.env).returncode == 0
    assert outputs.pids() == {pid}
