# SPDX-License-Identifier: MIT
"""Snapshot.dump and Snapshot.load of the main face."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import stat
import zlib

import pytest

import pytracemalloc
from pytracemalloc import Filter, Snapshot, _file

RAW = [
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (7, 2, (("\udcff\x00é%.py", 5),), None),
]


def make(n):
    return bytes(n)


@pytest.fixture
def taken():
    pytracemalloc.start(4)
    kept = [make(1000 + n % 7) for n in range(300)]
    snapshot = pytracemalloc.take_snapshot()
    pytracemalloc.stop()
    assert kept
    return snapshot


def details(snapshot, group_by="lineno"):
    return [
        (s, [(f.name, f.end_lineno, f.colno, f.end_colno) for f in s.traceback])
        for s in snapshot.statistics(group_by)
    ]


def test_everything_comes_back(taken, tmp_path):
    taken.dump(tmp_path / "s")
    loaded = Snapshot.load(tmp_path / "s")
    assert loaded.traces == taken.traces and list(loaded.traces) == list(taken.traces)
    assert loaded.traceback_limit == taken.traceback_limit == 4
    assert [t.domain for t in loaded.traces] == [t.domain for t in taken.traces]
    totals = [t.traceback.total_nframe for t in taken.traces]
    assert [t.traceback.total_nframe for t in loaded.traces] == totals
    for at in ("end", "peak", "allocated"):
        for group_by in ("filename", "lineno", "traceback"):
            expected = details(taken.view(at), group_by)
            assert details(loaded.view(at), group_by) == expected
    assert loaded.lost == taken.lost


def test_a_loaded_snapshot_writes_the_same_bytes(taken, tmp_path):
    taken.note = ["x"]
    taken.dump(tmp_path / "one")
    Snapshot.load(tmp_path / "one").dump(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_list_of_traces_comes_back(tmp_path):
    Snapshot(RAW, 9).dump(tmp_path / "s")
    loaded = Snapshot.load(tmp_path / "s")
    assert [trace._trace for trace in loaded.traces] == RAW
    assert loaded.traceback_limit == 9


@pytest.mark.parametrize("at", ["end", "peak", "allocated"])
def test_the_moment_comes_back(taken, tmp_path, at):
    taken.view(at).dump(tmp_path / "s")
    loaded = Snapshot.load(tmp_path / "s")
    assert loaded.at == at and loaded.traces == taken.view(at).traces


def test_a_filtered_snapshot_comes_back(taken, tmp_path):
    filtered = taken.filter_traces([Filter(True, __file__)])
    filtered.dump(tmp_path / "s")
    assert Snapshot.load(tmp_path / "s").traces == filtered.traces


def test_attributes_come_back(taken, tmp_path):
    taken.note = {"list": [1, 2.5, None, True, "\ud800é"], "": {}}
    taken.at_work = "yes"
    taken.dump(tmp_path / "s")
    loaded = Snapshot.load(tmp_path / "s")
    assert loaded.note == taken.note and loaded.at_work == "yes"


@pytest.mark.parametrize(
    "value", [{1, 2}, (1, 2), {1: 2}, float("nan"), b"x", object(), [(1,)]], ids=repr
)
def test_what_json_cannot_carry(taken, tmp_path, value):
    (tmp_path / "s").write_text("old")
    taken.note = value
    with pytest.raises(TypeError, match="snapshot attribute 'note' cannot be written"):
        taken.dump(tmp_path / "s")
    assert (tmp_path / "s").read_text() == "old"
    assert os.listdir(tmp_path) == ["s"]


def test_the_file_is_a_gzipped_profile(taken, tmp_path):
    taken.dump(tmp_path / "s")
    profile = gzip.decompress((tmp_path / "s").read_bytes())
    for word in (b"inuse_space", b"peak_space", b"alloc_space", b"bytes", b"make"):
        assert word in profile


@pytest.mark.parametrize("kind", [str, os.fsencode, lambda path: path])
def test_kinds_of_paths(taken, tmp_path, kind):
    path = kind(tmp_path / "s")
    taken.dump(path)
    assert Snapshot.load(path).traces == taken.traces


def test_a_relative_path(taken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    taken.dump("s")
    assert Snapshot.load("s").traces == taken.traces


@pytest.mark.parametrize("path", [3, None, 1.5])
def test_what_is_no_path(taken, path):
    with pytest.raises(TypeError):
        taken.dump(path)
    with pytest.raises(TypeError):
        Snapshot.load(path)


def test_a_failed_dump_leaves_the_old_file(taken, tmp_path, monkeypatch):
    taken.dump(tmp_path / "s")
    old = (tmp_path / "s").read_bytes()

    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        taken.dump(tmp_path / "s")
    assert (tmp_path / "s").read_bytes() == old
    assert os.listdir(tmp_path) == ["s"]


def test_a_missing_folder(taken, tmp_path):
    with pytest.raises(FileNotFoundError):
        taken.dump(tmp_path / "none" / "s")


def test_links_and_devices(taken, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    taken.dump(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert Snapshot.load(tmp_path / "target").traces == taken.traces
    taken.dump("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_permissions_are_those_of_any_new_file(taken, tmp_path):
    taken.dump(tmp_path / "s")
    (tmp_path / "other").touch()
    assert (tmp_path / "s").stat().st_mode == (tmp_path / "other").stat().st_mode


# -- files that are no snapshots ---------------------------------------------


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError):
        Snapshot.load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        Snapshot.load(tmp_path)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "it is empty"),
        (b"hello, this is a text\n", "it is a text, not a pprof profile or a pickle"),
        (b"\x1f\x8b", "it ends too early"),
        (b"\x1f\x8bxxxxxxxxxxxxxxx", "it cannot be unfolded"),
        (gzip.compress(b"hello, this is a text\n"), ""),
        (gzip.compress(b"x" * 1000)[:-9], "it ends too early"),
        (pickle.dumps([1, 2], 4), "the pickle holds a list, not a Snapshot"),
        (b"\x80\x04X", "the pickle ends too early"),
        (bytes(range(256)), ""),
        (b"\x00" * 1000, ""),
        (b"\xff" * 1000, ""),
    ],
)
def test_other_files(tmp_path, data, words):
    path = tmp_path / "other"
    path.write_bytes(data)
    with pytest.raises(ValueError) as caught:
        Snapshot.load(path)
    text = str(caught.value)
    assert text.startswith(f"{path} is not a snapshot: ") and words in text
    assert "\n" not in text and not text.endswith(": ")


def test_cut_files(taken, tmp_path):
    taken.dump(tmp_path / "s")
    data = (tmp_path / "s").read_bytes()
    profile = gzip.decompress(data)
    path = tmp_path / "cut"
    for n in range(0, len(data), max(1, len(data) // 50)):
        path.write_bytes(data[:n])
        with pytest.raises(ValueError):
            Snapshot.load(path)
    for n in range(1, len(profile), max(1, len(profile) // 200)):
        damaged = bytearray(profile)
        damaged[n] ^= 0xFF
        path.write_bytes(gzip.compress(bytes(damaged), 1))
        try:
            repr(Snapshot.load(path).statistics("lineno"))
        except ValueError as error:
            assert "is not a snapshot: " in str(error)


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_file, "UNFOLDED_BYTES_MIN", 1 << 20)
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = bomb.compress(bytes(64 << 20)) + bomb.flush()
    (tmp_path / "bomb").write_bytes(data)
    with pytest.raises(ValueError, match="it unfolds to more than"):
        Snapshot.load(tmp_path / "bomb")


def test_what_we_write_is_no_bomb(tmp_path, monkeypatch):
    """A stack of one frame over and over folds well: then it is stored as it is."""
    monkeypatch.setattr(_file, "UNFOLDED_BYTES_MIN", 1 << 10)
    monkeypatch.setattr(_file, "UNFOLDED_RATIO", 10)
    deep = Snapshot([(0, 8, (("a.py", 1),) * 60000, 60000)], 65535)
    deep.dump(tmp_path / "deep")
    assert Snapshot.load(tmp_path / "deep").traces == deep.traces


def test_damaged_json(taken, tmp_path):
    for extra in (b"{", b"[]", b'{"at": "end"}', b'{"at": 1}', b"[" * 100000):
        profile = pytracemalloc._core._profile_of_snapshot(taken, extra)
        (tmp_path / "s").write_bytes(gzip.compress(profile))
        with pytest.raises(ValueError, match="is not a snapshot"):
            Snapshot.load(tmp_path / "s")


def test_attributes_in_a_file_cannot_replace_the_data(taken, tmp_path):
    attributes = {"traces": 3, "traceback_limit": "x", "at": "peak", "statistics": 1}
    extra = {"at": "end", "traceback_limit": 4, "attributes": attributes}
    profile = pytracemalloc._core._profile_of_snapshot(
        taken, json.dumps(extra).encode()
    )
    (tmp_path / "s").write_bytes(gzip.compress(profile))
    loaded = Snapshot.load(tmp_path / "s")
    assert loaded.traces == taken.traces and loaded.at == "end"
    assert loaded.traceback_limit == 4
