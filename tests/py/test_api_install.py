# SPDX-License-Identifier: MIT
"""install() and uninstall(): ours in the place of the standard library's module."""

from __future__ import annotations

import os
import subprocess
import sys
import types

import pytest

import pytracemalloc
from pytracemalloc import stdlib

NAMES = ("tracemalloc", "_tracemalloc")


@pytest.fixture(autouse=True)
def modules_as_before():
    before = {name: sys.modules.get(name) for name in NAMES}
    yield
    pytracemalloc.uninstall()
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def test_install_and_uninstall():
    import _tracemalloc
    import tracemalloc

    pytracemalloc.install()
    pytracemalloc.install()
    assert sys.modules["tracemalloc"] is stdlib
    assert sys.modules["_tracemalloc"].start is stdlib.start
    pytracemalloc.uninstall()
    assert sys.modules["tracemalloc"] is tracemalloc
    assert sys.modules["_tracemalloc"] is _tracemalloc
    pytracemalloc.uninstall()
    assert sys.modules["tracemalloc"] is tracemalloc


def test_nothing_is_restored_as_nothing():
    for name in NAMES:
        sys.modules.pop(name, None)
    pytracemalloc.install()
    assert sys.modules["tracemalloc"] is stdlib
    pytracemalloc.uninstall()
    assert not any(name in sys.modules for name in NAMES)


def test_a_blocked_module_is_blocked_again():
    sys.modules["tracemalloc"] = None
    pytracemalloc.install()
    pytracemalloc.uninstall()
    assert sys.modules["tracemalloc"] is None
    del sys.modules["tracemalloc"]


def test_another_module_is_left_alone():
    pytracemalloc.install()
    other = types.ModuleType("tracemalloc")
    sys.modules["tracemalloc"] = other
    pytracemalloc.uninstall()
    assert sys.modules["tracemalloc"] is other


def test_the_attribute_is_the_module():
    code = "import pytracemalloc as p; print(p.stdlib.Traceback.__module__)"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"tracemalloc\n"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        pytracemalloc.nothing  # noqa: B018


WARN = """
import warnings
import pytracemalloc
pytracemalloc.install()
import tracemalloc
tracemalloc.start(5)
def make():
    return bytearray(5000)
block = make()
warnings.warn("leaked", ResourceWarning, source=block)
"""


def test_warnings_say_where_the_object_was_allocated(tmp_path):
    path = tmp_path / "leaky.py"
    path.write_text(WARN)
    arguments = [sys.executable, "-W", "always", path]
    done = subprocess.run(arguments, capture_output=True, text=True)
    lines = [line.strip() for line in done.stderr.splitlines()]
    at = lines.index("Object allocated at (most recent call last):")
    assert lines[at + 1 : at + 5] == [
        f'File "{path}", lineno 9',
        "block = make()",
        f'File "{path}", lineno 8',
        "return bytearray(5000)",
    ]


def test_one_tracer_behind_both():
    stdlib.start(3)
    assert pytracemalloc.is_tracing() and pytracemalloc.get_traceback_limit() == 3
    pytracemalloc.stop()
    assert not stdlib.is_tracing()


@pytest.mark.parametrize("version", [(3, 10, 1), (3, 16, 0)])
def test_other_pythons_are_refused(version):
    place = os.path.dirname(os.path.dirname(pytracemalloc.__file__))
    code = f"""
import sys
sys.path.insert(0, {place!r})
sys.version_info = {version}
try:
    import pytracemalloc
except ImportError as error:
    print(error)
"""
    output = subprocess.check_output([sys.executable, "-S", "-c", code], text=True)
    assert len(output.splitlines()) == 1 and "CPython 3.11 to 3.15" in output
    assert "this is cpython {}.{}.{} on linux".format(*version) in output
    assert "run your program with one of those, or look for a newer" in output
