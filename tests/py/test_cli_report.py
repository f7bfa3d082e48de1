# SPDX-License-Identifier: MIT
"""What the report says, and how it looks."""

from __future__ import annotations

import json
import os
import re
import stat
import unicodedata

import pytest

from pytracemalloc import Snapshot, _text

MIB = 1 << 20

PROGRAM = """\
import sys

def fill():
    return [bytes(1000) for _ in range(2000)]

class Keeper:
    def keep(self):
        self.kept = bytearray(3 << 20)

def high():
    return len(bytearray(20 << 20))

data = fill()
keeper = Keeper()
keeper.keep()
high()
"""

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def lines_of(text):
    return text[text.index("── pytracemalloc ─") :].splitlines()


@pytest.fixture
def program(children):
    return children.write("prog.py", PROGRAM)


def test_what_a_person_wants_to_know_first(children, program):
    lines = lines_of(children.run(program.name).stderr)
    assert re.fullmatch(
        r"── pytracemalloc ─+ 2\.0\.0a1, Python 3\.\d+\.\d+ ──", lines[0]
    )
    assert re.fullmatch(r"Peak +2\d\.\d MiB  in +[\d,]+ blocks", lines[1])
    assert re.fullmatch(r"At the end +\d\.\d MiB  in +[\d,]+ blocks", lines[2])
    assert re.fullmatch(r"Tracer +\d+\.\d .iB  on top; 1 frame per block", lines[3])
    assert "Lost" not in "".join(lines) and "Note" not in "".join(lines)
    assert lines[5] == "Biggest lines at the peak"
    assert re.fullmatch(r" +SIZE +SHARE +BLOCKS  LINE", lines[6])
    assert re.match(r" +20\.0 MiB +7\d\.\d%  █+.? +\d+  prog\.py:11 in high", lines[7])
    assert lines[8].strip() == "return len(bytearray(20 << 20))"
    assert "prog.py:8 in Keeper.keep" in lines[9]
    assert "prog.py:4" in lines[11]  # up to 3.11 also in <listcomp>: no name


def test_the_cover_adds_up(children, program):
    report = children.report("--top", "3", program.name)
    top = report["top"]
    assert len(top) == 3 and report["groups"] > 3
    assert report["shown"]["bytes"] == sum(row["bytes"] for row in top)
    assert report["shown"]["blocks"] == sum(row["blocks"] for row in top)
    share = report["shown"]["bytes"] / report["peak"]["bytes"]
    assert report["shown"]["share"] == pytest.approx(share, abs=1e-6)
    assert report["total"] == report["peak"]
    text = lines_of(children.run("--top", "3", program.name).stderr)
    assert re.search(r"MiB +9\d\.\d% +[\d,]+  3 lines$", text[-2])
    assert re.search(r"KiB +\d\.\d% +[\d,]+  [\d,]+ others$", text[-1])


@pytest.mark.parametrize("by", ["line", "file", "function", "traceback"])
@pytest.mark.parametrize("at", ["peak", "end"])
def test_groups_add_up_to_the_whole(children, program, at, by):
    words = ("--at", at, "--by", by, "--top", "99999", program.name)
    report = children.report(*words)
    assert report["at"] == at and report["by"] == by
    assert report["total"] == report[at]
    assert len(report["top"]) == report["groups"]
    assert sum(row["bytes"] for row in report["top"]) == report[at]["bytes"]
    assert sum(row["blocks"] for row in report["top"]) == report[at]["blocks"]
    sizes = [row["bytes"] for row in report["top"]]
    assert sizes == sorted(sizes, reverse=True)


def test_at_the_end(children, program):
    report = children.report("--at", "end", program.name)
    sources = [row["source"] for row in report["top"]]
    assert "return len(bytearray(20 << 20))" not in sources
    assert sources[0] == "self.kept = bytearray(3 << 20)"


