# SPDX-License-Identifier: MIT
"""Source lines for the report.

linecache would do, but for what it imports (see _summary) and what it reads: a file's
name may be any text that somebody gave to compile(), or that stands in a snapshot.
"""

import os
import stat
import sys

from pytracemalloc.cli import _interpreter

#: Text for what has no source of its own.
INSTEAD = {
    "<frozen importlib._bootstrap>": "(importing modules)",
    "<frozen importlib._bootstrap_external>": "(importing modules)",
    "<frozen zipimport>": "(importing modules from a zip file)",
}

#: No line is shown of a file that is bigger.
SOURCE_BYTES_MAX = 16 << 20

_files: dict[str, list[str]] = {}


def line(filename: str, lineno: int, function: str) -> str:
    """The text of a line, without its indent; empty if it cannot be had."""
    if lineno < 1:
        return ""
    if filename in INSTEAD:
        return INSTEAD[filename]
    if filename == "<string>":
        lines = code_of_command_line(function)
    else:
        if filename not in _files:
            _files[filename] = read(filename)
        lines = _files[filename]
    return lines[lineno - 1].strip() if lineno <= len(lines) else ""


def read(filename: str) -> list[str]:
    if filename.startswith("<") and filename.endswith(">"):
        return []
    try:
        return lines_of(decoded(contents(filename)))
    except (OSError, ValueError):  # not there, or no name that a file can have
        return from_loader(filename)


def contents(filename: str) -> bytes:
    """Of a regular file that is not too big; b"" of all else, which may never end, or
    wait for somebody, or do something as soon as it is opened."""
    if not is_readable(os.stat(filename)):
        return b""
    fd = os.open(filename, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)  # somebody may have replaced it
        return read_all(fd, status.st_size) if is_readable(status) else b""
    finally:
        os.close(fd)


def is_readable(status: os.stat_result) -> bool:
    """Those of /proc say that they are empty, whatever they hold."""
    return stat.S_ISREG(status.st_mode) and 0 < status.st_size <= SOURCE_BYTES_MAX


def read_all(fd: int, n_bytes: int) -> bytes:
    """At most as much as the file said it has."""
    data = b""
    while len(data) < n_bytes:
        piece = os.read(fd, n_bytes - len(data))
        if not piece:
            break
        data += piece
    return data


def lines_of(text: str) -> list[str]:
    """As Python counts them. splitlines() knows more ends, such as a form feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def decoded(data: bytes) -> str:
    """By the coding cookie of the first two lines, as PEP 263 has it."""
    for head in data.splitlines()[:2]:  # of bytes: at \n, \r\n and \r only
        before, found, after = head.partition(b"coding")
        if found and before.lstrip()[:1] == b"#" and after[:1] in (b":", b"="):
            name = after[1:].strip().split(b" ")[0].decode("ascii", "ignore")
            try:
                return data.decode(name.strip("*-; "), "replace")
            except (LookupError, ValueError):
                break
    return data.decode("utf-8-sig", "replace")


def from_loader(filename: str) -> list[str]:
    """By the loader of the module: what was imported from a zip file."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) != filename:
            continue
        spec = getattr(module, "__spec__", None)
        loader = getattr(module, "__loader__", None)
        try:
            return lines_of(loader.get_source(spec.name))  # type: ignore
        except Exception:
            return []
    return []


def code_of_command_line(function: str) -> list[str]:
    """The code of `-c`, if it has a function of that name: every exec() of a text
    calls its file <string>, too."""
    code = _interpreter.code_of(sys.orig_argv)
    name = function.rpartition(".")[2]
    known = name == "<module>" or name.strip("<>") in code
    return lines_of(code) if known else []
