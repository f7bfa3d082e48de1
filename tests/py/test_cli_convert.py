# SPDX-License-Identifier: MIT
"""The command pytracemalloc convert: words, files, stdout, and what is wrong.

What the formats hold: test_convert.py.
"""

from __future__ import annotations

import io
import os

import pytest

import pytracemalloc
from pytracemalloc import Snapshot, _file, convert

TEXTS = [f.name for f in convert.FORMATS if f.is_text]


@pytest.fixture(scope="module")
def taken():
    """Blocks of several sizes, some of which are gone at the end."""
    pytracemalloc.start(5)
    kept = [bytes(1000 + n) for n in range(500)]
    gone = [bytearray(5000) for n in range(100)]
    del gone
    snapshot = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    assert kept
    return snapshot


def written(snapshot, name, title):
    file = io.BytesIO()
    options = convert.Options(title=title)
    convert.write(snapshot, convert.format_named(name), options, file)
    return file.getvalue()


def by_stack(snapshot):
    return {
        tuple((f.filename, f.lineno) for f in s.traceback): (s.count, s.size)
        for s in snapshot.statistics("traceback")
    }


@pytest.fixture
def folder(children, taken):
    taken.dump(children.folder / "app.pb.gz")
    return children.folder


def command(children, *words, **more):
    words = children.command("convert", *words)
    return children.finish(children.start(words, **more))


@pytest.mark.parametrize("format", convert.FORMATS, ids=lambda f: f.name)
def test_by_suffix_and_by_name(children, folder, taken, format):
    if format.name == "parquet":
        pytest.importorskip("pyarrow")
    expected = written(taken, format.name, title="app.pb.gz")
    for suffix in (*format.suffixes, format.suffixes[0].upper()):
        done = command(children, "app.pb.gz", f"out{suffix}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (folder / f"out{suffix}").read_bytes() == expected
    done = command(children, "-f", format.name, "app.pb.gz", "other.thing")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "other.thing").read_bytes() == expected


def test_a_pickle_in(children, folder, taken):
    command(children, "app.pb.gz", "a.pickle")
    done = command(children, "a.pickle", "b.pb.gz")
    assert (done.returncode, done.stderr) == (0, "")
    back = Snapshot.load(folder / "b.pb.gz")
    assert by_stack(back) == by_stack(taken)


def test_onto_itself(children, folder, taken):
    done = command(children, "--metric", "peak", "app.pb.gz", "app.pb.gz")
    assert (done.returncode, done.stderr) == (0, "")
    assert Snapshot.load(folder / "app.pb.gz").at == "peak"