def test_by_function(children):
    children.write(
        "prog.py",
        "def f():\n    a = bytearray(100_000)\n    b = bytearray(200_000)\n"
        "    return a, b\n"
        "def g():\n    return bytearray(50_000)\nx = f(), g()\n",
    )
    rows = children.report("--by", "function", "prog.py")["top"]
    found = {row["function"]: row for row in rows if row["file"].endswith("prog.py")}
    assert found["f"]["bytes"] >= 300_000 and found["f"]["line"] == 3
    assert 50_000 <= found["g"]["bytes"] < 60_000
    text = children.run("--by", "function", "prog.py").stderr
    assert "f (prog.py:3)" in text and "Biggest functions" in text


def test_by_function_where_a_line_has_several(children):
    """A name is told only if all agree; such a line counts by itself."""
    children.write(
        "prog.py",
        "f = lambda: bytearray(300_000); g = lambda: bytearray(200_000); "
        "h = bytearray(100_000)\nx = f(), g()\n",
    )
    report = children.report("--by", "function", "prog.py")
    rows = [row for row in report["top"] if row["file"].endswith("prog.py")]
    assert sum(row["bytes"] for row in rows) >= 600_000
    assert report["total"] == report["peak"]


def test_by_traceback(children):
    children.write(
        "prog.py",
        "def f():\n    return bytearray(300_000)\n"
        "def g():\n    return f()\n"
        "def h(n):\n    return h(n - 1) if n else f()\n"
        "a = g()\nb = h(20)\n",
    )
    rows = children.report("--by", "traceback", "prog.py")["top"]
    stacks = [[(p["function"], p["line"]) for p in row["traceback"]] for row in rows]
    assert [("f", 2), ("g", 4), ("<module>", 7)] in stacks
    deep = [("f", 2)] + 21 * [("h", 6)] + [("<module>", 8)]
    assert deep in stacks
    text = children.run("--by", "traceback", "prog.py").stderr
    assert "25 frames per block" in text
    assert "... 15 more calls" in text
    rows = children.report("--by", "traceback", "-n", "2", "prog.py")["top"]
    assert max(len(row["traceback"]) for row in rows) == 2


def test_default_number_of_frames(children):
    assert children.report("-c", "")["nframe"] == 1
    assert children.report("-o", "out", "-c", "")["nframe"] == 25
    assert children.report("--by", "traceback", "-c", "")["nframe"] == 25
    assert children.report("-n", "3", "-o", "out", "-c", "")["nframe"] == 3
    assert children.report("-n", "65535", "-c", "")["nframe"] == 65535


def test_our_number_of_frames_comes_before_the_variable(children):
    assert (
        children.report("-n", "3", "-c", "", env={"PYTRACEMALLOC": "7"})["nframe"] == 3
    )


def test_top(children, program):
    assert len(children.report("--top", "1", program.name)["top"]) == 1
    none = children.report("--top", "0", program.name)
    assert none["top"] == [] and none["peak"]["bytes"] > 20 * MIB
    assert len(lines_of(children.run("--top", "0", program.name).stderr)) == 4


def test_nothing_of_ours_is_measured(children):
    """An empty program: what it has is the interpreter's own."""
    for at in ("peak", "end"):
        report = children.report("--by", "file", "--top", "999", "--at", at, "-c", "")
        assert not [row for row in report["top"] if "pytracemalloc" in row["file"]]
        assert report["peak"]["bytes"] < 200_000


def test_losses_are_told(children):
    """Nothing is wrong with the program; the tracer got no memory for its tables."""
    code = (
        "from pytracemalloc import _core\n"
        "_core._fail_after(0)\n"
        "kept = [bytearray(n) for n in range(1000, 200_000, 7)]\n"
        "_core._fail_after(-1)\n"
    )
    lost = children.report("-c", code)["lost"]
    assert lost["blocks"] > 0 and lost["bytes"] > 0
    text = children.run("-c", code).stderr
    assert re.search(
        r"\nLost +[\d.]+ .?i?B  in [\d,]+ blocks could not be recorded", text
    )


