# SPDX-License-Identifier: MIT
"""Child interpreters, for what can only be seen from outside; snapshots made up."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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

    def call(self, *words: Any, **more: Any) -> subprocess.CompletedProcess[str]:
        """python -m pytracemalloc WORDS"""
        return self.finish(self.start(self.command(*words), **more))

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


class Outputs:
    """The files that processes leave by PYTRACEMALLOC_OUTPUT, in their own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {"PYTRACEMALLOC_OUTPUT": f"{folder}/{{pid}}.pb.gz"}

    def pids(self) -> set[int]:
        names = os.listdir(self.folder)
        assert all(name.endswith(".pb.gz") for name in names), names
        return {int(name.removesuffix(".pb.gz")) for name in names}

    def load(self, pid: Any) -> Any:
        import pytracemalloc

        return pytracemalloc.Snapshot.load(self.folder / f"{pid}.pb.gz")

    def held(self, pid: Any, line: int) -> int:
        """Bytes alive at the end of a process that a line of prog.py allocated."""
        stats = self.load(pid).statistics("lineno")
        found = [s for s in stats if s.traceback[0].filename.endswith("prog.py")]
        return sum(s.size for s in found if s.traceback[0].lineno == line)


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    return Outputs(folder)


# -- snapshots made up: bytes of a profile, see docs/design/file-format.md ------------


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


class Profile:
    """Bytes of a pprof profile as docs/design/file-format.md has them."""

    def __init__(self) -> None:
        self.strings: dict[str, int] = {"": 0}
        self.functions: dict[Any, int] = {}
        self.locations: dict[Any, int] = {}

    def text(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def location(self, frame: tuple[str, str | None, int]) -> int:
        file, name, _ = frame
        self.functions.setdefault((file, name), len(self.functions) + 1)
        return self.locations.setdefault(frame, len(self.locations) + 1)

    def sample(self, site: tuple[Any, ...]) -> bytes:
        """Size None: blocks of several sizes, which make 5 bytes each."""
        frames, size, domain, live, peak, allocated = site
        each = 5 if size is None else size
        values = [v for n in (allocated, live, peak) for v in (n, n * each)]
        labels = {"bytes": size or 0, "domain": domain, "folded": int(size is None)}
        out = field(1, b"".join(varint(self.location(f)) for f in frames))
        out += field(2, b"".join(map(varint, values)))
        for label, number in labels.items():
            out += field(3, field(1, self.text(label)) + field(3, number))
        return field(2, out)

    def tables(self) -> bytes:
        out = []
        for (file, name), i in self.functions.items():
            out.append(field(5, field(1, i) + field(2, self.text(name or ""))
                             + field(3, self.text("?" if name is None else ""))
                             + field(4, self.text(file))))  # fmt: skip
        for (file, name, line), i in self.locations.items():
            at = field(1, self.functions[file, name]) + field(2, line)
            out.append(field(4, field(1, i) + field(4, at)))
        return b"".join(out)

    def column(self, name: str, unit: str) -> bytes:
        return field(1, field(1, self.text(name)) + field(2, self.text(unit)))

    def of(
        self, sites: Iterable[Any], modules: Mapping[str, str | None], lacks: str = ""
    ) -> bytes:
        """`lacks`: words of metrics that the file says it does not tell."""
        out = b""
        for column in ("alloc", "inuse", "peak"):
            out += self.column(f"{column}_objects", "count")
            out += self.column(f"{column}_space", "bytes")
        out += b"".join(map(self.sample, sites)) + self.tables()
        comments = ["pytracemalloc 1", "#pytracemalloc limit 9"]
        comments += [f"#pytracemalloc lacks {lacks}"] if lacks else []
        for file, module in modules.items():
            if module is not None:
                comments.append(f"#pytracemalloc module {module} {file}")
        out += b"".join(field(13, self.text(text)) for text in comments)
        return out + self.string_table()

    def string_table(self) -> bytes:
        strings = (text.encode(errors="backslashreplace") for text in self.strings)
        return b"".join(field(6, text) for text in strings)


@pytest.fixture(scope="session")
def profile() -> type[Profile]:
    return Profile


@pytest.fixture(scope="session")
def snapshot_of() -> Callable[..., Any]:
    """A snapshot of sites, in their order, of the modules of files, and of words of the
    metrics that it does not tell.

    A site is (frames, size, domain, live, peak, allocated): the most recent frame
    first, each (file, name or None, line); bytes of one block; blocks alive when the
    snapshot was taken, alive at the peak, ever allocated.
    """
    from pytracemalloc import _core

    def make(
        sites: Iterable[Any],
        modules: Mapping[str, str | None] | None = None,
        lacks: str = "",
    ) -> Any:
        data = Profile().of(sites, modules or {}, lacks)
        return _core._snapshot_of_profile(data)[0]

    return make


class JsonFields:
    """The fields of JSON reports as docs/report-json.md has them, and as they are."""

    def __init__(self, text: str) -> None:
        self.sections = dict(re.findall(r"^## pytracemalloc (\w+)\n(.*?)(?=^## |\Z)",
                                        text, re.MULTILINE | re.DOTALL))  # fmt: skip

    def documented(self, verb: str) -> set[str]:
        rows = re.findall(r"^\| `([a-z_.\[\]]+)`", self.sections[verb], re.MULTILINE)
        assert len(rows) == len(set(rows))
        return set(rows)

    def of(self, value: Any, prefix: str = "") -> set[str]:
        """`top[].file` and so on; of an array, what its items have together."""
        found = set()
        if isinstance(value, dict):
            for name, inner in value.items():
                found |= {prefix + name} | self.of(inner, f"{prefix}{name}.")
        elif isinstance(value, list):
            for item in value:
                found |= self.of(item, prefix.removesuffix(".") + "[].")
        return found


@pytest.fixture
def json_fields(project: Path) -> JsonFields:
    return JsonFields((project / "docs/report-json.md").read_text())


PROGRAM = """
def leaf(n):
    return bytes(n)
def descend(n):
    if n == 0:
        return [leaf(1000)]
    return [descend(n - 1), bytearray(10 * n)]
def triple(i):
    return str(i) * 3
def main(n):
    kept = list(map(descend, [5] * n))
    kept.append(list(map(triple, range(100))))
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
