# SPDX-License-Identifier: MIT
"""The modules of a snapshot against what import made of the same files."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
import zipfile

import pytest

import pytracemalloc
from pytracemalloc import DomainFilter, Filter, Snapshot

MODULES = {
    "ptm_alone": "ptm_alone.py",
    "ptm_pkg": "ptm_pkg/__init__.py",
    "ptm_pkg.inner": "ptm_pkg/inner.py",
    "ptm_pkg.sub": "ptm_pkg/sub/__init__.py",
    "ptm_pkg.sub.deep_1": "ptm_pkg/sub/deep_1.py",
    "ptm_namespace.part": "ptm_namespace/part.py",
    "ptm_é": "ptm_é.py",
}
SOURCE = "kept = [bytearray(1000), bytearray(1000), bytearray(1000)]\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of modules in sys.path; what is imported from it is forgotten again."""
    for path in MODULES.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("ptm_")]:
        if getattr(sys.modules[name], "__file__", None) is not None:
            if sys.modules[name].__file__.startswith(str(tmp_path)):
                del sys.modules[name]


def imported(names):
    pytracemalloc.start(5)
    modules = [importlib.import_module(name) for name in names]
    snapshot = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    return modules, snapshot


def test_modules_are_what_import_says(folder):
    modules, snapshot = imported(MODULES)
    by_file = {
        s.key[0]: s.traceback
        for s in snapshot.statistics("function")
        if s.key[1] == "<module>"
    }
    assert {module.__name__ for module in modules} == set(MODULES)
    for module in modules:
        assert module.__file__ in by_file
        only = snapshot.filter_traces([Filter(True, module.__file__)])
        assert {s.key for s in only.statistics("module")} == {module.__name__}
        again = snapshot.filter_traces([Filter(True, module=module.__name__)])
        assert len(again.traces) == len(only.traces) > 0


def test_the_standard_library(tmp_path):
    """Every frame's file that some module says is its own."""
    pytracemalloc.start(25)
    for name in ("json.decoder", "email.message", "xml.dom.minidom", "calendar"):
        sys.modules.pop(name, None)
        importlib.import_module(name)
    snapshot = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    names = {}
    for name, module in sys.modules.items():
        file = getattr(module, "__file__", None)
        if file is not None and module.__name__ == name != "__main__":
            names.setdefault(file, name)
    known = 0
    for statistic in snapshot.statistics("filename", cumulative=True):
        if statistic.key not in names or "site-packages" in statistic.key:
            continue
        only = snapshot.filter_traces([Filter(True, statistic.key)])
        for found in only.statistics("module"):
            assert found.key == names[statistic.key]
            known += 1
    assert known >= 4
    assert "importlib._bootstrap" in {
        s.key for s in snapshot.statistics("module", cumulative=True)
    }


def test_zipped_modules(tmp_path, monkeypatch):
    archive = tmp_path / "lib.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("ptm_zipped/__init__.py", "")
        file.writestr("ptm_zipped/inside.py", SOURCE)
    monkeypatch.syspath_prepend(str(archive))
    modules, snapshot = imported(["ptm_zipped.inside"])
    only = snapshot.filter_traces([Filter(True, module="ptm_zipped.*")])
    assert {s.key for s in only.statistics("module")} == {"ptm_zipped.inside"}
    for name in ("ptm_zipped", "ptm_zipped.inside"):
        del sys.modules[name]


def test_modules_stay_what_they_were(folder, tmp_path_factory):
    """The sys.path of the moment counts; views, filters and files keep the names."""
    _, snapshot = imported(["ptm_pkg.inner"])
    sys.path.remove(str(folder))
    _, later = imported([])
    target = tmp_path_factory.mktemp("files") / "s.pb.gz"
    snapshot.dump(target)
    others = (
        snapshot,
        snapshot.view("peak"),
        snapshot.view("allocated"),
        snapshot.filter_traces([DomainFilter(True, 0)]),
        Snapshot.load(target),
        Snapshot.load(target).filter_traces([Filter(True, "*ptm_pkg*")]),
    )
    for other in others:
        found = other.statistics("module", metric="allocated")
        assert "ptm_pkg.inner" in {s.key for s in found}
    assert "ptm_pkg.inner" not in {s.key for s in later.statistics("module")}


def test_code_without_a_file():
    pytracemalloc.start(1)
    kept = eval("[bytearray(9) for _ in range(9)]")
    snapshot = pytracemalloc.take_snapshot()
    only = snapshot.filter_traces([Filter(True, "<string>")])
    assert {s.key for s in only.statistics("module")} == {None}
    assert len(kept) == 9


PROGRAM = """
import os, sys
import pytracemalloc
{change}
pytracemalloc.start(1)
exec(compile("kept = [bytearray(9) for _ in range(9)]", "relative/mod.py", "exec"))
snapshot = pytracemalloc.take_snapshot()
only = snapshot.filter_traces([pytracemalloc.Filter(True, "relative/mod.py")])
print({{s.key for s in only.statistics("module")}})
"""


@pytest.mark.parametrize(
    "change, expected",
    [
        ("sys.path.insert(0, '')", "{'relative.mod'}"),
        ("sys.path.insert(0, os.getcwd())", "{'relative.mod'}"),
        ("sys.path.insert(0, os.getcwd() + '/relative/')", "{'mod'}"),
        ("sys.path[:] = [b'', 3, None, *sys.path[1:]]", "{None}"),
        ("sys.path = tuple(['', *sys.path])", "{None}"),
        ("import fnmatch; del sys.path", "{None}"),
        ("sys.path.insert(0, ''); os.rmdir(os.getcwd())", "{None}"),
    ],
)
def test_odd_search_paths(tmp_path, change, expected):
    program = textwrap.dedent(PROGRAM.format(change=change))
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == expected


def test_the_stdlib_face_has_none_of_this():
    from pytracemalloc import stdlib

    stdlib.start(1)
    kept = [bytearray(9) for _ in range(9)]
    snapshot = stdlib.take_snapshot()
    for group_by in ("function", "module", "size", "domain"):
        with pytest.raises(ValueError, match=f"^unknown key_type: '{group_by}'$"):
            snapshot.statistics(group_by)
        with pytest.raises(ValueError, match=f"^unknown key_type: '{group_by}'$"):
            snapshot.compare_to(snapshot, group_by)
    (statistic, *_) = snapshot.statistics("lineno", "once")  # true, as any text is
    assert not hasattr(statistic, "key")
    for keyword in ("limit", "metric"):
        with pytest.raises(TypeError):
            snapshot.statistics("lineno", **{keyword: None})
    for keyword in ("function", "module"):
        with pytest.raises(TypeError):
            stdlib.Filter(True, "*", **{keyword: "f"})
    with pytest.raises(TypeError):
        stdlib.Filter(True, ["a", "b"])
    assert len(kept) == 9