def test_the_snapshot(children, program):
    report = children.report("-o", "out.pb.gz", program.name)
    assert report["output"] == str(children.folder / "out.pb.gz")
    snapshot = Snapshot.load(children.folder / "out.pb.gz")
    assert snapshot.traceback_limit == 25
    end = sum(s.size for s in snapshot.statistics("filename"))
    assert 0 <= end - report["end"]["bytes"] <= 1000  # ours, at the very end
    peak = sum(s.size for s in snapshot.view("peak").statistics("filename"))
    assert 0 <= peak - report["peak"]["bytes"] <= 1000
    lines = children.run("-o", "out.pb.gz", program.name).stderr.splitlines()
    assert re.fullmatch(r"Snapshot: out\.pb\.gz \(\d+\.\d KiB\)", lines[-2])
    assert lines[-1] == "Snapshot.load() or go tool pprof opens it."


def test_json_on_stderr(children, program):
    done = children.run("--json", program.name)
    assert json.loads(done.stderr)["schema"] == "pytracemalloc-report/1"


def test_json_has_the_fields_that_are_documented(children, json_fields, program):
    everything = set()
    for by in ("line", "file", "function", "traceback"):
        everything |= json_fields.of(children.report("--by", by, program.name))
    assert json_fields.documented("run") == everything


def test_json_of_names_that_are_not_utf8(children):
    name = os.fsdecode(b"caf\xe9\n\"'.py")
    children.write(name, "x = bytearray(1_000_000)")
    report = children.report(name)
    assert report["top"][0]["file"] == str(children.folder / name)


def test_the_report_in_a_file(children, program):
    path = children.write("report.txt", "before")
    path.chmod(0o640)
    done = children.run("--report", path, program.name)
    assert (done.returncode, done.stderr) == (0, "")
    text = path.read_text()
    assert text.startswith("── pytracemalloc ─")
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert sorted(os.listdir(children.folder)) == ["prog.py", "report.txt"]


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/proc/self/fd/1"])
def test_the_report_on_stdout(children, name):
    done = children.run("--report", name, "-c", "print('first')")
    assert done.stderr == ""
    assert done.stdout.startswith("first\n── pytracemalloc ─")
    words = f'$RUN --report {name} -c "print(1)" > out; cat out'
    assert children.shell(words).stdout.startswith("1\n── pytracemalloc ─")


def test_the_report_in_a_pipe(children):
    os.mkfifo(children.folder / "pipe")
    done = children.shell("cat pipe & $RUN --report pipe -c ''; wait")
    assert done.stdout.startswith("── pytracemalloc ─")
    assert stat.S_ISFIFO(os.stat(children.folder / "pipe").st_mode)


# -- the look --------------------------------------------------------------------------


def width(text):
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("by", ["line", "file", "function", "traceback"])
def test_the_width_of_the_terminal(children, columns, by):
    name = "a_module_with_a_rather_long_name_indeed.py"
    deep = "x" * 30 + "/" + "y" * 30
    children.write(
        f"{deep}/{name}",
        "class AClassWithALongName:\n"
        "    def a_method_with_a_long_name(self, argument):\n"
        "        return [bytearray(100_000), 'and a long line of source', argument,"
        " argument, '漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字']\n"
        "x = AClassWithALongName().a_method_with_a_long_name(3)\n",
    )
    words = ("run", "--by", by, f"{deep}/{name}")
    status, text = children.on_terminal(*words, columns=columns)
    assert status == 0
    plain = COLOUR.sub("", text)
    assert plain != text
    lines = plain[plain.index("── pytracemalloc") :].splitlines()
    assert len(lines[0]) == columns or columns < 60
    assert max(map(width, lines)) <= max(columns, 53)
    assert ("█" in plain or "▏" in plain) == (columns >= 90)


def test_colour_is_for_terminals(children, program):
    assert "\x1b[" in children.on_terminal("run", "-c", "")[1]
    assert "\x1b[" not in children.run("-c", "").stderr
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        text = children.on_terminal("run", "-c", "", env=env)[1]
        assert "\x1b" not in text and "Peak" in text
    text = children.on_terminal("run", "-c", "", env={"NO_COLOR": ""})[1]
    assert "\x1b[" in text
    assert "\x1b" not in children.on_terminal("run", "--json", "-c", "")[1]


