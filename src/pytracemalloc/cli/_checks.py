# SPDX-License-Identifier: MIT
"""What can be found out before the program starts. Each check raises CommandError."""

from __future__ import annotations

import os
import site
import stat
import sys

import pytracemalloc
from pytracemalloc import _output, _whole
from pytracemalloc._startup import PROBE_STATUS, RUN_PREFIX
from pytracemalloc.cli import CommandError, _target

START_FILE = "pytracemalloc.pth"


def check_program(kind: str, name: str) -> None:
    if kind == "-m":
        check_module(name)
    elif kind == "script" and name != "-":
        check_script(name)
    if "\0" in name:
        raise CommandError("run: the program's name or code has a null character in it")


def check_script(path: str) -> None:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        if isinstance(error, NotADirectoryError) and is_in_archive(path):
            return
        raise CommandError(no_script(path, error)) from None
    if stat.S_ISDIR(status.st_mode):
        mains = ("__main__.py", "__main__.pyc")
        if not any(os.path.exists(os.path.join(path, main)) for main in mains):
            raise CommandError(
                f"run: {path!r} is a folder without __main__.py: name a script in it, "
                "or use -m"
            )
    elif not os.access(path, os.R_OK):
        raise CommandError(f"run: cannot read {path!r}: change its permissions")


def is_in_archive(path: str) -> bool:
    """Whether python takes what is no path of a file for one into a zip file."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except Exception:
            continue
        return True
    return False


def no_script(path: str, error: OSError | ValueError) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    text = f"run: cannot open {path!r}: {reason}"
    is_file = "/" in path or path.endswith(".py")
    if not is_file and find_top(path.partition(".")[0]):
        return f"{text}; to run the module, say -m {path}"
    return f"{text}; check the name"


def check_module(name: str) -> None:
    """A module that is not there; what is wrong inside a package python tells best."""
    if not find_top(name.partition(".")[0]):
        raise CommandError(
            f"run: no module named {name!r}: install it or check the name"
        )


def find_top(name: str) -> bool:
    """Whether a module of that name can be found; nothing of it is run. Who imports it
    by -m may have named its file as no identifier is: my-module.py."""
    from importlib.machinery import PathFinder

    if not name:
        return False
    here = "" if sys.flags.safe_path else _output.here()
    path = [here, *sys.path] if here else sys.path
    try:
        for finder in sys.meta_path:
            if finder is PathFinder:
                found = PathFinder.find_spec(name, path)
            else:
                found = finder.find_spec(name, None)
            if found is not None:
                return True
    except Exception:
        return True  # a finder that fails: python will tell
    return False


def output_path(path: str, option: str) -> str:
    """The absolute path of a file that can be replaced."""
    if not path or "\0" in path:
        raise CommandError(f"run: {option} needs the name of a file")
    if _target.descriptor_of(path) is None:
        problem = _output.problem(path)
    else:
        problem = "is open already, and would not see what replaces it: name a file"
    if problem:
        raise CommandError(f"run: {option} {path}: {problem}")
    return os.path.realpath(path)


def report_options(path: str) -> dict[str, str]:
    """What tells the program's interpreter where the report goes."""
    fd = 1 if path == "-" else _target.descriptor_of(path)
    if fd is None:
        return {"report": report_path(path)}
    problem = _target.problem_of(fd)
    if problem:
        shown = "stdout " if path == "-" else ""
        raise CommandError(f"run: --report {path}: {shown}{problem}")
    name = "/dev/stdout" if path == "-" else path
    return {"report": name, "descriptor": _target.mark_of(fd)}


def report_path(path: str) -> str:
    """As output_path, but a pipe or a device will do."""
    absolute = os.path.normpath(os.path.join(_output.here(), path))
    if _whole.must_stay(absolute):
        if not os.access(path, os.W_OK):
            raise CommandError(f"run: --report {path}: cannot be written: name another")
        return absolute
    return output_path(path, "--report")


def check_distinct(output: str, report: dict[str, str]) -> None:
    """The snapshot takes the place of a file; a report in the old one would be lost."""
    mark = report.get("descriptor")
    same = _target.leads_to(mark, output) if mark else output == report.get("report")
    if same:
        raise CommandError("run: -o and --report name the same file")


def check_start_file(options: list[str]) -> None:
    """Whether the program's interpreter will read pytracemalloc.pth."""
    if not sys.executable:
        raise CommandError("run: this interpreter does not know its own program file")
    if start_file_in_site() or probe(options):
        return
    if sys.flags.no_site:
        raise CommandError("run: python -S reads no start-up file: leave -S out")
    raise CommandError(
        f"run: {START_FILE} is not in a site-packages folder of {sys.executable}: "
        "install pytracemalloc there with pip (not editable, not by PYTHONPATH)"
    )


def start_file_in_site() -> bool:
    if sys.flags.no_site:
        return False
    folder = os.path.dirname(os.path.dirname(os.path.abspath(pytracemalloc.__file__)))
    folders = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    known = {os.path.realpath(name) for name in folders}
    is_there = os.path.isfile(os.path.join(folder, START_FILE))
    return is_there and os.path.realpath(folder) in known


def probe(options: list[str]) -> bool:
    """Asks an interpreter like the program's: its folders may come from other .pth."""
    import subprocess

    words = [sys.executable, f"-X{RUN_PREFIX}run=probe", *options, "-c", ""]
    silent = subprocess.DEVNULL
    answer = subprocess.run(words, stdin=silent, stdout=silent, stderr=silent)
    return answer.returncode == PROBE_STATUS
