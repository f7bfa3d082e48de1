# SPDX-License-Identifier: MIT
"""`pytracemalloc run` behaves as `python` does: each program here is run by both."""

from __future__ import annotations

import json
import re
import sys
import zipfile

import pytest

#: Prints what a program can see of how it was started.
PROBE = """
import sys, os, json
import __main__ as main
modules = sorted(
    name for name in sys.modules if name.partition(".")[0] != "pytracemalloc"
)
frame, depth = sys._getframe(), 0
while frame:
    frame, depth = frame.f_back, depth + 1
print(json.dumps({
    "argv": sys.argv,
    "orig_argv": sys.orig_argv,
    "path": sys.path,
    "flags": str(sys.flags),
    "xoptions": sys._xoptions,
    "warnoptions": sys.warnoptions,
    "names": sorted(vars(main)),
    "name": __name__,
    "file": globals().get("__file__"),
    "spec": str(__spec__),
    "package": __package__,
    "loader": type(__loader__).__name__,
    "builtins": str(type(__builtins__)),
    "main_is_main": vars(main) is globals(),
    "modules": modules,
    "depth": depth,
    "recursion": sys.getrecursionlimit(),
    "executable": sys.executable,
    "environ": dict(os.environ),
    "cwd": os.getcwd(),
    "fds": sorted(os.listdir("/proc/self/fd")),
}))
"""


def same(children, *words, text=None, options=(), **more):
    """Runs the program by python and by us and compares all but the report."""
    plain = children.python(*options, *words, text=text, **more)
    command = [sys.executable, *options, "-m", "pytracemalloc", "run", *words]
    ours = children.finish(children.start(command, **more), text)
    assert ours.returncode == plain.returncode
    expected, printed = no_address(plain.stderr), no_address(ours.stderr)
    assert printed.startswith(expected)
    assert printed[len(expected) :].startswith("\n── pytracemalloc ─")
    return no_address(plain.stdout), no_address(ours.stdout)


def no_address(text):
    return re.sub(r"\b0x[0-9a-f]+\b", "0x", text)


def same_start(children, *words, **more):
    plain, ours = (json.loads(out) for out in same(children, *words, **more))
    ours["modules"] = sorted({*ours["modules"]} - {"atexit", "_tracemalloc"})
    plain["modules"] = sorted({*plain["modules"]} - {"atexit", "_tracemalloc"})
    assert ours == plain
    return ours


def test_script(children):
    children.write("prog.py", PROBE)
    seen = same_start(children, "prog.py", "-n", "1", "--", "-o", "")
    assert seen["argv"] == ["prog.py", "-n", "1", "--", "-o", ""]
    assert seen["path"][0] == str(children.folder)


def test_script_in_another_folder(children):
    children.write("sub/prog.py", PROBE)
    (children.folder / "link.py").symlink_to("sub/prog.py")
    seen = same_start(children, "link.py")
    assert seen["path"][0] == str(children.folder / "sub")


def test_script_that_looks_like_an_option(children):
    children.write("-prog.py", PROBE)
    plain = children.python("--", "-prog.py", "x")
    ours = children.run("--", "-prog.py", "x")
    assert json.loads(ours.stdout)["argv"] == json.loads(plain.stdout)["argv"]


def test_module(children):
    children.write("pack/__init__.py", "")
    children.write("pack/prog.py", PROBE)
    seen = same_start(children, "-m", "pack.prog", "-h", "--version")
    assert seen["argv"][1:] == ["-h", "--version"]


def test_package(children):
    children.write("pack/__init__.py", "import sys; first = sys.argv[0]")
    children.write("pack/__main__.py", PROBE)
    same_start(children, "-m", "pack")


NAMES = {
    "my-prog": "my-prog.py",
    "1x": "1x.py",
    "a b": "a b.py",
    "é+": "é+.py",
    "class": "class.py",
    "p-q.prog": "p-q/prog.py",
    "my-pack": "my-pack/__main__.py",
}


@pytest.mark.parametrize("name", NAMES)
def test_modules_whose_names_are_no_identifiers(children, name):
    children.write(NAMES[name], PROBE)
    same_start(children, "-m", name, "x")


def test_module_and_code_without_a_space(children):
    children.write("prog.py", PROBE)
    ours = json.loads(children.run("-mprog", "a").stdout)
    assert ours["argv"] == [str(children.folder / "prog.py"), "a"]
    assert children.run("-cprint(3)").stdout == "3\n"


def test_code(children):
    same_start(children, "-c", PROBE, "-m", "x")


def test_stdin(children):
    same_start(children, "-", "a", "b", text=PROBE)


def test_folder(children):
    children.write("app/__main__.py", PROBE)
    children.write("app/other.py", "")
    same_start(children, "app", "x")


def test_zip_file(children):
    with zipfile.ZipFile(children.folder / "app.zip", "w") as archive:
        archive.writestr("__main__.py", "import other\n" + PROBE)
        archive.writestr("other.py", "value = 1")
    same_start(children, "app.zip", "x")


def test_folder_in_a_zip_file(children):
    with zipfile.ZipFile(children.folder / "app.zip", "w") as archive:
        archive.writestr("sub/deep/__main__.py", "import other\n" + PROBE)
        archive.writestr("sub/deep/other.py", "value = 1")
    same_start(children, "app.zip/sub/deep", "x")
    same(children, "app.zip/sub")  # it has no __main__: python tells


