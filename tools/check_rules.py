#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The house rules as tests: CONTRIBUTING.md states them, this file finds breaches.

Prints one line per breach and exits with 1 if there is any. With --self-test it
checks itself on a source that breaks each rule.

A function over 60 lines or a file over 600 says why in a comment with "Long:".
"""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from check_layers import without_comments

FUNCTION_LINES = 60
FILE_LINES = 600
C_COLUMNS = 100
SUFFIXES = {".c", ".h", ".py", ".pyi", ".sh", ".toml"}
FOLDERS = (".ci", "bench", "csrc", "demo", "docs", "src", "tests", "tools")

Breach = tuple[int, str]  # line, what is wrong
Check = Callable[[Path, str], Iterator[Breach]]  # relative path, text


def is_c(path: Path) -> bool:
    return path.suffix in (".c", ".h")


def in_core(path: Path) -> bool:
    return path.parts[0] == "csrc" and is_c(path)


def matches(pattern: str, text: str) -> Iterator[tuple[int, re.Match[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        for match in re.finditer(pattern, line):
            yield number, match


# -- rules: each takes (path below the project, text) and yields its breaches ----------


def no_program_memory_in_trace(path: Path, text: str) -> Iterator[Breach]:
    """trace/ calls no allocator, creates no object, counts no reference."""
    if not in_core(path) or path.parts[1] != "trace":
        return
    calls = (
        r"(?<![\w>.])(malloc|calloc|realloc|free|strdup|alloca|asprintf|"
        r"Py(?:Mem|Object)_(?:Raw)?(?:Malloc|Calloc|Realloc|Free)|Py_X?(?:INC|DEC)REF|"
        r"Py_(?:X?NewRef|BuildValue|CLEAR)|PyObject_Call\w*|Py[A-Z]\w*_(?:New|From\w+)|"
        r"PyRun_\w+|PyErr_\w+|PyGILState_Ensure|PyEval_\w+)\s*\("
    )
    for number, match in matches(calls, without_comments(text)):
        yield number, f"trace/ must not call {match.group(1)}()"


def version_in_its_place(path: Path, text: str) -> Iterator[Breach]:
    """PY_VERSION_HEX only in pyver/ and py/state.h; Py_BUILD_CORE nowhere."""
    if not in_core(path):
        return
    code = without_comments(text)
    if path.parts[1] != "pyver" and path.parts[1:] != ("py", "state.h"):
        for number, _ in matches(r"\bPY_(VERSION_HEX|M\w+_VERSION)\b", code):
            yield number, "PY_VERSION_HEX belongs in pyver/ or py/state.h"
    for number, _ in matches(r"\bPy_BUILD_CORE\w*\b", code):
        yield number, "Py_BUILD_CORE is not ours to define"


def system_in_its_place(path: Path, text: str) -> Iterator[Breach]:
    """Outside os/, pyver/ and where the build is refused #if asks words of ours only:
    neither a system, a processor nor a build of Python."""
    if not in_core(path) or path.parts[1] in ("os", "pyver"):
        return
    if path.parts[1:] == ("py", "state.h"):
        return
    asked = r"^\s*#\s*(?:el)?ifn?(?:def)?\b(.*)"
    for number, line in matches(asked, without_comments(text)):
        for word in re.findall(r"[A-Za-z_]\w+", line.group(1)):
            if word != "defined" and not word.startswith("PTM_"):
                yield number, f"#if on {word} belongs in os/ or pyver/"


def names_have_a_prefix(path: Path, text: str) -> Iterator[Breach]:
    """What other files can see starts with ptm_ or PTM_."""
    if not in_core(path):
        return
    lines = without_comments(text).splitlines()
    for number, line in enumerate(lines, 1):
        name = defined_name(lines, number - 1)
        static = name and any("static" in x for x in lines[max(0, number - 3) : number])
        if name and (path.suffix == ".h" or not static):
            if not name.startswith(("ptm_", "PyInit_", "PTM_")):
                yield number, f"{name} is seen elsewhere and lacks the prefix ptm_"
        macro = re.match(r"#\s*define\s+(\w+)", line)
        if macro and path.suffix == ".h":
            if not macro.group(1).startswith(("PTM_", "ptm_", "PY_SSIZE_T_CLEAN")):
                yield number, f"macro {macro.group(1)} lacks the prefix PTM_"
        typedef = re.match(r"\}\s*(\w+);", line) or re.match(
            r"typedef\s+[^({]*\b(\w+);", line
        )
        if typedef and path.suffix == ".h" and not typedef.group(1).startswith("ptm_"):
            yield number, f"type {typedef.group(1)} lacks the prefix ptm_"


def defined_name(lines: list[str], at: int) -> str | None:
    """The function defined here, whose name starts the line and whose body follows."""
    match = re.match(r"(\w+)\(", lines[at])
    if not match:
        return None
    for line in lines[at:]:
        if line.startswith("{"):
            return match.group(1)
        if ";" in line or line.startswith("}"):
            return None
    return None


def c_functions(text: str) -> Iterator[tuple[int, str, int]]:
    """(line, name, number of lines) of each function."""
    lines = without_comments(text).splitlines()
    for at in range(len(lines)):
        name = defined_name(lines, at)
        if name:
            end = next(i for i in range(at, len(lines)) if lines[i].startswith("}"))
            yield at + 1, name, end - at + 1


def python_functions(text: str) -> Iterator[tuple[int, str, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name, (node.end_lineno or 0) - node.lineno + 1


def lengths_within_reason(path: Path, text: str) -> Iterator[Breach]:
    """A file has at most 600 lines and a function 60, unless a comment says why."""
    if path.name == "package-lock.json":
        return  # npm writes it
    lines = text.splitlines()
    if len(lines) > FILE_LINES and not any("Long:" in x for x in lines[:40]):
        yield 1, f"{len(lines)} lines: split it, or say why (Long: ...) at its head"
    find = c_functions if is_c(path) else python_functions
    if not is_c(path) and path.suffix != ".py":
        return
    for number, name, length in find(text):
        around = lines[max(0, number - 8) : number + 6]
        if length > FUNCTION_LINES and not any("Long:" in x for x in around):
            yield number, f"{name} has {length} lines: split it, or say why (Long: ...)"


def columns(path: Path, text: str) -> Iterator[Breach]:
    """C has at most 100 columns."""
    for number, line in enumerate(text.splitlines(), 1):
        if is_c(path) and len(line) > C_COLUMNS:
            yield number, f"{len(line)} columns, more than {C_COLUMNS}"


def licence_line(path: Path, text: str) -> Iterator[Breach]:
    """An SPDX line among the first three."""
    named = path.suffix in SUFFIXES or path.name in ("Makefile", "meson.build")
    head = "\n".join(text.splitlines()[:3])
    if named and text.strip() and "SPDX-License-Identifier: MIT" not in head:
        yield 1, "no line SPDX-License-Identifier: MIT"


def finished_and_clean(path: Path, text: str) -> Iterator[Breach]:
    """No marks of unfinished work, no path of one machine."""
    marks = r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"
    places = r"(?<![\w.~])/(ro" r"ot|ho" r"me/\w+|wo" r"rk)/"
    for number, match in matches(f"{marks}|{places}", text):
        yield number, f"{match.group()!r} does not belong into the project"


RULES: tuple[Check, ...] = (
    no_program_memory_in_trace,
    version_in_its_place,
    system_in_its_place,
    names_have_a_prefix,
    lengths_within_reason,
    columns,
    licence_line,
    finished_and_clean,
)


# -- what is in the tree is in the build ----------------------------------------------


#: folder with a meson.build -> folders below it, and what it names of them
LISTED: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "csrc": ((".",), {".c"}),
    "src": ((".",), {".py", ".pyi", ".typed"}),
    "tests": (("c", "ext"), {".c"}),
}


def unlisted(root: Path) -> Iterator[str]:
    """Files that the build does not name, and so would silently leave out."""
    for folder, (below, suffixes) in LISTED.items():
        listing = re.sub("#.*", "", (root / folder / "meson.build").read_text())
        named = set(re.findall(r"'([^']+)'", listing))
        for part in below:
            for path in sorted((root / folder / part).rglob("*")):
                inside = path.relative_to(root / folder).as_posix()
                if path.suffix in suffixes and not names_of(inside) & named:
                    yield f"{folder}/{inside}: not named in {folder}/meson.build"


def names_of(inside: str) -> set[str]:
    """The path; of a C test also the name of the program alone."""
    program = re.fullmatch(r"c/(test_\w+)\.c", inside)
    return {inside} | ({program[1]} if program else set())


def project_files(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            yield path
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def check_text(path: Path, text: str) -> list[str]:
    found = []
    for rule in RULES:
        found += [f"{path}:{n}: {problem}" for n, problem in rule(path, text)]
    return found


def check_tree(root: Path) -> tuple[int, list[str]]:
    problems = list(unlisted(root))
    count = 0
    for path in project_files(root):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        count += 1
        problems += check_text(path.relative_to(root), text)
    return count, problems


# -- the self-test --------------------------------------------------------------------

SPDX = "/* SPDX-License-Identifier: MIT */\n"
STATIC = "static void\nf(void)\n{\n}\n"
LONG_C = "static void\nf(void)\n{\n" + "    ;\n" * 60 + "}\n"
BAD: dict[str, tuple[Check, str, str]] = {
    "malloc": (no_program_memory_in_trace, "csrc/trace/a.c", "    free(p);\n"),
    "object": (no_program_memory_in_trace, "csrc/trace/a.c", "x = PyList_New(0);\n"),
    "version": (version_in_its_place, "csrc/snap/a.c", "#if PY_VERSION_HEX > 1\n"),
    "core": (version_in_its_place, "csrc/pyver/a.h", "#define Py_BUILD_CORE 1\n"),
    "system": (system_in_its_place, "csrc/snap/a.c", "#ifdef PTM_X\n#if __linux__\n"),
    "processor": (system_in_its_place, "csrc/base/a.h", "#ifdef __x86_64__\n"),
    "exported": (names_have_a_prefix, "csrc/snap/a.c", "void\nf(void)\n{\n}\n"),
    "macro": (names_have_a_prefix, "csrc/snap/a.h", "#define N 1\n"),
    "type": (names_have_a_prefix, "csrc/snap/a.h", "typedef struct {\n} site;\n"),
    "long C": (lengths_within_reason, "csrc/snap/a.c", LONG_C),
    "long Python": (lengths_within_reason, "tools/a.py", "def f():\n" + " 1\n" * 60),
    "long file": (lengths_within_reason, "csrc/snap/a.c", "\n" * 601),
    "wide": (columns, "csrc/snap/a.c", "/*" + " " * 99 + "*/\n"),
    "licence": (licence_line, "csrc/snap/a.c", "int x;\n"),
    "unfinished": (finished_and_clean, "docs/a.md", "TO" + "DO: all\n"),
    "machine": (finished_and_clean, "docs/a.md", "see /ro" + "ot/x\n"),
}
GOOD: dict[str, tuple[str, str]] = {
    "the next allocator": ("csrc/trace/a.c", STATIC.replace("}", "a->free(p);\n}")),
    "static": ("csrc/snap/a.c", STATIC),
    "long with reason": ("csrc/snap/a.c", "/* Long: one table. */\n" + LONG_C),
    "version in its place": ("csrc/py/state.h", "#if PY_VERSION_HEX > 1\n#endif\n"),
    "at the root": ("setup.c", ""),
    "in a comment": ("csrc/snap/a.c", "/* free() and PY_VERSION_HEX */\n"),
}


#: What a meson.build names -> a file that it must name; the first three do not.
NAMED: tuple[tuple[str, str, bool], ...] = (
    ("'b.c'", "csrc/a.c", False),
    ("'c/test_b.c', 'test_b'", "tests/c/test_a.c", False),
    ("'ptm_a'", "tests/ext/ptm_a.c", False),
    ("'a.c'", "csrc/a.c", True),
    ("'test_a'", "tests/c/test_a.c", True),
    ("# it's an extension\n'ext/ptm_a.c'", "tests/ext/ptm_a.c", True),
)


def listing_failures(root: Path) -> Iterator[str]:
    for folder, (below, _) in LISTED.items():
        for part in below:
            (root / folder / part).mkdir(parents=True, exist_ok=True)
        (root / folder / "meson.build").write_text("")
    for text, name, is_named in NAMED:
        listing = root / name.partition("/")[0] / "meson.build"
        listing.write_text(text)
        (root / name).write_text(SPDX)
        if any(name in x for x in unlisted(root)) == is_named:
            yield f"{name} where the build names {text!r}: taken for the contrary"
        (root / name).unlink()


def self_test() -> int:
    failures = []
    for name, (rule, path, text) in BAD.items():
        if not list(rule(Path(path), text)):
            failures.append(f"{rule.__name__} lets through: {name}")
    for name, (path, text) in GOOD.items():
        failures += [f"{name}: {x}" for x in check_text(Path(path), SPDX + text)]
    with tempfile.TemporaryDirectory() as folder:
        failures += listing_failures(Path(folder))
    print(*failures, sep="\n", end="\n" if failures else "")
    return len(failures)


def main() -> int:
    if "--self-test" in sys.argv[1:]:
        return 1 if self_test() else 0
    count, problems = check_tree(Path(__file__).resolve().parent.parent)
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"rules: {count} files, {len(problems)} breaches")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
