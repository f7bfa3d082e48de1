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


@given(texts, st.sampled_from([0, 1]))
def test_folded_is_gzip(text: bytes, level: int):
    data = _core._profile_of_snapshot(NOTHING, text)
    folded, n_bytes = _core._folded_profile_of_snapshot(NOTHING, text, level)
    assert (gzip.decompress(folded), n_bytes) == (data, len(data))
    assert _core._unfold(folded, MOST) == data


@given(texts, st.integers(0, 9))
def test_zlib_s_members_unfold(data: bytes, level: int):
    assert _core._unfold(gzip.compress(data, level), MOST) == data


def test_no_more_than_allowed():
    folded = gzip.compress(bytes(1000))
    assert _core._unfold(folded, 1000) == bytes(1000)
    assert _core._unfold(folded, 999) is None
    assert _core._unfold(folded, -1) is None


def with_length(folded: bytes, length: int) -> bytes:
    return folded[:-4] + length.to_bytes(4, "little")


@pytest.mark.parametrize("length", [0, 999, 1001, 2**32 - 1])
def test_a_length_that_is_not_true(length: int):
    untrue = with_length(gzip.compress(b"abcde" * 200), length)
    assert _core._unfold(untrue, MOST) is None
    with pytest.raises(zlib.error):
        _file._unfold_members(untrue)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(17),
        bytes(18),
        gzip.compress(b"one") + gzip.compress(b"two"),
        gzip.compress(b"one") + bytes(8),
        zlib.compress(b"of another kind, and long enough"),
    ],
)
def test_what_is_not_one_member(data: bytes):
    assert _core._unfold(data, MOST) is None


def slowly(data: bytes) -> bytes | None:
    try:
        return _file._unfold_members(data)
    except (ValueError, zlib.error):
        return None


@given(texts, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=3))
def test_the_quick_answer_is_the_slow_one(data: bytes, changes: Any):
    folded = bytearray(gzip.compress(data, 1))
    for at, byte in changes:
        folded[at % len(folded)] = byte
    quick = _core._unfold(folded, MOST)
    assert quick is None or quick == slowly(bytes(folded))
