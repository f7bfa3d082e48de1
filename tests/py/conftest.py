# SPDX-License-Identifier: MIT
"""Child interpreters, for what can only be seen from outside."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

#: Sanitized or loaded machines are slow; nothing here waits on purpose.
PATIENCE = 120


class Children:
    """Runs child interpreters in a folder of their own, with a plain environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        dropped = ("PYTRACEMALLOC", "PYTHON", "COLUMNS", "NO_COLOR")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def command(self, *words: Any) -> list[str]:
        return [sys.executable, "-m", "pytracemalloc", *map(str, words)]

    def start(self, words: Sequence[Any], **more: Any) -> subprocess.Popen[str]:
        env = self.env | more.pop("env", {})
        for name in ("stdin", "stdout", "stderr"):
            more.setdefault(name, subprocess.PIPE)
        return subprocess.Popen(
            list(map(str, words)), cwd=more.pop("cwd", self.folder), env=env,
            text=True, **more,
        )  # fmt: skip

    def finish(
        self, process: subprocess.Popen[str], text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        try:
            out, err = process.communicate(text, timeout=PATIENCE)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def python(
        self, *words: Any, text: str | None = None, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        return self.finish(self.start([sys.executable, *words], **more), text)

    def run(
        self, *words: Any, text: str | None = None, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """python -m pytracemalloc run WORDS"""
        return self.finish(self.start(self.command("run", *words), **more), text)

    def shell(self, script: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """A shell command line; $PY and $RUN stand for python and our run."""
        run = " ".join(self.command("run"))
        words = ["/bin/bash", "-c", script]
        env = {"PY": sys.executable, "RUN": run} | more.pop("env", {})
        return self.finish(self.start(words, env=env, **more))

    def report(self, *words: Any, **more: Any) -> dict[str, Any]:
        """The JSON report of a run that ends well."""
        path = self.folder / "report.json"
        done = self.run("--json", "--report", path, *words, **more)
        assert done.returncode == 0, done.stderr
        return json.loads(path.read_text())

    def on_terminal(
        self, *words: Any, columns: int = 80, env: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """python -m pytracemalloc WORDS with all three streams on a terminal."""
        pid, fd = pty.fork()
        if pid == 0:
            try:
                size = columns.to_bytes(2, sys.byteorder)
                fcntl_size(0, b"\x18\x00" + size + b"\x00" * 4)
                os.chdir(self.folder)
                os.execve(sys.executable, self.command(*words), self.env | (env or {}))
            finally:
                os._exit(99)
        return read_terminal(pid, fd)

    def wait_for(self, test: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not test():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.005)


def fcntl_size(fd: int, size: bytes) -> None:
    import fcntl
    import termios

    fcntl.ioctl(fd, termios.TIOCSWINSZ, size)


def read_terminal(pid: int, fd: int) -> tuple[int, str]:
    data = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        data += piece
    os.close(fd)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status, data.decode().replace("\r\n", "\n")


@pytest.fixture
def children(tmp_path: Path) -> Children:
    return Children(tmp_path)


@pytest.fixture
def without_report() -> Callable[[str], str]:
    """What the program itself printed on stderr."""
    return lambda text: re.split(r"\n?── pytracemalloc ─", text)[0]


PROGRAM = """
def leaf(n):
    return bytes(n)
def descend(n):
    if n == 0:
        return [leaf(1000)]
    return [descend(n - 1), bytearray(10 * n)]
def main(n):
    kept = [descend(5) for _ in range(n)]
    kept.append([str(i) * 3 for i in range(100)])
    return kept
"""


@pytest.fixture
def two_snapshots() -> tuple[Any, Any]:
    """Of a small program that recurses: all it has, and later less and more of it."""
    import pytracemalloc

    program: dict[str, Any] = {}
    exec(compile(PROGRAM, "program.py", "exec"), program)
    only = [pytracemalloc.Filter(True, "program.py")]
    pytracemalloc.start(25)
    kept = [program["main"](5), program["descend"](2)]
    first = pytracemalloc.take_snapshot().filter_traces(only)
    kept = [program["main"](3)]
    second = pytracemalloc.take_snapshot().filter_traces(only)
    pytracemalloc.stop()
    assert kept
    return first, second


def pytest_configure() -> None:
    # A runner that ignores SIGINT would have its children ignore it.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
