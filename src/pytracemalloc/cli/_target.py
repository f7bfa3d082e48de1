# SPDX-License-Identifier: MIT
"""Where --report leads: to a file that is replaced, to a device or a pipe that is
written to, or to what a descriptor leads to that the program inherits (stdout, say).

A descriptor is written to as it is. Its name in /dev would be opened anew, which gives
a file a second position, at which others write over the report, and cannot be done with
a socket. And when the program has ended the number may lead to a file of the program's
own, so it goes along with the file that it led to before the program started.
"""

from __future__ import annotations

import os

from pytracemalloc import _output, _session, _whole
from pytracemalloc._startup import whole_number

#: What Linux calls the descriptors of whoever asks.
FOLDERS = ("/proc/self/fd", "/proc/thread-self/fd")

DESCRIPTOR_MAX = 1 << 30
LINKS_MAX = 40  # as Linux has it


def descriptor_of(path: str) -> int | None:
    """The number of the descriptor that is named: by /dev/stdout, /dev/fd/3, or a link
    to one of these."""
    for _ in range(LINKS_MAX):
        folder, name = os.path.split(path)
        number = whole_number(name, DESCRIPTOR_MAX)
        if number is not None and is_ours(folder):
            return number
        if not os.path.islink(path):
            return None
        path = os.path.join(folder, os.readlink(path))
    return None


def is_ours(folder: str) -> bool:
    """Whether the names in there are numbers of our own descriptors."""
    absolute = os.path.join(_output.here() or "/", folder)
    return os.path.realpath(absolute) in map(os.path.realpath, FOLDERS)


def mark_of(fd: int) -> str:
    """The number, and which file it leads to."""
    identity = _session.identity(fd)
    return ":".join(map(str, (fd, *identity))) if identity else f"{fd}"


def leads_to(mark: str, path: str) -> bool:
    """Whether the descriptor leads to the file of that name."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return mark.endswith(f":{status.st_dev}:{status.st_ino}")


def problem_of(fd: int) -> str | None:
    """Why the program could not have a report there; None if it can."""
    import fcntl

    try:
        ways = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
        inherited = os.get_inheritable(fd)  # else it is a file of this command's
    except OSError:
        inherited = False
    if not inherited:
        return "is closed: leave it open, or name a file"
    return "is open for reading only: name a file" if ways == os.O_RDONLY else None


def write(path: str, mark: str | None, data: bytes) -> None:
    """Raises OSError. A regular file is replaced at once."""
    if mark is not None:
        write_to_descriptor(mark, data)
    elif _whole.must_stay(path):
        with open(path, "ab", buffering=0) as file:
            _session.write_all(file.fileno(), data)
    else:
        with _whole.WholeFile(path) as file:
            file.write(data)


def write_to_descriptor(mark: str, data: bytes) -> None:
    fd = int(mark.partition(":")[0])
    if mark_of(fd) != mark:
        raise OSError(0, "the program closed it, or led it elsewhere")
    _session.write_all(fd, data)
