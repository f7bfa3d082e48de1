# SPDX-License-Identifier: MIT
"""The commands in a folder that was removed: python works there, and so do they."""

from __future__ import annotations

import os

import pytest

HEAD = "── pytracemalloc"
GONE = "the current folder is gone: name an absolute path"


@pytest.fixture
def nowhere(children):
    """Runs a shell command line in a folder that is gone."""

    def run(script, **more):
        (children.folder / "gone").mkdir()
        return children.shell(f"cd gone && rmdir ../gone && {script}", **more)

    return run


@pytest.fixture
def program(children):
    return children.write("prog.py", "x = bytearray(3_000_000)\nprint('ran')\n")


def refused(done, line):
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pytracemalloc: {line}\n"


def test_modules_scripts_and_code(nowhere, program):
    for words in ("-m json.tool --help", f"'{program}'", "-c 'print(1)'"):
        plain, ours = nowhere(f"$PY {words}"), nowhere(f"$RUN {words}")
        assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout)
        assert ours.stdout != "" and ours.stderr.count(HEAD) == 1


def test_what_is_not_there(nowhere):
    reason = "No such file or directory; check the name"
    refused(nowhere("$RUN s.py"), f"run: cannot open 's.py': {reason}")
    reason = "install it or check the name"
    refused(nowhere("$RUN -m nope"), f"run: no module named 'nope': {reason}")


@pytest.mark.parametrize("option", ["-o", "--report"])
def test_relative_names_of_outputs(nowhere, program, option):
    refused(nowhere(f"$RUN {option} x '{program}'"), f"run: {option} x: {GONE}")


def test_absolute_names_of_outputs(children, nowhere, program):
    out, report = children.folder / "o.pb.gz", children.folder / "report"
    done = nowhere(f"$RUN -o '{out}' --report '{report}' '{program}'")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")
    assert f"Snapshot: {out} (" in report.read_text()
    for words in (f"report '{out}'", f"diff '{out}' '{out}'"):
        done = nowhere(f"$PY -m pytracemalloc {words}")
        assert (done.returncode, done.stderr) == (0, "")
        assert HEAD in done.stdout
    done = nowhere(f"$PY -m pytracemalloc convert '{out}' '{out}.csv'")
    assert (done.returncode, done.stderr) == (0, "")
    assert os.path.getsize(f"{out}.csv") > 0


def test_relative_names_for_the_other_commands(children, nowhere):
    children.run("-o", "o.pb.gz", "-c", "")
    out = children.folder / "o.pb.gz"
    for words in ("report x", f"diff x '{out}'", f"convert '{out}' x.csv"):
        done = nowhere(f"$PY -m pytracemalloc {words}")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1, done.stderr
        assert "No such file or directory" in done.stderr
