# SPDX-License-Identifier: MIT
"""Where snapshots are written to and read from: open files, full disks, wrong files."""

from __future__ import annotations

import errno
import gzip
import io
import os
import pickle
import tempfile
import tracemalloc

import pytest

import pytracemalloc
from pytracemalloc import Snapshot, _file, _whole, stdlib

RAW = [(0, 10, (("a.py", 2), ("b.py", 4)), 3), (7, 2, (("c.py", 5),), None)]


@pytest.fixture
def snapshot():
    return Snapshot(RAW, 9)


# -- open files --------------------------------------------------------------


@pytest.mark.parametrize("buffering", [-1, 0], ids=["buffered", "raw"])
def test_an_open_file(snapshot, tmp_path, buffering):
    path = tmp_path / "s"
    with open(path, "wb", buffering) as file:
        snapshot.dump(file)
        assert not file.closed
    with open(path, "rb", buffering) as file:
        assert Snapshot.load(file).traces == snapshot.traces
        assert not file.closed
    snapshot.dump(tmp_path / "other")
    assert path.read_bytes() == (tmp_path / "other").read_bytes()


def test_files_in_memory_and_temporary_ones(snapshot):
    with io.BytesIO() as memory, tempfile.NamedTemporaryFile() as temporary:
        for file in (memory, temporary):
            snapshot.dump(file)
            file.seek(0)
            assert Snapshot.load(file).traces == snapshot.traces


def test_anything_that_writes_and_reads(snapshot):
    class Pipe:
        def __init__(self):
            self.parts = []

        def write(self, data):
            self.parts.append(bytes(data))

        def read(self):
            return b"".join(self.parts)

    pipe = Pipe()
    snapshot.dump(pipe)
    assert Snapshot.load(pipe).traces == snapshot.traces


def test_a_raw_file_that_takes_a_part_at_a_time(snapshot):
    class Slow(io.RawIOBase):
        data = b""

        def writable(self):
            return True

        def write(self, data):
            part = bytes(data[:7])
            self.data += part
            return len(part)

    slow = Slow()
    snapshot.dump(slow)
    assert Snapshot.load(io.BytesIO(slow.data)).traces == snapshot.traces


def test_a_raw_file_that_would_block(snapshot):
    class Full(io.RawIOBase):
        def write(self, data):
            return None

    with pytest.raises(BlockingIOError, match="takes no more"):
        snapshot.dump(Full())


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_not_read(device):
    with pytest.raises(
        ValueError, match=f"^{device} is not a snapshot: it is a device$"
    ):
        Snapshot.load(device)


def test_text_files_are_refused(snapshot, tmp_path):
    with open(tmp_path / "s", "w") as file:
        with pytest.raises(TypeError, match="open the file with mode 'wb'"):
            snapshot.dump(file)
    with open(tmp_path / "s") as file:
        with pytest.raises(TypeError, match="open the file with mode 'rb'"):
            Snapshot.load(file)


def test_a_path_that_can_write_is_a_path(snapshot, tmp_path):
    class Path:
        def __fspath__(self):
            return str(tmp_path / "s")

        def write(self, data):
            raise AssertionError

        read = write

    snapshot.dump(Path())
    assert Snapshot.load(Path()).traces == snapshot.traces


def test_the_error_names_the_open_file(tmp_path):
    (tmp_path / "s").write_bytes(b"")
    with open(tmp_path / "s", "rb") as file:
        with pytest.raises(ValueError, match=f"{tmp_path / 's'} is not a snapshot: it"):
            Snapshot.load(file)
    with pytest.raises(ValueError, match="^BytesIO is not a snapshot: it is empty$"):
        Snapshot.load(io.BytesIO())


def test_gzipped_pickles(tmp_path):
    data = gzip.compress(pickle.dumps(stdlib.Snapshot(RAW, 9)))
    (tmp_path / "s").write_bytes(data)
    loaded = Snapshot.load(tmp_path / "s")
    assert [trace._trace for trace in loaded.traces] == RAW


# -- whole files or none -----------------------------------------------------

