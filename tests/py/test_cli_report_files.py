# SPDX-License-Identifier: MIT
"""pytracemalloc report: what it says of files, and how it looks."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import sys
import unicodedata

import pytest

from pytracemalloc import Filter, Snapshot, _text
from pytracemalloc.cli import _snapshots

PROGRAM = """\
import json
import sys
import pytracemalloc

class Cache:
    def __init__(self):
        self.rows = []

    def fill(self, n):
        for i in range(n):
            self.rows.append(bytearray(1000))

def high():
    return len([bytearray(5000) for _ in range(2000)])

def recurse(n):
    return recurse(n - 1) if n else bytearray(77_777)

def main(name):
    cache = Cache()
    cache.fill(2000)
    parsed = json.loads(json.dumps([{"key": i} for i in range(1000)]))
    kept = recurse(5)
    high()
    pytracemalloc.take_snapshot().dump(name)

pytracemalloc.start(25)
main(sys.argv[1])
"""

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BYS = ["line", "file", "function", "module", "traceback", "size", "domain"]
KEYS = {"line": "lineno", "file": "filename"}
METRICS = ["live", "peak", "allocated", "freed"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With a program and a snapshot of it, app.pb.gz."""
    import subprocess
    import sys

    path = tmp_path_factory.mktemp("snapshots")
    (path / "app.py").write_text(PROGRAM)
    words = [sys.executable, "app.py", "app.pb.gz"]
    subprocess.run(words, cwd=path, check=True)
    return path


@pytest.fixture
def reports(children, folder):
    """Runs `pytracemalloc report` where app.pb.gz is."""

    class Reports:
        snapshot = Snapshot.load(folder / "app.pb.gz")

        def text(self, *words, **more):
            done = children.call("report", *words, cwd=folder, **more)
            assert (done.returncode, done.stderr) == (0, "")
            return done.stdout

        def json(self, *words, **more):
            return json.loads(self.text("--json", *words, **more))

        def refused(self, *words, **more):
            done = children.call("report", *words, cwd=folder, **more)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.count("\n") == 1
            assert done.stderr.startswith("pytracemalloc: report: ")
            return done.stderr

    return Reports()


def test_what_a_person_wants_to_know_first(reports):
    lines = reports.text("--top", "3", "app.pb.gz").splitlines()
    heading = r"── pytracemalloc report ─+ 2\.0\.0a1, Python 3\.\d+\.\d+ ──"
    assert re.fullmatch(heading, lines[0])
    assert lines[1] == "app.pb.gz; 25 frames per block"
    assert re.fullmatch(r"Live +\d\.\d MiB  in +[\d,]+ blocks", lines[2])
    assert re.fullmatch(r"Peak +1\d\.\d MiB  in +[\d,]+ blocks", lines[3])
    assert re.fullmatch(r"Allocated +1\d\.\d MiB  in +[\d,]+ blocks", lines[4])
    assert lines[6] == "Biggest lines by live memory"
    row = r" +\d\.\d MiB +\d\d\.\d%  █+.? +4,\d+  app\.py:11 in Cache\.fill"
    assert re.fullmatch(row, lines[8])
    assert lines[9].strip() == "self.rows.append(bytearray(1000))"
    assert re.search(r"MiB +\d\d\.\d% +[\d,]+  3 lines$", lines[-2])
    assert re.search(r"[KM]iB +[<\d.]+% +[\d,]+  [\d,]+ others$", lines[-1])
    assert not re.search("Lost|Note|Selected", "".join(lines))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("by", BYS)
def test_rows_are_the_statistics(reports, by, metric):
    report = reports.json("--by", by, "--metric", metric, "--top", "99999", "app.pb.gz")
    statistics = reports.snapshot.statistics(KEYS.get(by, by), metric=metric)
    rows = [(row["bytes"], row["blocks"]) for row in report["top"]]
    assert rows == [(s.size, s.count) for s in statistics]
    assert (report["by"], report["metric"]) == (by, metric)
    assert report["groups"] == len(rows)
    sums = {"bytes": sum(r[0] for r in rows), "blocks": sum(r[1] for r in rows)}
    assert report["total"] == sums
    assert report["shown"] == sums | {"share": 1.0}
    if metric != "freed":
        assert report[metric] == sums


