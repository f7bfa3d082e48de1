#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Includes only point down the rooms of csrc/; only os/ talks to the system, and only
py/ to the library in subprojects/.

    py -> format -> snap;  py -> trace -> snap, pyver;  all -> os -> base

Prints one line per violation and exits with 1 if there is any. With --self-test it
checks itself on sources that break each law.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

BELOW: dict[str, set[str]] = {
    "base": set(),
    "os": {"base"},
    "snap": {"os", "base"},
    "format": {"snap", "os", "base"},
    "pyver": {"os", "base"},
    "trace": {"snap", "pyver", "os", "base"},
    "py": {"format", "trace", "snap", "pyver", "os", "base"},
}
WITHOUT_PYTHON = {"base", "os", "snap", "format"}
LIBRARY_HEADERS = {"libdeflate.h"}
# Headers that bring in system calls, and the calls that need no header of their own.
SYSTEM_HEADERS = re.compile(
    r"^(sys/|linux/|asm/|unistd|pthread|fcntl|sched|signal|dlfcn|poll|semaphore|spawn)"
)
SYSTEM_CALLS = re.compile(
    r"\b(m(?:un|re)?map|madvise|mincore|mprotect|syscall|pthread_\w+|sched_yield|fork|"
    r"open|openat|close|read|write|pread|pwrite|rename|unlink|fsync|sysconf|getpid|"
    r"fopen|fclose|fread|fwrite|fprintf|printf|puts|abort|exit|_exit|getenv|"
    r"clock_gettime|nanosleep|time)\s*\("
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def without_comments(text: str) -> str:
    """The text with comments and strings blanked, line for line."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())

    return COMMENT_OR_STRING.sub(blank, text)


def check_include(room: str, quote: str, target: str) -> str | None:
    if quote == "<":
        if target.startswith(("Python", "structmember", "frameobject", "internal/")):
            if room in WITHOUT_PYTHON:
                return f"{room}/ knows no Python, but includes <{target}>"
        elif SYSTEM_HEADERS.match(target) and room != "os":
            return f"only os/ talks to the system, but {room}/ includes <{target}>"
        elif target in LIBRARY_HEADERS and room != "py":
            return f"only py/ calls libdeflate, but {room}/ includes <{target}>"
        return None
    other, _, name = target.partition("/")
    if not name:
        return f'"{target}" must be written from csrc/ ("{room}/{target}")'
    if other not in BELOW:
        return f'"{target}" is in no room of csrc/'
    if other != room and other not in BELOW[room]:
        return f'{room}/ may not include "{target}": {other}/ is not below it'
    return None


def check_file(path: Path, room: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        problem = match and check_include(room, *match.groups())
        if problem:
            found.append(f"{path}:{number}: {problem}")
    if room != "os":
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            for call in SYSTEM_CALLS.finditer(line):
                if not re.search(r"(->|\.)\s*$", line[: call.start()]):
                    problem = f"only os/ talks to the system, but {room}/ calls"
                    found.append(f"{path}:{number}: {problem} {call.group(1)}()")
    return found


def check_tree(csrc: Path) -> tuple[int, list[str]]:
    files = sorted(p for p in csrc.rglob("*") if p.suffix in (".c", ".h"))
    problems = []
    for path in files:
        room = path.relative_to(csrc).parts[0]
        if room in BELOW:
            problems += check_file(path, room)
        else:
            problems.append(f"{path}: {room} is not a room of csrc/")
    return len(files), problems


BAD = {
    "upward include": ("snap", '#include "trace/ptm_tracer.h"\n'),
    "include across": ("format", '#include "pyver/ptm_frames.h"\n'),
    "base includes os": ("base", '#include "os/ptm_os.h"\n'),
    "not from csrc/": ("trace", '#include "ptm_sites.h"\n'),
    "Python below": ("snap", "#include <Python.h>\n"),
    "system header": ("trace", "#include <sys/mman.h>\n"),
    "system call": ("base", "void\nf(void)\n{\n    munmap(0, 1);\n}\n"),
    "library": ("format", "#include <libdeflate.h>\n"),
    "room unknown": ("misc", "int x;\n"),
}
GOOD = {
    "downward": ("py", '#include <Python.h>\n#include "format/ptm_pprof.h"\n'),
    "library in py/": ("py", "#include <libdeflate.h>\n"),
    "system in os/": ("os", "#include <sys/mman.h>\nvoid f(void) { munmap(0, 1); }\n"),
    "a word in a comment": ("base", "/* mmap(2), not malloc */\nint x;\n"),
    "a member of that name": ("trace", "void f(a *b) { b->read(1); }\n"),
}


def self_test() -> int:
    failures = 0
    for wanted, samples in ((True, BAD), (False, GOOD)):
        for name, (room, text) in samples.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, room, "ptm_sample.c")
                path.parent.mkdir()
                path.write_text(text)
                _, problems = check_tree(Path(folder))
            if bool(problems) is not wanted:
                failures += 1
                print(f"check_layers does not judge rightly: {name}: {problems}")
    return failures


def main() -> int:
    if "--self-test" in sys.argv[1:]:
        return 1 if self_test() else 0
    count, problems = check_tree(Path(__file__).resolve().parent.parent / "csrc")
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"layers: {count} files, {len(problems)} violations")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