def test_compiled_script(children):
    path = children.write("prog.py", PROBE)
    compile_it = "import py_compile, sys; py_compile.compile(sys.argv[1], 'prog.pyc')"
    children.python("-c", compile_it, path)
    same_start(children, "prog.pyc")


@pytest.mark.parametrize(
    "options",
    [
        ["-X", "dev"],
        ["-Xdev", "-W", "error", "-Walways"],
        ["-O", "-B", "-q"],
        ["-I"],
        ["-E", "-s"],
        ["-P"],
        ["-b", "-d", "-u"],
        ["--check-hash-based-pycs", "always"],
        ["-X", "utf8=0"],
    ],
    ids=" ".join,
)
def test_options_of_the_interpreter(children, options):
    children.write("prog.py", PROBE)
    same_start(children, "prog.py", options=options)


def test_options_in_one_word_with_m(children):
    children.write("prog.py", PROBE)
    command = [sys.executable, "-OBmpytracemalloc", "run", "prog.py"]
    done = children.finish(children.start(command))
    assert "optimize=1" in json.loads(done.stdout)["flags"]
    assert "dont_write_bytecode=1" in json.loads(done.stdout)["flags"]


def test_the_console_script(children):
    children.write("prog.py", PROBE)
    plain = json.loads(children.python("prog.py").stdout)
    script = sys.executable.removesuffix("python3").removesuffix("python")
    command = [f"{script}pytracemalloc", "run", "prog.py"]
    ours = json.loads(children.finish(children.start(command)).stdout)
    assert ours["orig_argv"][1:] == plain["orig_argv"][1:]
    for key in ("argv", "path", "flags", "depth", "fds", "environ"):
        assert ours[key] == plain[key]


ENDS = {
    "nothing": "",
    "status": "import sys; sys.exit(7)",
    "status 300": "import sys; sys.exit(300)",
    "none": "import sys; sys.exit(None)",
    "text": "import sys; sys.exit('so long')",
    "object": "raise SystemExit((1, 2))",
    "exception": "def f():\n    return 1 / 0\nf()",
    "chained": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError from e",
    "context": "try:\n    {}['a']\nexcept KeyError:\n    [].pop()",
    "group": "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])",
    "note": "e = ValueError(1)\ne.add_note('a note')\nraise e",
    "interrupt": "raise KeyboardInterrupt",
    "interrupt of a subclass": "class K(KeyboardInterrupt): pass\nraise K",
    "syntax": "x = (1,\n",
    "indentation": "if 1:\nx = 2\n",
    "deep": "def f(n):\n    return f(n + 1)\nf(0)",
    "excepthook": (
        "import sys\ndef hook(*a):\n    print('hook', a[1], file=sys.stderr)\n"
        "sys.excepthook = hook\n1 / 0"
    ),
    "bad excepthook": "import sys\nsys.excepthook = lambda *a: 1 / 0\n{}['x']",
    "thread": (
        "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='t')\n"
        "t.start(); t.join()"
    ),
    "import error": "import does_not_exist_at_all",
    "unraisable": "class A:\n    def __del__(self):\n        1 / 0\nA()",
    "warning": "import warnings\nwarnings.warn('careful')",
    "stack": "import traceback\ndef f():\n    traceback.print_stack()\nf()",
}


#: These differ by how the program was started.
BY_KIND = ("status", "exception", "chained", "interrupt", "syntax", "stack", "warning")


@pytest.mark.parametrize(
    "end, kind",
    [(end, "script") for end in ENDS]
    + [(end, kind) for end in BY_KIND for kind in ("-c", "-m", "-")],
)
def test_how_it_ends(children, end, kind):
    if kind == "script":
        children.write("prog.py", ENDS[end])
        same(children, "prog.py")
    elif kind == "-m":
        children.write("prog.py", ENDS[end])
        same(children, "-m", "prog")
    elif kind == "-c":
        same(children, "-c", ENDS[end])
    else:
        same(children, "-", text=ENDS[end])


def test_multiprocessing_spawn(children):
    children.write(
        "prog.py",
        "import multiprocessing as mp, pickle\n"
        "class Thing:\n"
        "    def __init__(self, n): self.n = n\n"
        "def work(thing):\n"
        "    import sys\n"
        "    return Thing(thing.n * 2), __name__, sys.orig_argv[1:2], sys._xoptions\n"
        "if __name__ == '__main__':\n"
        "    assert pickle.loads(pickle.dumps(Thing(1))).n == 1\n"
        "    with mp.get_context('spawn').Pool(1) as pool:\n"
        "        thing, *rest = pool.apply(work, (Thing(21),))\n"
        "    print(thing.n, *rest)\n",
    )
    plain, ours = same(children, "prog.py")
    assert plain == ours
    assert ours.startswith("42 __mp_main__")


def test_interactive_after_the_script(children):
    children.write("prog.py", "value = 5\n")
    command = [sys.executable, "-i", "-m", "pytracemalloc", "run", "prog.py"]
    done = children.finish(children.start(command), "print(value + 1)\n")
    assert done.stdout == "6\n"
    assert "── pytracemalloc ─" in done.stderr


def test_stdin_is_left_to_the_program(children):
    done = children.run("-c", "print(input() + '!')", text="hello\n")
    assert done.stdout == "hello!\n"


def test_a_run_of_a_run(children):
    done = children.run("-m", "pytracemalloc", "run", "-c", "print(1)")
    assert done.stdout == "1\n"
    assert done.stderr.count("── pytracemalloc ─") == 1
