# SPDX-License-Identifier: MIT
"""pytracemalloc diff: what it says of two files, and how it looks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata

import pytest

from pytracemalloc import Filter, Snapshot

PROGRAM = """\
import pytracemalloc
import pytracemalloc._file  # what dump() imports is not of the program

def grow():
    return [bytearray(1000) for _ in range(3000)]

def shrink():
    return [bytearray(2000) for _ in range(1000)]

def stay():
    return bytearray(50_000)

def main():
    kept, gone = stay(), shrink()
    pytracemalloc.take_snapshot().dump("old.pb.gz")
    del gone
    grown = grow()
    pytracemalloc.take_snapshot().dump("new.pb.gz")

pytracemalloc.start(25)
main()
"""

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BYS = ["line", "file", "function", "module", "traceback", "size", "domain"]
KEYS = {"line": "lineno", "file": "filename"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With a program and two snapshots of it."""
    path = tmp_path_factory.mktemp("snapshots")
    (path / "app.py").write_text(PROGRAM)
    subprocess.run([sys.executable, "app.py"], cwd=path, check=True)
    return path


@pytest.fixture
def diffs(children, folder):
    """Runs `pytracemalloc diff` where old.pb.gz and new.pb.gz are."""

    class Diffs:
        old = Snapshot.load(folder / "old.pb.gz")
        new = Snapshot.load(folder / "new.pb.gz")

        def text(self, *words, **more):
            done = children.call("diff", *words, cwd=folder, **more)
            assert (done.returncode, done.stderr) == (0, "")
            return done.stdout

        def json(self, *words, **more):
            return json.loads(self.text("--json", *words, **more))

        def refused(self, *words, **more):
            done = children.call("diff", *words, cwd=folder, **more)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.count("\n") == 1
            assert done.stderr.startswith("pytracemalloc: diff: ")
            return done.stderr

    return Diffs()


BOTH = ("old.pb.gz", "new.pb.gz")


def test_what_grew_and_what_shrank(diffs):
    lines = diffs.text("--top", "2", *BOTH).splitlines()
    assert re.fullmatch(r"── pytracemalloc diff ─+ 2\.0\.0a1, Python .* ──", lines[0])
    assert re.fullmatch(r"Old +2\.\d MiB  in +[\d,]+ blocks  old\.pb\.gz", lines[1])
    assert re.fullmatch(r"New +\d\.\d MiB  in +[\d,]+ blocks  new\.pb\.gz", lines[2])
    assert re.fullmatch(r"Change +\+1\.\d MiB  in +\+[\d,]+ blocks", lines[3])
    assert lines[5] == "Lines that changed most in live memory"
    assert lines[6].split() == ["CHANGE", "OLD", "NEW", "BLOCKS", "LINE"]
    # a bytearray's bytes are an object of their own from 3.15 on, and objects are
    # larger on free-threaded builds
    grown = r" +\+3\.[012] MiB +0 B +3\.[012] MiB +\+6,\d+  app\.py:5 in grow.*"
    assert re.fullmatch(grown, lines[7]) or sys.version_info < (3, 12)
    assert lines[8].strip() == "return [bytearray(1000) for _ in range(3000)]"
    shrunk = r" +-2\.0 MiB +2\.0 MiB +0 B +-2,\d+  app\.py:8 in shrink.*"
    assert re.fullmatch(shrunk, lines[9]) or sys.version_info < (3, 12)
    assert lines[10].strip() == "return [bytearray(2000) for _ in range(1000)]"
    assert re.fullmatch(r" +\+1\.\d MiB +\+[\d,]+  2 lines", lines[12])
    assert re.fullmatch(r" +[+-]?[\d.]+ K?i?B +[+-][\d,]+  [\d,]+ others?", lines[13])
    assert re.fullmatch(r" +[\d,]+ unchanged", lines[14])


@pytest.mark.parametrize("metric", ["live", "peak", "allocated", "freed"])
@pytest.mark.parametrize("by", BYS)
def test_rows_are_the_differences(diffs, by, metric):
    words = ("--by", by, "--metric", metric, "--top", "99999", *BOTH)
    report = diffs.json(*words)
    statistics = diffs.new.compare_to(diffs.old, KEYS.get(by, by), metric=metric)
    changed = [s for s in statistics if s.size_diff or s.count_diff]
    rows = [
        tuple(row[side][unit] for side in ("change", "new") for unit in row[side])
        for row in report["top"]
    ]
    assert rows == [(s.size_diff, s.count_diff, s.size, s.count) for s in changed]
    for row in report["top"]:
        for unit in ("bytes", "blocks"):
            assert row["new"][unit] - row["old"][unit] == row["change"][unit]
    assert report["changed"] == len(changed)
    assert report["unchanged"] == len(statistics) - len(changed)
    assert report["change"]["bytes"] == sum(row[0] for row in rows)
    assert report["change"]["blocks"] == sum(row[1] for row in rows)
    for side, snapshot in (("old", diffs.old), ("new", diffs.new)):
        sizes = [s.size for s in snapshot.statistics("filename", metric=metric)]
        assert report[side]["bytes"] == sum(sizes)


def test_functions_have_their_lines(diffs):
    report = diffs.json("--by", "function", *BOTH)
    if sys.version_info >= (3, 12):  # before, a comprehension is a function of its own
        lines = {row["function"]: row["line"] for row in report["top"][:2]}
        assert lines == {"grow": 5, "shrink": 8}
        text = diffs.text("--by", "function", *BOTH)
        assert "app.py:5)" in text and "app.py:8)" in text


