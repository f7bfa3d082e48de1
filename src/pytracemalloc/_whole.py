# SPDX-License-Identifier: MIT
"""Files that are there whole or not at all.

Runs at the end of somebody's program, too, so it imports nothing that is not there
since the interpreter's start.
"""

from __future__ import annotations

import itertools
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_serial = itertools.count()


class WholeFile:
    """A file that is there whole or not at all: `with WholeFile(path) as file`.

    What is written goes to a temporary file in the target's folder, which takes the
    target's place at the end, and is removed if anything was raised. A device or a
    pipe is written to, not replaced. Raises OSError, which names the target.
    """

    def __init__(self, path: Any) -> None:
        self.path = path
        self._target = path
        self._temporary: Any = None
        self._file: Any = None

    def __enter__(self) -> Any:
        if is_special(self.path):
            self._file = open(self.path, "wb")
        else:
            self._target = os.path.realpath(self.path)
            self._temporary, fd = self._open_beside()
            self._file = open(fd, "wb")
        return self._file

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            self._file.close()
            if kind is None and self._temporary is not None:
                os.replace(self._temporary, self._target)
                self._temporary = None
        except OSError as problem:
            if kind is None:
                raise OSError(problem.errno, problem.strerror, self.path) from None
        finally:
            if self._temporary is not None:
                os.unlink(self._temporary)
        if isinstance(error, OSError) and error.filename is None and error.errno:
            raise OSError(error.errno, error.strerror, self.path) from None

    def _open_beside(self) -> tuple[Any, int]:
        folder = os.path.dirname(self._target)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        while True:
            name: Any = f".pytracemalloc-{os.getpid()}-{next(_serial)}.tmp"
            if isinstance(folder, bytes):
                name = os.fsencode(name)
            temporary = os.path.join(folder, name)
            try:
                return temporary, os.open(temporary, flags, 0o666)
            except FileExistsError:
                continue
            except OSError as error:
                raise OSError(error.errno, error.strerror, self.path) from None


def is_special(path: Any) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def must_stay(path: str) -> bool:
    """Whether the path names something that must not be replaced by a file: a device
    or a pipe, and whatever /dev and /proc name (another process's stdout, say, if it
    leads to a file)."""
    if path.startswith(("/dev/", "/proc/")):
        return True
    is_other = os.path.exists(path) and not os.path.isdir(path)
    return is_other and is_special(path)
