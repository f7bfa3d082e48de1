# SPDX-License-Identifier: MIT
"""Source lines in reports: which line it is, and what is no source at all."""

from __future__ import annotations

import os
import zipfile

import pytest

from pytracemalloc import Snapshot
from pytracemalloc.cli import _source


def first_source(children, *words, **more):
    return children.report(*words, **more)["top"][0]["source"]


def test_source_lines(children):
    with zipfile.ZipFile(children.folder / "app.zip", "w") as archive:
        archive.writestr("__main__.py", "import other\na = bytearray(1_000_000)  # zip")
        archive.writestr("other.py", "b = bytearray(900_000)  # other")
    report = children.report("app.zip")
    sources = {row["source"] for row in report["top"]}
    assert {
        "a = bytearray(1_000_000)  # zip",
        "b = bytearray(900_000)  # other",
    } <= sources
    latin = children.folder / "latin.py"
    latin.write_bytes(b"# -*- coding: latin-1 -*-\nx = bytearray(1_000_000) # \xe9\n")
    assert children.report(latin)["top"][0]["source"] == "x = bytearray(1_000_000) # é"
    code = "def f():\n    return bytearray(1_000_000)\nx = f()"
    assert (
        children.report("-c", code)["top"][0]["source"] == "return bytearray(1_000_000)"
    )
    code = "exec('\\n\\nx = bytearray(1_000_000)')\ny = 1\nz = 2"
    assert children.report("-", text=code)["top"][0]["source"] == ""
    code = "x = bytearray(1_000_000)\nimport os; os.remove(__file__)"
    path = children.write("gone.py", code)
    assert children.report(path)["top"][0]["source"] == ""


# -- which line it is ------------------------------------------------------------------

#: Characters that end a line for str.splitlines(), but not for Python.
NO_ENDS = "\f\v\x1c\x1d\x1e\x85\u2028\u2029"
BIG = "x = bytearray(1_000_000)"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=ascii)
def test_lines_end_where_python_ends_them(children, end):
    text = f"a = '''{NO_ENDS}'''{end}\f{end}{end}{BIG} # here{end}y = 1{end}"
    path = children.folder / "prog.py"
    path.write_bytes(text.encode())
    assert first_source(children, "prog.py") == f"{BIG} # here"
    assert first_source(children, "-c", text) == f"{BIG} # here"
    with zipfile.ZipFile(children.folder / "app.zip", "w") as archive:
        archive.writestr("__main__.py", text)
    assert first_source(children, "app.zip") == f"{BIG} # here"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=ascii)
def test_the_coding_may_stand_in_the_second_line(children, end):
    text = f"#!/usr/bin/python{end}# coding: latin-1{end}{BIG} # \xe9{end}"
    path = children.folder / "prog.py"
    path.write_bytes(text.encode("latin-1"))
    assert _source.read(str(path))[2] == f"{BIG} # é"


def test_an_option_c_of_the_program_is_not_pythons(children):
    children.write("prog.py", f"exec({BIG!r})")
    for words in (["-c", "<module>"], ["-x", "-c", "y = 2"]):
        assert first_source(children, "prog.py", *words) == ""
        assert first_source(children, "-m", "prog", *words) == ""
    assert first_source(children, "-c", BIG, "-c", "y = 2") == BIG
    assert first_source(children, f"-c{BIG}", "-c", "y = 2") == BIG


# -- names of files that no source is read from ----------------------------------------


def allocates(name):
    code = "compile('x = [str(i) for i in range(9999)]', 'x', 'exec')"
    return f"exec({code}.replace(co_filename={name!r}))"


NO_NAMES = ["\ud800.py", "a\0b.py", "\udcff\udc41", "x" * 256, "a/" * 5000, ""]


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_names_that_no_file_can_have(children, name):
    done = children.run("--top", "99", "-c", allocates(name))
    assert (done.returncode, done.stderr.count("── pytracemalloc ─")) == (0, 1)
    assert first_source(children, "-c", allocates(name)) == ""


def test_names_that_the_locale_lacks(children):
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    code = allocates("caf\u00e9.py").encode("unicode_escape").decode()
    assert first_source(children, "-c", code, env=env) == ""


@pytest.fixture
def special(children):
    """Names of what is no regular file, or says that it is empty."""
    os.mkfifo(children.folder / "pipe")
    return ["pipe", "/dev/zero", "/dev/tty", "/proc/self/maps", "/proc/kmsg", "."]


def test_what_is_no_regular_file(children, special):
    for name in special:
        assert first_source(children, "-c", allocates(name)) == ""


def test_in_a_snapshot_of_somebody_else(children, special):
    traces = [(0, 8, ((name, 1),), None) for name in [*special, *NO_NAMES]]
    Snapshot(traces, 1).dump(children.folder / "theirs.pb.gz")
    done = children.call("report", "--top", "99", "theirs.pb.gz")
    assert (done.returncode, done.stderr) == (0, "")
    assert "pipe:1\n" in done.stdout


def test_a_device_is_not_even_opened(children, monkeypatch):
    """Some do something then: a tape is wound back, a watchdog wakes up."""
    os.mkfifo(children.folder / "pipe")
    monkeypatch.setattr(os, "open", None)
    assert _source.contents(str(children.folder / "pipe")) == b""
    assert _source.contents("/dev/zero") == b""


def test_a_file_that_is_too_big(children, monkeypatch):
    path = children.folder / "big.py"
    path.write_bytes(b"x = 1\n" + b"#" * 94)
    monkeypatch.setattr(_source, "SOURCE_BYTES_MAX", 100)
    assert _source.read(str(path))[0] == "x = 1"
    monkeypatch.setattr(_source, "SOURCE_BYTES_MAX", 99)
    assert _source.read(str(path)) in ([], [""])


def test_a_file_that_comes_in_pieces(children, monkeypatch):
    path = children.write("a.py", "x = 1\ny = 2\n")
    read = os.read
    monkeypatch.setattr(os, "read", lambda fd, n: read(fd, min(n, 5)))
    assert _source.read(str(path))[:2] == ["x = 1", "y = 2"]
