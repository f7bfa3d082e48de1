# SPDX-License-Identifier: MIT
"""Snapshot.load of what is no snapshot: one ValueError, little memory, little time."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import pytracemalloc
from pytracemalloc import Snapshot

RAW = [
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (7, 2, (("\udcff\x00é%.py", 5),), None),
]

#: processor seconds that loading a file of some kilobytes may take on a busy machine;
#: the sanitizer needs four times as many
SECONDS = 20 if "PTM_ASAN" in os.environ else 5


def refused(path: Path, data: bytes) -> str:
    """The message, without the file's name that it must begin with."""
    path.write_bytes(data)
    with pytest.raises(ValueError) as caught:
        Snapshot.load(path)
    text = str(caught.value)
    begin = f"{path} is not a snapshot: "
    assert text.startswith(begin) and len(text) > len(begin) and "\n" not in text
    return text.removeprefix(begin)


# -- cut files ---------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> bytes:
    snapshot = Snapshot(RAW, 9)
    snapshot.note = {"a": [1]}
    snapshot.dump(tmp_path / "small")
    return (tmp_path / "small").read_bytes()


@pytest.fixture
def larger(two_snapshots: Any, tmp_path: Path) -> bytes:
    two_snapshots[0].dump(tmp_path / "larger")
    return (tmp_path / "larger").read_bytes()


@pytest.fixture
def of_go(project: Path) -> bytes:
    """A heap profile that Go's runtime wrote (tests/fuzz/heap.go)."""
    return (project / "tests" / "fuzz" / "heap.pb.gz").read_bytes()


@pytest.mark.parametrize("file", ["small", "larger", "of_go"])
def test_a_gzip_file_cut_at_any_byte(
    request: pytest.FixtureRequest, tmp_path: Path, file: str
):
    data = request.getfixturevalue(file)
    path = tmp_path / "cut"
    path.write_bytes(data)
    Snapshot.load(path)
    for n in range(len(data)):
        words = refused(path, data[:n])
        if n >= 2:
            assert words == "it ends too early"


@pytest.mark.parametrize("file", ["small", "larger"])
def test_our_profile_cut_at_any_byte(
    request: pytest.FixtureRequest, tmp_path: Path, file: str
):
    profile = gzip.decompress(request.getfixturevalue(file))
    path = tmp_path / "cut"
    path.write_bytes(profile)
    Snapshot.load(path)
    for n in range(len(profile)):
        words = refused(path, profile[:n])
        assert "(byte " in words or "it is a text" in words or n == 0