@pytest.mark.parametrize("name", TEXTS)
def test_to_stdout(children, folder, taken, name):
    done = command(children, "app.pb.gz", "-", "-f", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.encode() == written(taken, name, title="app.pb.gz")


@pytest.mark.parametrize("name", TEXTS)
def test_a_reader_that_leaves(children, folder, name):
    script = f"$PY -m pytracemalloc convert app.pb.gz - -f {name} | true; "
    done = children.shell(script + "echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == ("0\n", "")


def refused(done, *words):
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("pytracemalloc: convert: ")
    for word in words:
        assert word in done.stderr


WRONG = {
    "nothing": ([], "IN, OUT", "--help"),
    "no target": (["app.pb.gz"], "OUT", "--help"),
    "a missing file": (["gone.pb.gz", "x.csv"], "gone.pb.gz: No such file"),
    "a folder": (["sub", "x.csv"], "sub: Is a directory"),
    "a text": (["text", "x.csv"], "text is not a snapshot: it is a text"),
    "an empty file": (["empty", "x.csv"], "empty is not a snapshot: it is empty"),
    "a newer version": (["newer", "x.csv"], "by a newer pytracemalloc: format 9"),
    "a download": (["half.pb.gz", "x.csv"], "half.pb.gz is not a snapshot: it ends"),
    "a hostile pickle": (["evil", "x.csv"], "the pickle asks for os.system"),
    "no suffix": (["app.pb.gz", "x"], "x: the suffix", ".speedscope.json", ".parquet"),
    "an unknown suffix": (["app.pb.gz", "x.json"], ".dhat.json", ".pb.gz", ".folded"),
    "an unknown format": (["-f", "zip", "app.pb.gz", "x"], "'zip'", "collapsed, speed"),
    "an unknown metric": (["--metric", "x", "app.pb.gz", "x.csv"], "'x'", "freed"),
    "an unknown option": (["--foo", "app.pb.gz", "x.csv"], "--foo", "--help"),
    "a metric for all": (["--metric", "live", "app.pb.gz", "x.dhat.json"], "leave the"),
    "freed in pprof": (
        ["--metric", "freed", "app.pb.gz", "x.pb.gz"],
        "live, peak, all",
    ),
    "freed in pickles": (["--metric", "freed", "app.pb.gz", "x.pkl"], "live, peak"),
    "sites as frames": (["--by", "site", "app.pb.gz", "x.txt"], "line, function, file"),
    "a group in pprof": (["--by", "line", "app.pb.gz", "x.pb"], "whole stacks"),
    "a peak not told": (
        ["--metric", "peak", "a.pickle", "x.txt"],
        "this snapshot does not tell metric='peak'",
    ),
    "freed not told": (
        ["--metric", "freed", "-f", "collapsed", "listed.pb.gz", "-"],
        "this snapshot does not tell metric='freed'",
    ),
    "a missing folder": (["app.pb.gz", "no/x.csv"], "no/x.csv: No such file"),
    "a folder as target": (["-f", "csv", "app.pb.gz", "sub"], "sub: Is a directory"),
    "a full device": (["-f", "csv", "app.pb.gz", "/dev/full"], "/dev/full: No space"),
    "stdout by suffix": (["app.pb.gz", "-"], "stdout has no suffix", "-f"),
    "no text": (["-f", "pickle", "app.pb.gz", "-"], "is no text"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_one_line(children, folder, taken, case):
    (folder / "sub").mkdir()
    (folder / "text").write_text("hello\n")
    (folder / "empty").write_bytes(b"")
    (folder / "evil").write_bytes(b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00a\x85R.")
    newer = _file.profile_bytes(taken).replace(b"pytracemalloc 1", b"pytracemalloc 9")
    (folder / "newer").write_bytes(newer)
    whole = (folder / "app.pb.gz").read_bytes()
    (folder / "half.pb.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "a.pickle").write_bytes(written(taken, "pickle", title=""))
    Snapshot.load(folder / "a.pickle").dump(folder / "listed.pb.gz")
    before = sorted(os.listdir(folder))
    words, *expected = WRONG[case]
    refused(command(children, *words), *expected)
    assert sorted(os.listdir(folder)) == before


def test_without_pyarrow(children, folder):
    children.write("lib/pyarrow/__init__.py", "raise ImportError")
    env = {"PYTHONPATH": str(folder / "lib")}
    done = command(children, "app.pb.gz", "x.parquet", env=env)
    refused(done, "pip install 'pytracemalloc[parquet]'")


@pytest.mark.parametrize("name", ["s.csv", "s.pickle", "s.pb.gz", "s.speedscope.json"])
def test_a_full_disk_leaves_the_old_file(children, folder, name):
    (folder / name).write_text("old")
    # Without -B the limit would leave half a .pyc behind.
    script = f"ulimit -f 1; $PY -B -m pytracemalloc convert app.pb.gz {name}; echo $?"
    done = children.shell(script)
    assert done.stdout == "2\n"
    assert done.stderr == f"pytracemalloc: convert: {name}: File too large\n"
    assert (folder / name).read_text() == "old"
    assert sorted(os.listdir(folder)) == sorted(["app.pb.gz", name])


def test_a_full_stdout(children, folder):
    script = "$PY -m pytracemalloc convert app.pb.gz - -f csv >/dev/full; echo $?"
    done = children.shell(script)
    assert done.stdout == "2\n"
    assert done.stderr == "pytracemalloc: convert: stdout: No space left on device\n"


def test_help(children):
    done = command(children, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for format in convert.FORMATS:
        assert f"  {format.name}" in done.stdout
        assert all(suffix in done.stdout for suffix in format.suffixes)
    assert done.stdout.count("\n  pytracemalloc convert ") == 4
    assert max(map(len, done.stdout.splitlines())) <= 88