def test_cumulative_counts_once(diffs):
    words = ("--by", "function", "--cumulative", "--top", "99999", *BOTH)
    report = diffs.json(*words)
    statistics = diffs.new.compare_to(diffs.old, "function", "once")
    changed = [s.size_diff for s in statistics if s.size_diff or s.count_diff]
    assert [row["change"]["bytes"] for row in report["top"]] == changed
    text = diffs.text("--by", "function", "--cumulative", "--top", "2", *BOTH)
    assert "Functions that changed most in live memory (cumulative)\n" in text
    assert f"2 of {len(changed)} functions; they share blocks\n" in text


def test_the_same_file_twice(diffs):
    text = diffs.text("old.pb.gz", "old.pb.gz")
    assert text.endswith("\nNo line changed.\n")
    assert re.search(r"\nChange +0 B  in +\+0 blocks\n", text)
    report = diffs.json("old.pb.gz", "old.pb.gz")
    assert report["top"] == [] and report["changed"] == 0 < report["unchanged"]


def test_the_other_way_round(diffs):
    there, back = diffs.json(*BOTH)["change"], diffs.json(*BOTH[::-1])["change"]
    assert there == {unit: -number for unit, number in back.items()}


def test_filters(diffs):
    report = diffs.json("--filter", "app.py", "--top", "99999", *BOTH)
    kept = [s.filter_traces([Filter(True, "*/app.py")]) for s in (diffs.old, diffs.new)]
    size = [sum(s.size for s in k.statistics("filename")) for k in kept]
    assert [report[side]["bytes"] for side in ("old", "new")] == size
    assert {os.path.basename(row["file"]) for row in report["top"]} == {"app.py"}
    words = ("--exclude", "app.py", "--top", "99999", *BOTH)
    others = {os.path.basename(row["file"]) for row in diffs.json(*words)["top"]}
    assert others and "app.py" not in others


def test_losses_are_told(diffs, children, folder):
    code = (
        "import pytracemalloc\n"
        "pytracemalloc.start()\n"
        "pytracemalloc._core._fail_after(0)\n"
        "kept = [bytearray(n) for n in range(1000, 200_000, 7)]\n"
        "pytracemalloc._core._fail_after(-1)\n"
        "pytracemalloc.take_snapshot().dump('lost.pb.gz')\n"
    )
    assert children.python("-c", code, cwd=folder).returncode == 0
    report = diffs.json("old.pb.gz", "lost.pb.gz")
    assert report["new"]["lost"]["blocks"] > 0 == report["old"]["lost"]["blocks"]
    assert "blocks could not be recorded\n" in diffs.text("old.pb.gz", "lost.pb.gz")


def test_json_has_the_fields_that_are_documented(diffs, json_fields):
    of_rows = {"file", "line", "function", "source", "module", "size", "domain"}
    allowed = {f"top[].{name}" for name in of_rows}
    everything = set()
    for by in BYS:
        everything |= json_fields.of(diffs.json("--by", by, *BOTH))
    subjects = {name for name in everything if name.startswith("top[].traceback")}
    assert allowed <= everything
    documented = json_fields.documented("diff") - {"top[].file"}
    assert everything - allowed - subjects == documented
    in_report = json_fields.documented("report")
    assert allowed | subjects <= in_report
    assert diffs.json(*BOTH)["schema"] == "pytracemalloc-diff/1"


def test_what_is_refused(diffs, folder):
    assert "required: OLD, NEW" in diffs.refused()
    assert "required: NEW" in diffs.refused("old.pb.gz")
    assert "unrecognized arguments: x" in diffs.refused(*BOTH, "x")
    assert "'nope.pb.gz': No such file" in diffs.refused("old.pb.gz", "nope.pb.gz")
    assert "is a folder" in diffs.refused(folder, "new.pb.gz")
    assert "app.py is not a snapshot" in diffs.refused("old.pb.gz", "app.py")
    assert "--metric: invalid choice" in diffs.refused("--metric", "end", *BOTH)
    words = ("--cumulative", "--by", "size", *BOTH)
    assert "not with size" in diffs.refused(*words)
    diffs.new.view("peak").dump(folder / "peak.pb.gz")
    problem = diffs.refused("old.pb.gz", "peak.pb.gz")
    assert "(live and peak): choose with --metric" in problem
    Snapshot([(0, 8, (("a.py", 1),), None)], 1).dump(folder / "made.pb.gz")
    words = ("--metric", "peak", "old.pb.gz", "made.pb.gz")
    assert "peak" in diffs.refused(*words)


def test_help(children):
    done = children.call("diff", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 88


def test_stdout_that_nobody_reads(children, folder):
    script = "$PY -m pytracemalloc diff --top 9999 old.pb.gz new.pb.gz"
    one = children.shell(f"{script} | head -n 1; echo ${{PIPESTATUS[0]}}", cwd=folder)
    assert one.stdout.endswith(" ──\n0\n") and one.stderr == ""


def width(text):
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("by", BYS)
def test_the_width_of_the_terminal(children, folder, by, columns):
    for name in BOTH:
        os.symlink(folder / name, children.folder / name)
    status, text = children.on_terminal("diff", "--by", by, *BOTH, columns=columns)
    assert status == 0
    plain = COLOUR.sub("", text)
    lines = plain.splitlines()
    assert len(lines[0]) == columns
    assert max(map(width, lines)) <= columns
    assert (" OLD " in plain) == (columns >= 80)


def test_colour_is_for_terminals(children, folder, diffs):
    for name in BOTH:
        os.symlink(folder / name, children.folder / name)
    text = children.on_terminal("diff", *BOTH)[1]
    assert "\x1b[1;31m" in text and "\x1b[1;32m" in text  # grown, shrunk
    assert "\x1b" not in diffs.text(*BOTH)
    text = children.on_terminal("diff", *BOTH, env={"NO_COLOR": "1"})[1]
    assert "\x1b" not in text and "Change" in text