def fields(profile: bytes) -> Iterator[int]:
    """Where fields begin, and the end."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = profile[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(profile):
        yield at
        kind = varint() & 7
        assert kind in (0, 2)
        value = varint()
        at += value if kind == 2 else 0
    yield at


def test_a_profile_of_go_cut_at_any_byte(of_go: bytes, tmp_path: Path):
    """Nothing in it says where it ends: cut between two fields it is a shorter profile,
    if no string that it names is missing. Within a field it is always refused."""
    profile = gzip.decompress(of_go)
    between = set(fields(profile))
    path = tmp_path / "cut"
    path.write_bytes(profile)
    whole = Snapshot.load(path)
    loaded = 0
    for n in range(len(profile)):
        try:
            words = refused(path, profile[:n])
            assert "(byte " in words or "it is a text" in words or n == 0
        except pytest.fail.Exception:
            assert n in between
            loaded += 1
            same = Snapshot.load(path).statistics("traceback")
            assert same == whole.statistics("traceback")
    assert loaded < 10


# -- bombs -------------------------------------------------------------------


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


CHILD = """
import resource, sys, time
import pytracemalloc
have = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = have + (int(sys.argv[2]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
start = time.process_time()
try:
    pytracemalloc.Snapshot.load(sys.argv[1])
except ValueError as error:
    print(error)
assert time.process_time() - start < 30
"""


def loaded_by_a_child(path: Path, megabytes: int) -> str:
    """With only so much memory to take; what the ValueError said."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, path, str(megabytes)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


unsanitized = pytest.mark.skipif(
    "PTM_ASAN" in os.environ, reason="the sanitizer's own memory has no limit"
)


@unsanitized
@pytest.mark.parametrize("member", [False, True], ids=["plain", "gzip"])
def test_one_kilobyte_that_claims_ten_gigabytes(tmp_path: Path, member: bool):
    profile = b"\x32\x00\x12" + varint(10 << 30)
    profile += bytes(1000 - len(profile))
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(profile, 0) if member else profile)
    assert "a field is longer than what is left of the data" in loaded_by_a_child(
        path, 32
    )


@unsanitized
def test_gzip_that_unfolds_a_thousandfold(tmp_path: Path):
    """10 GB of zeros in 10 MB: what may unfold is the limit, or 128 times the file."""
    folder = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = folder.compress(bytes(64 << 20)) + folder.flush()
    path = tmp_path / "bomb"
    path.write_bytes(piece * 2)
    assert "it unfolds to more than" in loaded_by_a_child(path, 256)


def test_members_that_unfold_to_nothing(tmp_path: Path):
    """One by one out of 8 MB; copying the rest for each took 44 seconds."""
    path = tmp_path / "members"
    start = time.process_time()
    refused(path, gzip.compress(b"") * 400000)
    assert time.process_time() - start < 3 * SECONDS


def test_members_make_one_profile(small: bytes, tmp_path: Path):
    profile = gzip.decompress(small)
    pieces = [profile[:1], b"", profile[1:100], profile[100:]]
    path = tmp_path / "members"
    path.write_bytes(b"".join(map(gzip.compress, pieces)))
    assert [trace._trace for trace in Snapshot.load(path).traces] == RAW


# -- anything ----------------------------------------------------------------

CHANGES = st.lists(
    st.tuples(
        st.integers(0, 1 << 16),  # where, modulo the length
        st.sampled_from(["set", "cut", "put", "twice"]),
        st.binary(min_size=1, max_size=8),
    ),
    max_size=6,
)


def changed(data: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    for where, how, piece in changes:
        at = where % (len(data) + 1)
        if how == "set":
            data = data[:at] + piece + data[at + len(piece) :]
        elif how == "cut":
            data = data[:at] + data[at + len(piece) :]
        elif how == "put":
            data = data[:at] + piece + data[at:]
        else:
            data = data[:at] + data[max(0, at - 8 * len(piece)) :]
    return data


def load_anything(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    start = time.process_time()
    try:
        snapshot = Snapshot.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path} is not a snapshot: ")
    else:
        n = min(len(snapshot.traces), 3)
        assert len(list(snapshot.traces[:n])) == n
        for group_by in ("filename", "lineno", "traceback"):
            repr(snapshot.statistics(group_by))
        snapshot.dump(path)
        again = Snapshot.load(path)
        assert again.statistics("traceback") == snapshot.statistics("traceback")
        assert again.at == snapshot.at
        assert again.traceback_limit == snapshot.traceback_limit
    assert time.process_time() - start < SECONDS


anything = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@anything
@given(changes=CHANGES)
def test_changed_gzip_files(small: bytes, tmp_path: Path, changes: Any):
    load_anything(tmp_path / "changed", changed(small, changes))


@anything
@given(changes=CHANGES)
def test_changed_profiles(small: bytes, tmp_path: Path, changes: Any):
    profile = changed(gzip.decompress(small), changes)
    load_anything(tmp_path / "changed", gzip.compress(profile, 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@anything
@given(
    at=st.sampled_from(["end", "peak", "allocated", "", None, [], 1]) | JSON,
    limit=st.integers() | JSON,
    attributes=st.dictionaries(st.text(), JSON) | JSON,
    changes=CHANGES,
)
@example("end", 1, {"": 1, "__class__": 2, "__dict__": 3, "statistics": 4}, [])
@example("end", 1, [["ab", 1]], [])
@example("end", 1, [[[], 1]], [])
@example("end", 1, [[1, 1]], [])
@example("end", 10**4000, {}, [])
def test_changed_json(tmp_path: Path, at: Any, limit: Any, attributes: Any, changes):
    import json

    extra = {"at": at, "traceback_limit": limit, "attributes": attributes}
    text = changed(json.dumps(extra).encode(), changes[:2])
    profile = pytracemalloc._core._profile_of_snapshot(Snapshot(RAW, 9), text)
    path = tmp_path / "json"
    path.write_bytes(gzip.compress(profile, 1))
    start = time.process_time()
    try:
        snapshot = Snapshot.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path} is not a snapshot: ")
    else:
        assert [trace._trace for trace in snapshot.traces] == RAW or changes
        # an attribute may have any name, also that of a method
        repr(Snapshot.statistics(snapshot, "lineno"))
    assert time.process_time() - start < SECONDS


# -- comparing ---------------------------------------------------------------


def test_many_functions_in_one_line(snapshot_of: Callable[..., Any]):
    """Their stacks are equal to the API; if each is compared with each it takes 8 s."""
    n = 10_000 if "PTM_ASAN" in os.environ else 100_000
    many = [([("a.py", f"f{i}", 1)], 8, 0, 1, 1, 1) for i in range(n)]
    few = [([("b.py", "g", 2)], 8, 0, 1, 1, 1), ([("a.py", "g", 1)], 8, 0, 2, 2, 2)]
    big, small = snapshot_of(many), snapshot_of(few)
    start = time.process_time()
    for new, old, changes in ((big, small, n - 2), (small, big, 2 - n)):
        line, other = new.compare_to(old, "traceback")
        assert (line.count_diff, abs(other.count_diff)) == (changes, 1)
    assert time.process_time() - start < SECONDS


def test_counts_that_wrap_around_to_none(snapshot_of: Callable[..., Any]):
    """Merged, three files count 2**64 blocks of one stack."""
    stack = [("a.py", "f", 1)]
    counts = [2**63 - 1, 2**63 - 1, 2]
    parts = [
        snapshot_of([(stack, size, 0, n, 0, n)]) for size, n in enumerate(counts, 1)
    ]
    old = snapshot_of([([("b.py", "g", 2)], 8, 0, 1, 1, 1)])
    merged = Snapshot.merge(parts)
    for group_by in ("traceback", "lineno"):
        for ask in (
            lambda by: merged.statistics(by),
            lambda by: merged.compare_to(old, by),
            lambda by: old.compare_to(merged, by),
        ):
            with pytest.raises(OverflowError, match="bytes or blocks"):
                ask(group_by)
