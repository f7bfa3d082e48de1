# SPDX-License-Identifier: MIT
"""Snapshots in files.

A snapshot's file is a gzipped pprof profile; profiles are written and read in C, and
so are the standard library's pickles read. Here is what is around them: attributes as
JSON, and a bound on what a file may unfold to.
"""

import errno
import io
import json
import os
import stat
import sys
import zlib
from typing import Any

from pytracemalloc import _core
from pytracemalloc._whole import WholeFile

# A file unfolds to at most this many bytes, or this many times its own size,
# whichever is more. What we write keeps to it, see _folded().
UNFOLDED_BYTES_MIN = 64 << 20
UNFOLDED_RATIO = 128

_FIRST_WINDOW_BYTES = 1 << 10
_WINDOW_BYTES = 1 << 15
_OWN_ATTRIBUTES = ("traces", "traceback_limit")


def _unfolded_limit(folded_bytes: int) -> int:
    return max(UNFOLDED_BYTES_MIN, UNFOLDED_RATIO * folded_bytes)


# -- writing -----------------------------------------------------------------


def _to_json(name: str, value: Any) -> str:
    """JSON that reads back equal, or TypeError."""
    try:
        text = json.dumps(value, allow_nan=False)
        equal = json.loads(text) == value
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"snapshot attribute {name!r} cannot be written as JSON: {error}"
        ) from None
    if not equal:
        raise TypeError(
            f"snapshot attribute {name!r} cannot be written as JSON: "
            f"{value!r} would be read back as {json.loads(text)!r}"
        )
    return text


def _extra_json(snapshot: "_core.Snapshot") -> bytes:
    attributes = {}
    for name, value in vars(snapshot).items():
        if name not in _OWN_ATTRIBUTES:
            _to_json(name, value)
            attributes[name] = value
    limit = snapshot.traceback_limit
    _to_json("traceback_limit", limit)
    extra = {"at": snapshot.at, "traceback_limit": limit, "attributes": attributes}
    return json.dumps(extra, separators=(",", ":")).encode("ascii")


def _is_file(target: Any, method: str) -> bool:
    """An open file, not a path: some paths have read() and write(), too."""
    is_path = isinstance(target, str | bytes) or hasattr(target, "__fspath__")
    return not is_path and hasattr(target, method)


def _write_all(file: Any, data: bytes) -> None:
    """An unbuffered file may take a part at a time; others take all."""
    if isinstance(file, io.TextIOBase):
        raise TypeError("a snapshot is bytes: open the file with mode 'wb'")
    rest = memoryview(data)
    while rest:
        written = file.write(rest)
        if not isinstance(file, io.RawIOBase):
            return
        if written is None:
            raise BlockingIOError(errno.EAGAIN, "the file takes no more at the moment")
        rest = rest[written:]


def profile_bytes(snapshot: "_core.Snapshot") -> bytes:
    """The snapshot as a pprof profile, not compressed."""
    return _core._profile_of_snapshot(snapshot, _extra_json(snapshot))


def _folded(snapshot: "_core.Snapshot") -> bytes:
    """The same, gzipped: level 1; stored where that would unfold beyond the limit."""
    json_text = _extra_json(snapshot)
    folded, n_bytes = _core._folded_profile_of_snapshot(snapshot, json_text, 1)
    if n_bytes > _unfolded_limit(len(folded)):
        folded, _ = _core._folded_profile_of_snapshot(snapshot, json_text, 0)
    return folded


def dump(snapshot: "_core.Snapshot", filename: Any) -> None:
    """Writes to a path, or to anything with write(); the bytes are ready before."""
    to_file = _is_file(filename, "write")
    path = filename if to_file else os.fspath(filename)
    data = _folded(snapshot)
    if to_file:
        _write_all(path, data)
        return
    with WholeFile(path) as file:
        file.write(data)


# -- reading -----------------------------------------------------------------


def _unfold_members(data: bytes) -> bytes:
    """What all members of a gzip file unfold to, within the limit.

    A member is given little at first: zlib copies what it was given and did not use,
    so a file of many small ones takes no time that grows with the square. What comes
    out of a piece stays in the processor's cache until it is copied to its place.
    """
    limit = _unfolded_limit(len(data))
    view = memoryview(data)
    unfolded = io.BytesIO()
    at = 0
    while at < len(data):
        unfolder = zlib.decompressobj(31)
        window = _FIRST_WINDOW_BYTES
        while not unfolder.eof:
            given = view[at : at + window]
            if not given:
                raise ValueError("it ends too early")
            most = limit + 1 - unfolded.tell()
            unfolded.write(unfolder.decompress(given, most))
            if unfolded.tell() > limit:
                raise ValueError(f"it unfolds to more than {limit} bytes")
            at += len(given) - len(unfolder.unused_data)
            window = min(2 * window, _WINDOW_BYTES)
    return unfolded.getvalue()


