# SPDX-License-Identifier: MIT
"""The quick way to fold and unfold files, against Python's zlib."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytracemalloc import Snapshot, _core, _file

MOST = 1 << 20
NOTHING = Snapshot([], 1)

texts = st.one_of(
    st.binary(max_size=5000),
    st.builds(lambda word, n: word * n, st.binary(max_size=9), st.integers(0, 9999)),
)


def profile(text: bytes) -> bytes:
    """One that has only this to say."""
    return _core._profile_of_snapshot(NOTHING, text)


def quickly(folded: bytes, most: int = MOST) -> bytes | None:
    found = _core._snapshot_of_folded_profile(folded, most)
    return None if found is None else found[1]


def slowly(folded: bytes) -> bytes | None:
    try:
        return _core._snapshot_of_profile(_file._unfold_members(folded))[1]
    except (ValueError, zlib.error):
        return None


@given(texts, st.sampled_from([0, 1]))
def test_folded_is_gzip(text: bytes, level: int):
    folded, n_bytes = _core._folded_profile_of_snapshot(NOTHING, text, level)
    assert (gzip.decompress(folded), n_bytes) == (profile(text), len(profile(text)))
    assert quickly(folded) == text


@given(texts, st.integers(0, 9))
def test_zlib_s_members_unfold(text: bytes, level: int):
    assert quickly(gzip.compress(profile(text), level)) == text


def test_no_more_than_allowed():
    data = profile(bytes(1000))
    folded = gzip.compress(data)
    assert quickly(folded, len(data)) == bytes(1000)
    assert quickly(folded, len(data) - 1) is None
    assert quickly(folded, -1) is None


@pytest.mark.parametrize("change", [-1000, -1, 1, 2**31])
def test_a_length_that_is_not_true(change: int):
    data = profile(b"abcde" * 200)
    length = (len(data) + change) % 2**32
    untrue = gzip.compress(data)[:-4] + length.to_bytes(4, "little")
    assert quickly(untrue) is None and quickly(untrue, 2**40) is None
    with pytest.raises(zlib.error):
        _file._unfold_members(untrue)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(17),
        bytes(18),
        gzip.compress(profile(b"one")) + gzip.compress(profile(b"two")),
        gzip.compress(profile(b"one")) + bytes(8),
        gzip.compress(b"no profile, and long enough"),
        profile(b"not folded"),
        zlib.compress(profile(b"of another kind")),
    ],
)
def test_what_is_not_one_profile_in_one_member(data: bytes):
    assert quickly(data) is None


@given(texts, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=3))
def test_the_quick_answer_is_the_slow_one(text: bytes, changes: Any):
    folded = bytearray(gzip.compress(profile(text), 1))
    for at, byte in changes:
        folded[at % len(folded)] = byte
    quick = quickly(folded)
    assert quick is None or quick == slowly(bytes(folded))