def test_what_rows_are_about(reports):
    def first(by):
        row = reports.json("--by", by, "--metric", "live", "app.pb.gz")["top"][0]
        return {k: v for k, v in row.items() if k not in ("bytes", "blocks", "share")}

    line = first("line")
    assert line["file"].endswith("/app.py") and line["line"] == 11
    assert line["function"] == "Cache.fill"
    assert line["source"] == "self.rows.append(bytearray(1000))"
    assert first("function") == line  # where most of it is
    assert set(first("file")) == {"file"}
    assert first("module") == {"module": "app"}
    # a bytearray's bytes are an object of their own from 3.15 on
    assert first("size") == {"size": 1033 if sys.version_info >= (3, 15) else 1001}
    assert first("domain") == {"domain": 0}
    traceback = first("traceback")["traceback"]
    assert [frame["function"] for frame in traceback] == [
        "Cache.fill", "main", "<module>",
    ]  # fmt: skip
    assert traceback[0] == line


@pytest.mark.parametrize("by", BYS[:4])
def test_cumulative_counts_once(reports, by):
    words = ("--by", by, "--cumulative", "--top", "99999", "app.pb.gz")
    report = reports.json(*words)
    statistics = reports.snapshot.statistics(KEYS.get(by, by), "once")
    rows = [(row["bytes"], row["blocks"]) for row in report["top"]]
    assert rows == [(s.size, s.count) for s in statistics]
    assert report["total"] == report["live"]
    assert max(rows) <= (report["total"]["bytes"], report["total"]["blocks"])
    text = reports.text("--by", by, "--cumulative", "--top", "2", "app.pb.gz")
    assert f"Biggest {by}s by live memory (cumulative)\n" in text
    assert re.search(rf"%  .*  2 {by}s together\n.*  in \d+ others? only\n", text)


@pytest.mark.parametrize("by", BYS[:4])
@pytest.mark.parametrize("top", [1, 3])
def test_what_cumulative_rows_cover(reports, by, top):
    """Blocks under any of the rows, looked for one by one."""
    words = ("--by", by, "--cumulative", "--filter", "json/", "--top", top)
    report = reports.json(*words, "app.pb.gz")
    rows = [{k: row.get(k) for k in ("file", "function", "module")} |
            {"line": row.get("line") if by == "line" else None}
            for row in report["top"]]  # fmt: skip
    size = 0
    for trace in reports.snapshot.traces:
        if "/json/" in trace.traceback[0].filename and any(
            has(row, frame, by) for row in rows for frame in trace.traceback
        ):
            size += trace.size
    assert report["shown"]["bytes"] == size > 0


def has(row, frame, by):
    if by == "module":
        last = row["module"].split(".")[-1]
        return f"/{frame.filename}".endswith((f"/{last}.py", f"/{last}/__init__.py"))
    return (
        frame.filename == row["file"]
        and (by != "line" or frame.lineno == row["line"])
        and (by != "function" or frame.name == row["function"])
    )


def test_cumulative_rows_without_a_name(reports, folder):
    trace = (0, 8, (("a.py", 1), ("b*[c]?.py", 2)), None)
    Snapshot([trace, (0, 7, (("bc.py", 1),), None)], 2).dump(folder / "two.pb.gz")
    words = ("--cumulative", "--top", "9", "two.pb.gz")
    assert reports.json("--by", "module", *words)["shown"] is None
    text = reports.text("--by", "function", *words)
    assert "\n3 functions, 0 others; they share blocks\n" in text
    one = reports.json("--by", "line", "--exclude", "a.py", *words)["shown"]
    assert one == {"bytes": 7, "blocks": 1, "share": 1.0}
    one = reports.json("--by", "file", "--filter", "a.py", *words)["shown"]
    assert one == {"bytes": 8, "blocks": 1, "share": 1.0}


def test_the_line_of_a_function_when_cumulative(reports):
    words = ("--by", "function", "--cumulative", "--top", "99999", "app.pb.gz")
    lines = {
        row["function"]: row["source"]
        for row in reports.json(*words)["top"]
        if row["file"].endswith("/app.py")
    }
    assert lines["main"] == "cache.fill(2000)"
    assert lines["<module>"] == "main(sys.argv[1])"


def test_the_metric_is_the_snapshots_own(reports, folder):
    reports.snapshot.view("peak").dump(folder / "peak.pb.gz")
    assert reports.json("peak.pb.gz")["metric"] == "peak"
    assert "Biggest lines by memory at the peak\n" in reports.text("peak.pb.gz")
    reports.snapshot.view("allocated").dump(folder / "allocated.pb.gz")
    assert reports.json("allocated.pb.gz")["metric"] == "allocated"
    assert reports.json("--metric", "freed", "peak.pb.gz")["metric"] == "freed"
    problem = reports.refused("app.pb.gz", "peak.pb.gz")
    assert "(live and peak): choose with --metric" in problem
    both = reports.json("--metric", "live", "app.pb.gz", "peak.pb.gz")
    assert both["total"]["bytes"] == 2 * reports.json("app.pb.gz")["total"]["bytes"]


