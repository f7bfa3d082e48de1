# SPDX-License-Identifier: MIT
"""speedscope's page in a browser shows our file and exports what we know.

`make speedscope` fetches speedscope and runs this.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="there is no node"),
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium"),
]


@pytest.fixture
def tools(project: Path) -> Path:
    folder = project / "build" / "speedscope" / "node_modules"
    if not folder.exists():
        pytest.skip("speedscope is not there: run `make speedscope`")
    return folder


def open_in_speedscope(project: Path, tools: Path, file: Path) -> Any:
    script = project / "tools" / "speedscope" / "open_profile.mjs"
    return subprocess.run(
        [NODE, script, tools, BROWSER, file, file.parent],
        capture_output=True,
        text=True,
        timeout=300,
    )


def totals(exported: dict[str, Any]) -> tuple[Counter[Any], Counter[Any]]:
    """(name, file) -> own and whole bytes, of an evented profile."""
    frames = [(f["name"], f.get("file")) for f in exported["shared"]["frames"]]
    (profile,) = exported["profiles"]
    assert profile["unit"] == "bytes" and profile["type"] == "evented"
    own: Counter[Any] = Counter()
    whole: Counter[Any] = Counter()
    stack: list[Any] = []
    before = 0
    for event in profile["events"]:
        if stack:
            own[stack[-1]] += event["at"] - before
            for frame in set(stack):
                whole[frame] += event["at"] - before
        before = event["at"]
        if event["type"] == "O":
            stack.append(frames[event["frame"]])
        else:
            assert stack.pop() == frames[event["frame"]]
    assert not stack
    return +own, whole


def expected(snapshot: Any) -> tuple[Counter[Any], Counter[Any]]:
    own: Counter[Any] = Counter()
    whole: Counter[Any] = Counter()
    for s in snapshot.statistics("traceback"):
        frames = [(f.name, f.filename) for f in s.traceback]
        own[frames[0]] += s.size
        for frame in set(frames):
            whole[frame] += s.size
    return own, whole


def test_the_page_shows_the_profile(
    project: Path, tools: Path, two_snapshots: Any, tmp_path: Path
):
    snapshot = two_snapshots[0]
    snapshot.dump(tmp_path / "program.pb.gz")
    done = open_in_speedscope(project, tools, tmp_path / "program.pb.gz")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["title"].startswith("program.pb.gz")
    names = [row[-1] for row in shown["rows"]]
    assert {"main", "descend", "leaf"} <= set(names)
    exported = json.loads(Path(shown["exported"]).read_text())
    assert totals(exported) == expected(snapshot)


def test_a_damaged_file_is_noticed(project: Path, tools: Path, tmp_path: Path):
    """So that the test above means something."""
    (tmp_path / "damaged.pb.gz").write_bytes(b"\x0a\x04\x08\x01")
    done = open_in_speedscope(project, tools, tmp_path / "damaged.pb.gz")
    assert done.returncode == 1 and done.stderr
