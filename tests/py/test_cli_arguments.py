# SPDX-License-Identifier: MIT
"""Command lines: what is wrong is told in one line, with status 2, and nothing runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytracemalloc.cli import _interpreter, run

VERSION = "pytracemalloc 2.0.0a1\n"


def refused(done, *words):
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("pytracemalloc: ")
    for word in words:
        assert word in done.stderr


def command(children, *words, **more):
    return children.finish(children.start(children.command(*words), **more))


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(children, option):
    done = command(children, option)
    assert (done.returncode, done.stdout, done.stderr) == (0, VERSION, "")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(children, option):
    done = command(children, option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n  pytracemalloc run ") == 3
    assert max(map(len, done.stdout.splitlines())) <= 88


def test_help_of_run(children):
    done = children.run("--help")
    assert done.returncode == 0
    assert done.stdout.count("\n  pytracemalloc run ") == 3
    for option in ("-n", "-o", "--report", "--at", "--top", "--by", "--json"):
        assert f"\n  {option}" in done.stdout


def test_the_console_script_is_the_same_command(children):
    script = os.path.join(os.path.dirname(sys.executable), "pytracemalloc")
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, VERSION)


def test_help_into_a_closed_pipe(children):
    done = children.shell("$PY -m pytracemalloc --help | true; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == ("0\n", "")


WRONG = {
    "nothing": ([], "pytracemalloc run SCRIPT"),
    "an unknown command": (["walk"], "'walk'", "run"),
    "a script without run": (["prog.py"], "pytracemalloc run prog.py"),
    "an option without run": (["-o", "x"], "-o", "--help"),
    "no program": (["run"], "SCRIPT", "-m MODULE", "-c CODE"),
    "options only": (["run", "-n", "5"], "SCRIPT"),
    "dashes only": (["run", "--"], "SCRIPT"),
    "-m alone": (["run", "-m"], "MODULE"),
    "-c alone": (["run", "-c"], "CODE"),
    "a value missing": (["run", "-o"], "-o"),
    "an unknown option": (["run", "--foo", "prog.py"], "--foo", "--help"),
    "half an option": (["run", "--rep", "x", "prog.py"], "--rep", "--help"),
    "0 frames": (["run", "-n", "0", "prog.py"], "'0'", "1 to 65535"),
    "too many frames": (["run", "-n", "65536", "prog.py"], "1 to 65535"),
    "far too many": (["run", "-n", "9" * 5000, "prog.py"], "1 to 65535"),
    "too many, filled up": (["run", "-n", "0000655351", "prog.py"], "1 to 65535"),
    "0 frames, filled up": (["run", "-n", "0" * 5000, "prog.py"], "1 to 65535"),
    "no number": (["run", "-n", "x", "prog.py"], "'x'", "1 to 65535"),
    "far too many rows": (["run", "--top", "9" * 10, "prog.py"], "number of rows"),
    "below no rows": (["run", "--top", "-1", "prog.py"], "--top"),
    "an unknown moment": (["run", "--at", "noon", "prog.py"], "'noon'", "peak"),
    "an unknown group": (["run", "--by", "x", "prog.py"], "'x'", "traceback"),
    "a missing script": (["run", "gone.py"], "gone.py", "check the name"),
    "below a script": (["run", "prog.py/x"], "Not a directory", "check the name"),
    "a module as script": (["run", "json"], "-m json"),
    "a folder without main": (["run", "sub"], "__main__.py"),
    "a missing module": (["run", "-m", "no_such_thing"], "no_such_thing", "install"),
    "no module name": (["run", "-m", ""], "module"),
    "a relative module": (["run", "-m", ".prog"], "'.prog'", "check the name"),
    "a path as module": (["run", "-m", "./prog"], "'./prog'", "check the name"),
    "a path of a module": (["run", "-m", "sub/prog"], "'sub/prog'", "check the name"),
    "dots as module": (["run", "-m", ".."], "'..'", "check the name"),
    "a space as module": (["run", "-m", " "], "' '", "check the name"),
    "a file's name as module": (["run", "-m", "prog-2.py"], "check the name"),
    "a missing parent": (["run", "-m", "no_such.thing"], "no_such.thing"),
    "no output": (["run", "-o", "", "prog.py"], "-o"),
    "a folder as output": (["run", "-o", "sub", "prog.py"], "is a folder"),
    "a folder to be": (["run", "-o", "x/", "prog.py"], "no such folder"),
    "a missing folder": (["run", "-o", "no/x", "prog.py"], "no folder no", "make it"),
    "a device": (["run", "-o", "/dev/null", "prog.py"], "not a regular file"),
    "a descriptor": (["run", "-o", "/dev/stdout", "prog.py"], "is open already"),
    "a device's folder": (["run", "-o", "/proc/x", "prog.py"], "cannot be written"),
    "report: folder": (["run", "--report", "sub", "prog.py"], "is a folder"),
    "report: missing": (["run", "--report", "no/x", "prog.py"], "no folder no"),
    "a long name": (["run", "-o", f"sub/{'x' * 256}", "prog.py"], "name too long"),
    "report: a long name": (["run", "--report", "x" * 256, "prog.py"], "name too long"),
    "one file twice": (["run", "-o", "a", "--report", "sub/../a", "prog.py"], "same"),
    "a newline": (["run", "gone\n.py"], "gone\\n.py"),
    "an escape": (["run", "--at", "\x1b[31m", "prog.py"], "x1b"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_one_line(children, case):
    words, *expected = WRONG[case]
    children.write("prog.py", "open('ran', 'w')")
    children.write("sub/prog.py", "open('ran', 'w')")
    refused(command(children, *words), *expected)
    assert sorted(os.listdir(children.folder)) == ["prog.py", "sub"]


@pytest.mark.parametrize("option", ["-o", "--report"])
@pytest.mark.parametrize("target", ["link", "x" * 256])
def test_links_that_lead_to_no_name(children, option, target):
    link = children.folder / "link"
    link.symlink_to(target)
    refused(
        command(children, "run", option, "link", "-c", "print(1)"), "link: cannot be"
    )
    assert link.is_symlink() and os.listdir(children.folder) == ["link"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_protected_files(children):
    for name in ("file", "script.py"):
        children.write(name, "").chmod(0)
    refused(command(children, "run", "-o", "file", "-c", ""), "write-protected")
    refused(command(children, "run", "script.py"), "cannot read")
    children.folder.chmod(0o500)
    refused(command(children, "run", "-o", "new", "-c", ""), "cannot be written")


def test_the_exit_code_tells_where_stderr_cannot(children):
    for stderr in ("2>&-", "2>/dev/full"):
        done = children.shell(f"$RUN gone.py {stderr}; echo $?")
        assert done.stdout == "2\n"


def test_modules_of_the_folder_do_not_shadow_what_the_command_imports(children):
    for name in ("argparse", "site", "stat", "dataclasses", "subprocess"):
        children.write(f"{name}.py", "print('shadow')")
    refused(command(children, "run", "gone.py"), "gone.py")


def test_a_module_that_cannot_be_judged_is_left_to_python(children):
    children.write("pack/__init__.py", "")
    for name in ("pack.gone", "pack"):
        plain = children.python("-m", name)
        done = children.run("-m", name)
        assert done.returncode == plain.returncode == 1
        assert done.stderr.startswith(plain.stderr)


SPLITS = [
    (["prog.py", "-n", "1"], ([], ("script", "prog.py", ["-n", "1"]))),
    (["-n", "1", "prog.py"], (["-n", "1"], ("script", "prog.py", []))),
    (["-n1", "-ox", "p"], (["-n1", "-ox"], ("script", "p", []))),
    (["--top=3", "--json", "p"], (["--top=3", "--json"], ("script", "p", []))),
    (["-o", "-c", "-c", "x"], (["-o", "-c"], ("-c", "x", []))),
    (["-m", "mod", "-c", "y"], ([], ("-m", "mod", ["-c", "y"]))),
    (["-mmod", "a"], ([], ("-m", "mod", ["a"]))),
    (["--", "-x", "y"], ([], ("script", "-x", ["y"]))),
    (["-", "y"], ([], ("script", "-", ["y"]))),
    (["--json"], (["--json"], None)),
]


@pytest.mark.parametrize("words, expected", SPLITS, ids=lambda x: " ".join(map(str, x)))
def test_where_our_options_end(words, expected):
    ours, program = run.split(words)
    found = program and (program.kind, program.name, program.arguments)
    assert (ours, found) == expected


#: Words, the options among them, and what is left to run.
OPTIONS = [
    (["python", "-m", "pytracemalloc"], [], ["-m", "pytracemalloc"]),
    (["python", "/bin/prog", "-X", "y"], [], ["/bin/prog", "-X", "y"]),
    (["python", "-X", "dev", "-Wd", "-W", "d", "-mpytracemalloc"],
     ["-X", "dev", "-Wd", "-W", "d"], ["-m", "pytracemalloc"]),
    (["python", "-BOOm", "package", "-E"], ["-BOO"], ["-m", "package", "-E"]),
    (["python", "-BXdev", "-BX", "dev", "x"], ["-BXdev", "-BX", "dev"], ["x"]),
    (["python", "-BW", "-c", "-c", "x"], ["-BW", "-c"], ["-c", "x"]),
    (["python", "--check-hash-based-pycs", "always", "x"],
     ["--check-hash-based-pycs", "always"], ["x"]),
    (["python", "-I", "--", "-c", "x"], ["-I"], ["--", "-c", "x"]),
    (["python", "-c", "code"], [], ["-c", "code"]),
    (["python", "-Bccode", "y"], ["-B"], ["-c", "code", "y"]),
    (["python", "-", "-c", "x"], [], ["-", "-c", "x"]),
    ([""], [], []),
    ([], [], []),
]  # fmt: skip


@pytest.mark.parametrize(
    "words, options, rest", OPTIONS, ids=lambda x: " ".join(x) or "-"
)
def test_how_an_interpreter_reads_its_words(words, options, rest):
    assert _interpreter.split(words) == (options, rest)


@pytest.mark.parametrize("zeros", ["", "0", "0" * 5000], ids=len)
def test_numbers_may_be_filled_up_with_zeros(zeros):
    options = run.make_parser().parse_args(
        ["-n", f"{zeros}65535", "--top", f"{zeros}7"]
    )
    assert (options.nframe, options.top) == (65535, 7)


def test_names_of_options_are_those_of_the_parser():
    named = {
        name for action in run.make_parser()._actions for name in action.option_strings
    }
    assert named == {*run.WITH_VALUE, *run.FLAGS}


def test_without_the_start_up_file(children):
    """A package that is only on PYTHONPATH has no .pth that would be read."""
    import pytracemalloc

    package = os.path.dirname(pytracemalloc.__file__)
    (children.folder / "lib").mkdir()
    (children.folder / "lib/pytracemalloc").symlink_to(package)
    env = {"PYTHONPATH": str(children.folder / "lib")}
    words = [sys.executable, "-S", "-m", "pytracemalloc", "run", "-c", "print(1)"]
    refused(children.finish(children.start(words, env=env)), "leave -S out")
    base = os.path.realpath(sys.executable)
    words = [base, "-m", "pytracemalloc", "run", "-c", "print(1)"]
    refused(children.finish(children.start(words, env=env)), "pytracemalloc.pth", "pip")


def test_the_start_up_file_in_a_folder_named_by_another(children):
    """site.addsitedir() reads our .pth there; the command asks an interpreter."""
    import pytracemalloc

    package = os.path.dirname(pytracemalloc.__file__)
    lib = children.folder / "lib"
    lib.mkdir()
    (lib / "pytracemalloc").symlink_to(package)
    start_file = os.path.join(os.path.dirname(package), "pytracemalloc.pth")
    (lib / "pytracemalloc.pth").symlink_to(start_file)
    children.write(
        "home/usercustomize.py", f"import site; site.addsitedir({str(lib)!r})"
    )
    env = {"PYTHONPATH": str(children.folder / "home")}
    base = os.path.realpath(sys.executable)
    words = [base, "-m", "pytracemalloc", "run", "-c", "print(1)"]
    done = children.finish(children.start(words, env=env))
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert "── pytracemalloc ─" in done.stderr
