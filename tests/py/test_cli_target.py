# SPDX-License-Identifier: MIT
"""--report to what a descriptor of the program leads to."""

from __future__ import annotations

import os
import socket

import pytest

from pytracemalloc.cli import _target

HEAD = "── pytracemalloc ─"
LOST = "not written: the program closed it, or led it elsewhere"


def written(children, script, **more):
    """What is in the file `f` after a shell command line that says nothing."""
    done = children.shell(script, **more)
    assert (done.stdout, done.stderr) == ("", ""), done
    return (children.folder / "f").read_text()


NAMES = {
    "-": "1",
    "/dev/stdout": "1",
    "/dev/fd/1": "1",
    "/proc/self/fd/1": "1",
    "/proc/thread-self/fd/1": "1",
    "link": "1",
    "/dev/stderr": "2",
    "/dev/fd/7": "7",
}


@pytest.mark.parametrize("name", NAMES)
def test_it_stands_between_what_others_write_there(children, name):
    (children.folder / "link").symlink_to("/dev/stdout")
    fd = NAMES[name]
    code = f"import os; print('first', file=open({fd}, 'w', closefd=False))"
    run = f'( echo before >&{fd}; $RUN --report {name} -c "$CODE"; echo AFTER >&{fd} )'
    for how in (">", ">>"):
        text = written(children, f"rm -f f; {run} {fd}{how} f", env={"CODE": code})
        assert text.startswith(f"before\nfirst\n{HEAD}")
        assert text.endswith(" others\nAFTER\n") or text.endswith("\nAFTER\n")
        assert text.count(HEAD) == 1


def test_what_python_has_buffered_comes_first(children):
    text = written(children, "$RUN --report - -c \"print('x' * 9999)\" > f")
    assert text.startswith("x" * 9999 + f"\n{HEAD}")


def test_a_socket(children):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        words = children.command("run", "--report", "-", "-c", "print(1)")
        done = children.finish(children.start(words, stdout=theirs))
        theirs.close()
        assert (done.returncode, done.stderr) == (0, "")
        with ours.makefile(encoding="utf-8") as file:
            assert file.read().startswith(f"1\n{HEAD}")


def test_a_pipe_that_does_not_wait(children):
    code = "import os; os.set_blocking(1, False); os.write(1, b'x' * 65536)"
    script = '$RUN --report - -c "$CODE" | (sleep 0.3; wc -c)'
    done = children.shell(script, env={"CODE": code})
    assert done.stderr == "" and int(done.stdout) > 65536 + 500


def test_what_fails_is_one_line(children):
    done = children.shell("$RUN --report - -c '' > /dev/full; echo $? >&2")
    line = "pytracemalloc: /dev/stdout: not written: No space left on device\n"
    assert done.stderr == f"{line}0\n"


CLOSED = {
    "$RUN --report - prog.py >&-": "--report -: stdout is closed: leave it open, or",
    "$RUN --report /dev/stdout prog.py >&-": "/dev/stdout: is closed",
    "$RUN --report /dev/fd/99 prog.py": "/dev/fd/99: is closed",
    "$RUN --report /dev/fd/1 prog.py 1< prog.py": "is open for reading only",
    "$RUN --report /dev/stderr prog.py 2>&-": "",
    "$RUN -o f --report - prog.py > f": "-o and --report name the same file",
}


@pytest.mark.parametrize("script", CLOSED)
def test_what_cannot_be_written_is_told_before_the_program_starts(children, script):
    children.write("prog.py", "open('ran', 'w')")
    done = children.shell(f"{script}; exit $?")
    assert done.returncode == 2
    assert done.stdout == "" and not (children.folder / "ran").exists()
    assert CLOSED[script] in done.stderr
    assert done.stderr.count("\n") == bool(CLOSED[script])


def test_a_file_of_the_command_is_no_descriptor_of_the_program():
    """It is closed when the process becomes the program's."""
    reader, writer = os.pipe()
    assert _target.problem_of(writer) == "is closed: leave it open, or name a file"
    os.set_inheritable(writer, True)
    assert _target.problem_of(writer) is None
    os.close(reader)
    os.close(writer)
    assert _target.problem_of(writer) == "is closed: leave it open, or name a file"


ELSEWHERE = {
    "closed": "os.close(1)",
    "a file of its own": "os.close(1); f = open('data', 'w'); f.write('mine')",
    "led elsewhere": "os.dup2(os.open('data', os.O_CREAT | os.O_WRONLY), 1)",
}


@pytest.mark.parametrize("deed", ELSEWHERE)
def test_a_number_that_leads_elsewhere_is_left_alone(children, deed):
    code = f"import os, sys; {ELSEWHERE[deed]}; sys.stdout = None"
    done = children.run("--report", "-", "-c", code)
    assert done.stdout == ""
    assert done.stderr == f"pytracemalloc: /dev/stdout: {LOST}\n"
    data = children.folder / "data"
    assert not data.exists() or data.read_text() in ("mine", "")


def test_a_program_that_leads_it_back(children):
    code = (
        "import os; keep = os.dup(1); os.dup2(2, 1); os.write(1, b'aside\\n')\n"
        "os.dup2(keep, 1); print('on')"
    )
    done = children.run("--report", "-", "-c", code)
    assert done.stderr == "aside\n"
    assert done.stdout.startswith(f"on\n{HEAD}")


@pytest.mark.parametrize("name", ["1", "9" * 200])
def test_numbers_that_are_names_of_files(children, name):
    done = children.run("--report", name, "-c", "")
    assert (done.returncode, done.stderr) == (0, "")
    assert (children.folder / name).read_text().startswith(HEAD)