def test_a_metric_that_the_file_lacks(reports, folder):
    Snapshot([(0, 8, (("a.py", 1),), None)], 1).dump(folder / "made.pb.gz")
    report = reports.json("made.pb.gz")
    assert report["live"] == {"bytes": 8, "blocks": 1}
    assert "peak" not in report and "allocated" not in report
    assert "Peak" not in reports.text("made.pb.gz")
    assert "peak" in reports.refused("--metric", "peak", "made.pb.gz")


# -- several files -----------------------------------------------------------


def test_several_files_are_added_up(reports, folder):
    reports.snapshot.filter_traces([Filter(True, "*/app.py")]).dump(
        folder / "part.pb.gz"
    )
    names = ("app.pb.gz", "part.pb.gz", "app.pb.gz")
    merged = Snapshot.merge(Snapshot.load(folder / name) for name in names)
    report = reports.json("--top", "99999", *names)
    statistics = merged.statistics("lineno")
    rows = [(row["bytes"], row["blocks"]) for row in report["top"]]
    assert rows == [(s.size, s.count) for s in statistics]
    assert report["files"] == list(names) and report["upper_bound"] is False


def test_peaks_of_several_files_are_an_upper_bound(reports):
    report = reports.json("--metric", "peak", "app.pb.gz", "app.pb.gz")
    assert report["upper_bound"] is True
    text = reports.text("--metric", "peak", "app.pb.gz", "app.pb.gz")
    assert "Biggest lines by memory at the peaks, an upper bound\n" in text
    assert "Note: the peaks are of different moments" in text
    assert "\n2 files: app.pb.gz, app.pb.gz; 25 frames per block\n" in text
    assert reports.json("--metric", "peak", "app.pb.gz")["upper_bound"] is False


def test_losses_are_told(reports, children, folder):
    code = (
        "import pytracemalloc\n"
        "pytracemalloc.start()\n"
        "pytracemalloc._core._fail_after(0)\n"
        "kept = [bytearray(n) for n in range(1000, 200_000, 7)]\n"
        "pytracemalloc._core._fail_after(-1)\n"
        "pytracemalloc.take_snapshot().dump('lost.pb.gz')\n"
    )
    assert children.python("-c", code, cwd=folder).returncode == 0
    blocks, size = Snapshot.load(folder / "lost.pb.gz").lost
    assert blocks > 0
    assert reports.json("lost.pb.gz")["lost"] == {"bytes": size, "blocks": blocks}
    two = reports.json("lost.pb.gz", "lost.pb.gz")["lost"]
    assert two == {"bytes": 2 * size, "blocks": 2 * blocks}
    lost = r"\nLost +[\d.]+ .?i?B  in [\d,]+ blocks could not be recorded\n"
    assert re.search(lost, reports.text("lost.pb.gz"))


# -- patterns ----------------------------------------------------------------


def files_of(report):
    return {os.path.basename(row["file"]) for row in report["top"]}


def test_filters(reports):
    def ask(*words):
        return reports.json("--by", "file", "--top", "999", *words, "app.pb.gz")

    everything = ask()
    assert files_of(ask("--filter", "app.py")) == {"app.py"}
    assert files_of(ask("--filter", "app.py", "--filter", "json/*")) == {
        "app.py", "decoder.py",
    } | files_of(everything) & {"encoder.py", "scanner.py", "__init__.py"}  # fmt: skip
    rest = ask("--exclude", "app.py")
    assert files_of(rest) == files_of(everything) - {"app.py"}
    one, other = ask("--filter", "app.py")["total"], rest["total"]
    assert one["bytes"] + other["bytes"] == everything["total"]["bytes"]
    assert rest["live"] == everything["live"] == everything["total"]
    assert ask("--filter", "nowhere.py")["top"] == []