FULL = """if True:
    import errno, os, resource, sys
    from pytracemalloc import Snapshot
    raw = [(0, n, (("%d.py" % n, n),), 1) for n in range(20000)]
    snapshot = Snapshot(raw, 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        snapshot.dump(sys.argv[1])
    except OSError as error:
        print(errno.errorcode[error.errno], error.filename == sys.argv[1])
    """


@pytest.mark.parametrize("old", [None, "old"], ids=["new", "replaced"])
def test_a_full_disk(children, old):
    """The limit on a file's size is as a disk that is full after a page."""
    path = children.folder / "s"
    if old:
        path.write_text(old)
    done = children.python("-B", "-c", FULL, path)  # half a .pyc would stay behind
    assert (done.stdout, done.stderr) == ("EFBIG True\n", "")
    assert os.listdir(children.folder) == (["s"] if old else [])
    assert not old or path.read_text() == old


def test_a_full_device(snapshot):
    with pytest.raises(OSError) as caught:
        snapshot.dump("/dev/full")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == "/dev/full"


@pytest.mark.parametrize("kind", [str, os.fsencode])
def test_the_error_names_the_target(snapshot, tmp_path, kind):
    path = kind(tmp_path / "none" / "s")
    with pytest.raises(FileNotFoundError) as caught:
        snapshot.dump(path)
    assert caught.value.filename == path
    with pytest.raises(IsADirectoryError):
        snapshot.dump(kind(tmp_path))
    assert os.listdir(tmp_path) == []


def test_an_interrupted_dump_leaves_nothing(snapshot, tmp_path, monkeypatch):
    (tmp_path / "s").write_text("old")

    class Interrupted(_whole.WholeFile):
        def __enter__(self):
            file = super().__enter__()
            file.write(b"half")
            raise_on_exit.append(1)
            return file

    raise_on_exit = []
    with pytest.raises(KeyboardInterrupt):
        with Interrupted(tmp_path / "s"):
            raise KeyboardInterrupt
    assert raise_on_exit and os.listdir(tmp_path) == ["s"]
    assert (tmp_path / "s").read_text() == "old"


# -- what is no snapshot -----------------------------------------------------


@pytest.mark.parametrize(
    "data, words",
    [
        (
            b"\x7fELF\x02\x01\x01" + bytes(40),
            "it is a program or a library, not a pprof",
        ),
        (b"PK\x03\x04" + bytes(40), "it is a zip file, not a pprof"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "it is an image, not a pprof"),
        (b"BZh91AY&SY", "it is compressed by bzip2, not a pprof"),
        (b'{"$schema": 1}', "it is JSON, not a pprof"),
        (gzip.compress(b"hello\n" * 9), "it is a text, not a pprof"),
    ],
)
def test_files_of_other_kinds(tmp_path, data, words):
    (tmp_path / "s").write_bytes(data)
    with pytest.raises(
        ValueError, match=f"^{tmp_path / 's'} is not a snapshot: {words}"
    ):
        Snapshot.load(tmp_path / "s")


def test_a_newer_version(snapshot, tmp_path):
    profile = _file.profile_bytes(snapshot)
    assert profile.count(b"pytracemalloc 1") == 1
    newer = profile.replace(b"pytracemalloc 1", b"pytracemalloc 9")
    for data in (newer, gzip.compress(newer)):
        (tmp_path / "s").write_bytes(data)
        with pytest.raises(ValueError, match="by a newer pytracemalloc: format 9"):
            Snapshot.load(tmp_path / "s")


def test_a_download_that_ended_early(snapshot, tmp_path):
    snapshot.dump(tmp_path / "s")
    data = (tmp_path / "s").read_bytes()
    for n in range(2, len(data)):
        (tmp_path / "s").write_bytes(data[:n])
        with pytest.raises(ValueError, match="s is not a snapshot: it ends too early$"):
            Snapshot.load(tmp_path / "s")


def test_the_standard_library_face_still_reads_pickles_only(snapshot, tmp_path):
    snapshot.dump(tmp_path / "s")
    with pytest.raises(pickle.UnpicklingError):
        stdlib.Snapshot.load(str(tmp_path / "s"))
    assert pytracemalloc.stdlib.Snapshot is not tracemalloc.Snapshot