def test_columns_of_the_environment(children):
    text = children.run("-c", "", env={"COLUMNS": "70"}).stderr
    assert len(lines_of(text)[0]) == 70
    for value in ("0", "-5", "x", "9" * 100, ""):
        text = children.run("-c", "", env={"COLUMNS": value}).stderr
        assert len(lines_of(text)[0]) == 100


def test_an_encoding_that_lacks_our_characters(children):
    children.write("prog.py", "# coding: utf-8\nx = bytearray(1_000_000) # é漢\n")
    done = children.run("prog.py", env={"PYTHONIOENCODING": "ascii"})
    assert done.stderr.isascii()
    assert "-- pytracemalloc ---" in done.stderr
    assert "\\xe9\\u6f22" in done.stderr


def test_nothing_steers_the_terminal(children):
    name = "\x1b[2J\r.py"
    children.write(name, "x = bytearray(1_000_000) # \x1b[31m \x07 \u202e\n")
    done = children.run(name)
    assert done.returncode == 0
    assert "\\x1b[2J\\r.py:1" in done.stderr
    assert not set(done.stderr) & set("\x1b\r\x07\u202e")


def test_paths():
    home = os.path.expanduser("~")
    paths = _text.Paths("/srv/my app")
    stdlib = os.path.dirname(os.__file__)
    python = os.path.basename(stdlib)
    assert paths.shorten("/srv/my app/a/b.py") == "a/b.py"
    assert paths.shorten("/v/site-packages/x/y.py") == "…/site-packages/x/y.py"
    assert paths.shorten("/u/dist-packages/x.py") == "…/dist-packages/x.py"
    assert paths.shorten(f"{stdlib}/json/decoder.py") == f"…/{python}/json/decoder.py"
    assert paths.shorten(f"{home}/x.py") in ("~/x.py", f"{home}/x.py")
    assert paths.shorten("/etc/x.py") == "/etc/x.py"
    assert paths.shorten("<string>") == "<string>"
    assert paths.fit("/etc/aaaa/bbbb/cccc.py", 15) == "…/bbbb/cccc.py"
    assert paths.fit("/etc/aaaa/bbbb/cccc.py", 6) == "cccc.…"[:6]
    for room in range(1, 30):
        assert _text.cells(paths.fit("/etc/aaaa/漢字/cccc.py", room)) <= room


def test_sizes():
    expected = {
        0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB",
        1023 * 1024: "1.0 MiB", 1000 * 1024: "1.0 MiB", 999 * 1024: "999.0 KiB",
        10 * MIB: "10.0 MiB", 5 << 30: "5.0 GiB", 7 << 40: "7.0 TiB",
        2 << 60: "2048.0 PiB",
    }  # fmt: skip
    assert {n: _text.size_text(n) for n in expected} == expected
    assert max(len(_text.size_text(2**n - 1)) for n in range(60)) <= 10


def test_shares():
    assert _text.share_text(1, 2) == "50.0%"
    assert _text.share_text(1, 1_000_000) == "<0.1%"
    assert _text.share_text(999_999, 1_000_000) == "99.9%"
    assert _text.share_text(5, 5) == "100.0%"
    assert _text.share_text(0, 5) == "0.0%"
    assert _text.share_text(0, 0) == "-"


def test_bars():
    assert _text.bar_text(1, 1, 4) == "████"
    assert _text.bar_text(1, 2, 4) == "██"
    assert _text.bar_text(1, 8, 4) == "▌"
    assert _text.bar_text(1, 1_000_000, 4) == "▏"
    assert _text.bar_text(0, 8, 4) == ""
    assert _text.bar_text(3, 8, 1) == "▍"


def test_cutting_text():
    assert _text.fit("short", 5) == "short"
    assert _text.fit("longer", 5) == "long…"
    assert _text.fit("漢字漢字", 5) == "漢字…"
    assert _text.fit("longer", 5, "...") == "lo..."
    assert _text.fit("longer", 0) == ""


def test_json_text():
    value = {
        "a": [1, 2.5, True, False, None, 'é"\\\n\udcff'],
        "b": {},
        "c": [],
        "d": {"e": 0},
    }
    assert _text.json_text(value) == json.dumps(value, indent=2)