def test_filters_by_function_and_module(reports):
    def functions(*words):
        words = ("--by", "function", "--top", "999", *words, "app.pb.gz")
        return {row["function"] for row in reports.json(*words)["top"]}

    assert functions("--filter", "function:Cache.fill") == {"Cache.fill"}
    assert functions("--filter", "function:fill") == {"Cache.fill"}
    assert functions("--filter", "function:rec*") == {"recurse"}
    assert functions("--filter", "function:ill") == set()
    assert "Cache.fill" not in functions("--exclude", "function:fill")

    def modules(*words):
        words = ("--by", "module", "--top", "999", *words, "app.pb.gz")
        return {row["module"] for row in reports.json(*words)["top"]}

    assert modules("--filter", "module:app") == {"app"}
    assert "json.decoder" in modules("--filter", "module:json")
    assert {m.partition(".")[0] for m in modules("--filter", "module:json")} == {"json"}
    assert modules("--filter", "module:json.dec*") == {"json.decoder"}
    assert "json.decoder" not in modules("--exclude", "module:json")


def test_filters_by_any_frame(reports):
    words = ("--by", "file", "--filter", "app.py", "app.pb.gz")
    flat, deep = reports.json(*words), reports.json("--all-frames", *words)
    assert files_of(flat) == {"app.py"} < files_of(deep)
    assert deep["total"]["bytes"] > flat["total"]["bytes"]


def test_filters_in_the_text(reports):
    text = reports.text("--filter", "app.py", "app.pb.gz")
    assert re.search(r"\nSelected +\d\.\d MiB  in +[\d,]+ blocks\n", text)
    text = reports.text("--filter", "nowhere.py", "app.pb.gz")
    assert text.endswith("\nNothing to show: no block passes the filters\n")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("app.py", "app.py", True),
        ("app.py", "/srv/app.py", True),
        ("app.py", "/srv/myapp.py", False),
        ("./app.py", "/srv/app.py", True),
        ("json/*.py", "/usr/lib/python3.13/json/decoder.py", True),
        ("json/*.py", "/usr/lib/python3.13/myjson/decoder.py", False),
        ("/srv/*", "/srv/app.py", True),
        ("/srv/*", "/opt/srv/app.py", False),
        ("*app.py", "/srv/myapp.py", True),
        ("mypackage/", "/srv/mypackage/a/b.py", True),
        ("mypackage/", "mypackage/b.py", True),
        ("mypackage/", "/srv/mypackage.py", False),
        ("<frozen*", "<frozen importlib._bootstrap>", True),
        ("[ab].py", "/srv/b.py", True),
    ],
)
def test_patterns(pattern, path, matches):
    snapshot = Snapshot([(0, 8, ((path, 1),), None)], 1)
    for inclusive in (True, False):
        filters = [_snapshots.filter_of(inclusive, pattern, False)]
        kept = len(snapshot.filter_traces(filters).traces)
        assert kept == (matches == inclusive)


# -- JSON --------------------------------------------------------------------


def test_json_has_the_fields_that_are_documented(reports, json_fields):
    everything = set()
    for by in BYS:
        everything |= json_fields.of(reports.json("--by", by, "app.pb.gz"))
    assert json_fields.documented("report") == everything
    report = reports.json("app.pb.gz")
    assert report["schema"] == "pytracemalloc-snapshot-report/1"


def test_json_of_names_that_are_not_utf8(reports, folder):
    name = os.fsdecode(b"caf\xe9\n\"'.py")
    Snapshot([(0, 8, ((name, 1),), None)], 1).dump(folder / name)
    report = reports.json(name)
    assert report["top"][0]["file"] == name and report["files"] == [name]


# -- what is refused ---------------------------------------------------------


