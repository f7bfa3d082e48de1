# SPDX-License-Identifier: MIT
"""Snapshots in files.

A snapshot's file is a gzipped pprof profile; the profile itself is written and
read in C. Here is what is around it: whole files or none, attributes as JSON,
and a bound on what a file may unfold to.
"""

import itertools
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from typing import Any

from pytracemalloc import _core

# A file unfolds to at most this many bytes, or this many times its own size,
# whichever is more. What we write keeps to it, see _gzip().
UNFOLDED_BYTES_MIN = 64 << 20
UNFOLDED_RATIO = 128

_CHUNK_BYTES = 1 << 20
_FIRST_WINDOW_BYTES = 1 << 10
_OWN_ATTRIBUTES = ("traces", "traceback_limit")
_serial = itertools.count()


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


def _fold(data: bytes, level: int) -> bytes:
    folder = zlib.compressobj(level, zlib.DEFLATED, 31)
    return folder.compress(data) + folder.flush()


def _gzip(data: bytes) -> bytes:
    """Level 1; stored as it is where that would unfold beyond the limit."""
    folded = _fold(data, 1)
    if len(data) > _unfolded_limit(len(folded)):
        folded = _fold(data, 0)
    return folded


def _open_beside(path: Any) -> tuple[Any, int]:
    folder = os.path.dirname(path)
    while True:
        name = f".pytracemalloc-{os.getpid()}-{next(_serial)}.tmp"
        if isinstance(path, bytes):
            temporary: Any = os.path.join(folder, os.fsencode(name))
        else:
            temporary = os.path.join(folder, name)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            return temporary, os.open(temporary, flags, 0o666)
        except FileExistsError:
            continue


def _replace(path: Any, data: bytes) -> None:
    temporary, fd = _open_beside(path)
    try:
        with open(fd, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _is_special(path: Any) -> bool:
    """A device or a pipe is written to, not replaced."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def dump(snapshot: "_core.Snapshot", filename: Any) -> None:
    path = os.fspath(filename)
    profile = _core._profile_of_snapshot(snapshot, _extra_json(snapshot))
    data = _gzip(profile)
    if _is_special(path):
        with open(path, "wb") as file:
            file.write(data)
    else:
        _replace(os.path.realpath(path), data)


# -- reading -----------------------------------------------------------------


def _members(data: bytes) -> Iterator[bytes]:
    """Inflate all members of a gzip file, piece by piece.

    zlib copies what it was given and did not use. So a member is given little
    at first: a file of many small ones takes no time that grows with the square.
    """
    view = memoryview(data)
    at = 0
    while at < len(data):
        unfolder = zlib.decompressobj(31)
        window = _FIRST_WINDOW_BYTES
        while not unfolder.eof:
            given = view[at : at + window]
            part = unfolder.decompress(given, _CHUNK_BYTES)
            at += len(given) - len(unfolder.unconsumed_tail or unfolder.unused_data)
            window = min(2 * window, _CHUNK_BYTES)
            if not part and not given and not unfolder.eof:
                raise ValueError("it ends too early")
            if part:
                yield part


def _unfold(data: bytes) -> bytes:
    """What all members of a gzip file unfold to, within the limit."""
    limit = _unfolded_limit(len(data))
    parts: list[bytes] = []
    size = 0
    for part in _members(data):
        size += len(part)
        if size > limit:
            raise ValueError(f"it unfolds to more than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def _profile_of(data: bytes) -> bytes:
    if data[:2] == b"\x1f\x8b":
        try:
            return _unfold(data)
        except zlib.error as error:
            raise ValueError(f"it cannot be unfolded ({error})") from None
    if not data:
        raise ValueError("it is empty")
    if data[0] == 0x80 and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise ValueError(
            "it is a pickle, as the standard library writes them; "
            "pytracemalloc.stdlib.Snapshot.load() reads those you trust"
        )
    return data


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


def load(cls: Any, filename: Any) -> Any:
    path = os.fspath(filename)
    with open(path, "rb") as file:
        data = file.read()
    try:
        snapshot, extra = _core._snapshot_of_profile(_profile_of(data))
        return _as_class(cls, _apply_extra(snapshot, extra))
    except ValueError as error:
        raise ValueError(f"{os.fsdecode(path)} is not a snapshot: {error}") from None


# -- the stdlib face: pickles ------------------------------------------------


def pickle_dump(pickle: Any, snapshot: Any, filename: Any) -> None:
    with open(filename, "wb") as file:
        pickle.dump(snapshot, file, pickle.HIGHEST_PROTOCOL)


def pickle_load(filename: Any) -> Any:
    """Unpickle; the classes of `tracemalloc` are those of our stdlib face."""
    from pytracemalloc import stdlib

    with open(filename, "rb") as file:
        if sys.modules.get("tracemalloc") is stdlib:
            return stdlib.pickle.load(file)

        class Unpickler(stdlib.pickle.Unpickler):
            def find_class(self, module: str, name: str) -> Any:
                if module == "tracemalloc":
                    return getattr(stdlib, name)
                return super().find_class(module, name)

        return Unpickler(file).load()