def _unfolded(data: bytes) -> bytes:
    if not data:
        raise ValueError("it is empty")
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return _unfold_members(data)
    except zlib.error as error:
        raise ValueError(f"it cannot be unfolded ({error})") from None


def _is_pickle(data: bytes) -> bool:
    """Of a binary protocol; a profile cannot begin so."""
    return data[:1] == b"\x80" and data[1:2] <= b"\x20"


#: How files begin that people have beside their snapshots.
_KINDS = (
    (b"\x7fELF", "a program or a library"),
    (b"PK\x03\x04", "a zip file"),
    (b"\x89PNG", "an image"),
    (b"%PDF", "a PDF"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ", "compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"PAR1", "a parquet file"),
    (b"memray", "a file of memray's"),
    (b"{", "JSON"),
)


def _kind_of(data: bytes) -> str | None:
    for start, kind in _KINDS:
        if data.startswith(start):
            return kind
    head = data[:1000]
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "a text"
    return None


def _read_profile(data: bytes) -> "_core.Snapshot":
    try:
        snapshot, extra = _core._snapshot_of_profile(data)
    except ValueError:
        kind = _kind_of(data)
        if kind is None:
            raise
        raise ValueError(f"it is {kind}, not a pprof profile or a pickle") from None
    return _apply_extra(snapshot, extra)


def _apply_extra(snapshot: "_core.Snapshot", text: bytes | None) -> "_core.Snapshot":
    if text is None:
        return snapshot
    try:
        extra = json.loads(text)
        at, limit = extra["at"], extra["traceback_limit"]
        attributes = dict(extra["attributes"])
    except (ValueError, TypeError, LookupError, RecursionError):
        raise ValueError("its extra JSON is damaged") from None
    snapshot = snapshot.view(at)
    own = {name: vars(snapshot)[name] for name in _OWN_ATTRIBUTES}
    vars(snapshot).update(attributes, **own)
    snapshot.traceback_limit = limit
    return snapshot


def _as_class(cls: Any, snapshot: "_core.Snapshot") -> Any:
    if cls is type(snapshot):
        return snapshot
    other = cls.__new__(cls)
    vars(other).update(vars(snapshot))
    return other


def _read(source: Any) -> tuple[bytes, str]:
    """What is in a path or an open file, and how to call it."""
    if _is_file(source, "read"):
        if isinstance(source, io.TextIOBase):
            raise TypeError("a snapshot is bytes: open the file with mode 'rb'")
        data = source.read()
        name = getattr(source, "name", None)
        if not isinstance(name, str | bytes):
            name = type(source).__name__
        return data, os.fsdecode(name)
    path = os.fspath(source)
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):  # some never end
            raise ValueError(f"{os.fsdecode(path)} is not a snapshot: it is a device")
        return file.read(), os.fsdecode(path)


def load(cls: Any, filename: Any) -> Any:
    """Reads a path, or anything with read(): a profile or a pickle, gzipped or not.

    A gzipped profile without a fault is read at once; all else, and what is wrong
    with it, the long way.
    """
    data, name = _read(filename)
    try:
        sound = _core._snapshot_of_folded_profile(data, _unfolded_limit(len(data)))
        if sound is not None:
            return _as_class(cls, _apply_extra(*sound))
        data = _unfolded(data)
        if _is_pickle(data):
            return _as_class(cls, _core._snapshot_of_pickle(data))
        return _as_class(cls, _read_profile(data))
    except ValueError as error:
        raise ValueError(f"{name} is not a snapshot: {error}") from None


# -- the stdlib face: pickles ------------------------------------------------


def pickle_dump(pickle: Any, snapshot: Any, filename: Any) -> None:
    with open(filename, "wb") as file:
        pickle.dump(snapshot, file, pickle.HIGHEST_PROTOCOL)


def pickle_load(filename: Any) -> Any:
    """Unpickle; the classes of `tracemalloc` are those of our stdlib face.

    Unless they stand there already, or somebody has put another pickle into its place.
    """
    import pickle

    from pytracemalloc import stdlib

    with open(filename, "rb") as file:
        installed = sys.modules.get("tracemalloc") is stdlib
        if installed or stdlib.pickle is not pickle:
            return stdlib.pickle.load(file)

        class Unpickler(stdlib.pickle.Unpickler):
            def find_class(self, module: str, name: str) -> Any:
                if module == "tracemalloc":
                    return getattr(stdlib, name)
                return super().find_class(module, name)

        return Unpickler(file).load()