def test_what_is_no_snapshot(reports, folder):
    data = (folder / "app.pb.gz").read_bytes()
    profile = gzip.decompress(data)
    wrong = {
        "empty": (b"", "it is empty"),
        "cut": (data[: len(data) // 2], "it ends too early"),
        "last": (data[:-1], "it ends too early"),
        "text": (PROGRAM.encode(), "is not a snapshot"),
        "zipped text": (gzip.compress(PROGRAM.encode()), "is not a snapshot"),
        "cut profile": (profile[: len(profile) // 2], "is not a snapshot"),
        "pickle": (pickle.dumps([1]), "the pickle holds a list, not a Snapshot"),
        "damaged": (data[:100] + b"\0" * 50 + data[150:], "is not a snapshot"),
    }
    for name, (content, words) in wrong.items():
        (folder / name).write_bytes(content)
        problem = reports.refused("app.pb.gz", name)
        assert words in problem and name in problem
        assert problem.endswith("a file that run -o or Snapshot.dump() has written\n")


def test_what_is_refused(reports, folder):
    assert "required: FILE" in reports.refused()
    assert "required: FILE" in reports.refused("--json")
    assert "'nope.pb.gz': No such file" in reports.refused("nope.pb.gz")
    assert "is a folder" in reports.refused(folder)
    assert "--by: invalid choice: 'class'" in reports.refused("--by", "class", "x")
    assert "--metric: invalid choice" in reports.refused("--metric", "end", "x")
    assert "'-1' is not a number of rows" in reports.refused("--top", "-1", "x")
    assert "--foo; see pytracemalloc report --help" in reports.refused("--foo", "x")
    for by in ("traceback", "size", "domain"):
        words = ("--cumulative", "--by", by, "app.pb.gz")
        assert f"not with {by}" in reports.refused(*words)


def test_options_may_stand_anywhere(reports):
    one = reports.json("--by", "file", "app.pb.gz", "app.pb.gz", "--top", "1")
    assert one == reports.json("app.pb.gz", "--by", "file", "--top=1", "app.pb.gz")


def test_help(children):
    done = children.call("report", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--by", "--metric", "--cumulative", "--filter", "--exclude",
                   "--all-frames", "--top", "--json"):  # fmt: skip
        assert f"\n  {option}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 88


def test_stdout_that_nobody_reads(children, folder):
    script = "$PY -m pytracemalloc report --top 9999 app.pb.gz"
    one = children.shell(f"{script} | head -n 1; echo ${{PIPESTATUS[0]}}", cwd=folder)
    assert one.stdout.endswith(" ──\n0\n") and one.stderr == ""
    closed = children.shell(f"{script} >&-; echo $?", cwd=folder)
    assert closed.stdout == "2\n" and closed.stderr.count("\n") == 1
    assert "stdout is closed" in closed.stderr
    full = children.shell(f"{script} > /dev/full; echo $?", cwd=folder)
    assert full.stdout == "2\n" and full.stderr.count("\n") == 1
    assert "No space left on device" in full.stderr


# -- the look ----------------------------------------------------------------


def width(text):
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("by", BYS)
def test_the_width_of_the_terminal(children, folder, by, columns):
    os.symlink(folder / "app.pb.gz", children.folder / "app.pb.gz")
    words = ("report", "--by", by, "--filter", "*", "app.pb.gz", "app.pb.gz")
    status, text = children.on_terminal(*words, columns=columns)
    assert status == 0
    plain = COLOUR.sub("", text)
    assert plain != text
    lines = plain.splitlines()
    assert len(lines[0]) == columns
    assert max(map(width, lines)) <= columns
    assert ("█" in plain or "▏" in plain) == (columns >= 90)
    assert "upper bound" in plain.replace("\n", " ")


def test_colour_is_for_terminals(children, folder, reports):
    os.symlink(folder / "app.pb.gz", children.folder / "app.pb.gz")
    words = ("report", "app.pb.gz")
    assert "\x1b[" in children.on_terminal(*words)[1]
    assert "\x1b[" not in reports.text("app.pb.gz")
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        text = children.on_terminal(*words, env=env)[1]
        assert "\x1b" not in text and "Peak" in text
    assert "\x1b" not in children.on_terminal("report", "--json", "app.pb.gz")[1]


def test_columns_of_the_environment(reports):
    text = reports.text("app.pb.gz", env={"COLUMNS": "70"})
    assert len(text.splitlines()[0]) == 70
    assert len(reports.text("app.pb.gz").splitlines()[0]) == 100


def test_an_encoding_that_lacks_our_characters(reports):
    text = reports.text("app.pb.gz", env={"PYTHONIOENCODING": "ascii"})
    assert text.isascii() and text.startswith("-- pytracemalloc report ---")


def test_source_lines_that_are_gone(reports, folder):
    Snapshot([(0, 8, (("/gone/a.py", 3),), None)], 1).dump(folder / "gone.pb.gz")
    assert reports.json("gone.pb.gz")["top"][0]["source"] == ""
    assert "/gone/a.py:3\n" in reports.text("gone.pb.gz")


def test_nothing_steers_the_terminal(reports, folder):
    name = "\x1b[2J\r.py"
    Snapshot([(0, 8, ((name, 1),), None)], 1).dump(folder / name)
    text = reports.text(name)
    assert "\\x1b[2J\\r.py:1" in text and "\\x1b[2J\\r.py;" in text
    assert not set(text) & set("\x1b\r")


def test_signed_sizes():
    sizes = (0, 1, -1, 2048, -2048)
    texts = ["0 B", "+1 B", "-1 B", "+2.0 KiB", "-2.0 KiB"]
    assert [_text.signed_size_text(size) for size in sizes] == texts
