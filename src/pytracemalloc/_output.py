# SPDX-License-Identifier: MIT
"""PYTRACEMALLOC_OUTPUT: where the snapshot of a process goes, and whose it is.

Imports only what is there since the interpreter's start: it is asked before the
program starts.
"""

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

VARIABLE = "PYTRACEMALLOC_OUTPUT"

#: "PID PATH" in the environment of all who come after: the process that was the first
#: to hear of PATH. Who finds its own path here need not check it, and must not end the
#: program for it: its parent may have lost the right to write there, or the folder.
FIRST = "PYTRACEMALLOC_OUTPUT_FIRST"

FIELD = "{pid}"

GONE = "the current folder is gone: name an absolute path"


def of_this_process(environ: "MutableMapping[str, str]") -> str:
    """The absolute path to write to, still with its {pid}; "" if others write there.

    Raises ValueError, which says what is wrong with the path.
    """
    path = environ[VARIABLE]
    first, _, known = environ.get(FIRST, "").partition(" ")
    if path == known:
        return path if FIELD in path or first == str(os.getpid()) else ""
    path = absolute(path)
    wrong = problem(with_pid(path))
    if wrong:
        raise ValueError(wrong)
    environ[VARIABLE] = path  # children may start in another folder
    environ[FIRST] = f"{os.getpid()} {path}"
    return path


def with_pid(path: str) -> str:
    """By the id at the moment: a forked child has another."""
    return path.replace(FIELD, str(os.getpid()))


def absolute(path: str) -> str:
    rest = path.replace(FIELD, "")
    if "{" in rest or "}" in rest:
        raise ValueError(f"{FIELD} is the only field there is: leave other braces out")
    if os.path.isabs(path):
        return path
    folder = here()
    if not folder:
        raise ValueError(GONE)
    return os.path.join(folder, path)


def here() -> str:
    """The current folder; "" if it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def problem(path: str) -> str | None:
    """Why there cannot be a file of this name, and what to do; None if there can."""
    if not os.path.isabs(path) and not here():
        return GONE
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return problem_of_new(path)
    except OSError as error:  # a name too long, links that lead in a circle
        return unwritable(error)
    return problem_of_old(path, mode)


def problem_of_new(path: str) -> str | None:
    folder = os.path.dirname(os.path.realpath(path))
    if path.endswith("/"):
        return "no such folder"
    if not os.path.isdir(folder):
        return f"no folder {os.path.dirname(path) or folder}: make it first"
    return problem_in(folder)


def problem_of_old(path: str, mode: int) -> str | None:
    if stat.S_ISDIR(mode):
        return "is a folder: name a file in it"
    if not stat.S_ISREG(mode):
        return "not a regular file: name another"
    if not os.access(path, os.W_OK):
        return "is write-protected: name another"
    return problem_in(os.path.dirname(os.path.realpath(path)))


def problem_in(folder: str) -> str | None:
    """A file is made in the folder and removed at once."""
    draft = os.path.join(folder, f".pytracemalloc-{os.getpid()}.tmp")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(draft)
    except OSError as error:
        return unwritable(error)
    return None


def unwritable(error: OSError) -> str:
    return f"cannot be written: {error.strerror}: name another"
