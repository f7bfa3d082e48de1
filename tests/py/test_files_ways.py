# SPDX-License-Identifier: MIT
"""A sample may be encoded in many ways that mean the same: each loads equal."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from pytracemalloc import Snapshot

#: Stacks that many sites share, sizes that take several bytes
RAW = [
    (size % 3, size, tuple((f"f{size % 7}.py", line) for line in range(1, 5)), 9)
    for size in (*range(40), 200, 70_000, 1 << 40)
]

SAMPLE, LOCATION, VALUE, LABEL = 2, 1, 2, 3
KEY, NUM, NUM_UNIT = 1, 3, 4

Field = tuple[int, int | bytes]


def varint(number: int, length: int = 0) -> bytes:
    """Of at least so many bytes."""
    digits = []
    while number or not digits or len(digits) < length:
        digits.append(number & 127 | 128)
        number >>= 7
    digits[-1] &= 127
    return bytes(digits)


def parse(message: bytes) -> list[Field]:
    """The fields in their order; there are numbers and pieces."""

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value

    at, fields = 0, []
    while at < len(message):
        tag = number()
        value: int | bytes = number()
        if tag & 7 == 2:
            at += value
            value = message[at - value : at]
        fields.append((tag >> 3, value))
    return fields


def build(fields: list[Field], length: int = 0) -> bytes:
    """The opposite; numbers, tags and lengths have at least so many bytes."""
    made = b""
    for field, value in fields:
        if isinstance(value, bytes):
            made += varint(field << 3 | 2, length) + varint(len(value), length) + value
        else:
            made += varint(field << 3, length) + varint(value, length)
    return made


def numbers(packed: Any) -> list[int]:
    """Those of a packed field."""
    ends = [i + 1 for i, byte in enumerate(packed) if byte < 128]
    return [
        parse(b"\x08" + packed[begin:end])[0][1]
        for begin, end in zip([0, *ends], ends, strict=False)
    ]  # type: ignore[return-value]


def unpack(field: int) -> Callable[[list[Field]], list[Field]]:
    """Each number of these packed fields is a field of its own."""

    def way(sample: list[Field]) -> list[Field]:
        return [
            (number, one)
            for number, value in sample
            for one in (numbers(value) if number == field else [value])
        ]

    return way


def cut_in_two(sample: list[Field]) -> list[Field]:
    """The locations are two packed fields, with the values between them."""
    (_, locations), *rest = sample
    middle = [(LOCATION, b"".join(map(varint, numbers(locations)[1:])))]
    first = [(LOCATION, varint(numbers(locations)[0]))]
    return [*first, rest[0], *middle, *rest[1:]]


def labels_turned(sample: list[Field]) -> list[Field]:
    """A label's parts in the opposite order."""
    return [
        (number, build(parse(value)[::-1]) if number == LABEL else value)  # type: ignore[arg-type]
        for number, value in sample
    ]


def one_label_more(sample: list[Field]) -> list[Field]:
    """A label of text, as other tools add them."""
    return [*sample, (LABEL, build([(KEY, 1), (2, 3)]))]


def an_unknown_field(sample: list[Field]) -> list[Field]:
    """Of a later version of the format."""
    return [*sample, (9, b"later")]


WAYS = {
    "locations one by one": unpack(LOCATION),
    "values one by one": unpack(VALUE),
    "both": lambda sample: unpack(VALUE)(unpack(LOCATION)(sample)),
    "two pieces": cut_in_two,
    "labels turned": labels_turned,
    "labels first": lambda sample: sample[::-1],
    "a label more": one_label_more,
    "an unknown field": an_unknown_field,
}


def rewritten(profile: bytes, way: Callable[[list[Field]], list[Field]]) -> bytes:
    """Every sample but each third in another way, so that both ways meet."""
    fields = []
    for number, (field, value) in enumerate(parse(profile)):
        if field == SAMPLE and number % 3 != 0:
            assert isinstance(value, bytes)
            value = build(way(parse(value)))
        fields.append((field, value))
    return build(fields)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Snapshot, bytes]:
    snapshot = Snapshot(RAW, 9)
    snapshot.dump(tmp_path / "written")
    return snapshot, gzip.decompress((tmp_path / "written").read_bytes())


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_other_ways_load_equal(written: Any, tmp_path: Path, way: Any):
    snapshot, profile = written
    changed = rewritten(profile, way)
    assert changed != profile
    (tmp_path / "changed").write_bytes(changed)
    loaded = Snapshot.load(tmp_path / "changed")
    assert list(loaded.traces) == list(snapshot.traces)
    assert [t.traceback.total_nframe for t in loaded.traces] == [9] * len(RAW)


@pytest.mark.parametrize("length", [2, 3, 10])
def test_numbers_longer_than_they_need(written: Any, tmp_path: Path, length: int):
    snapshot, profile = written

    def way(sample: list[Field]) -> list[Field]:
        packed = [
            (field, b"".join(varint(n, length) for n in numbers(value)))
            if field in (LOCATION, VALUE)
            else (field, build(parse(value), length))  # type: ignore[arg-type]
            for field, value in sample
        ]
        return packed

    (tmp_path / "changed").write_bytes(rewritten(profile, way))
    assert Snapshot.load(tmp_path / "changed").traces == snapshot.traces


def test_a_stack_is_written_once_more_where_it_comes_again(written: Any):
    """Sites with equal stacks have equal bytes: nothing is referred to."""
    samples = [parse(v) for f, v in parse(written[1]) if f == SAMPLE]  # type: ignore[arg-type]
    assert len(samples) == len(RAW)
    by_file = sorted(
        (int(raw[1]) % 7, sample[0]) for raw, sample in zip(RAW, samples, strict=True)
    )
    for _, group in groupby(by_file, key=lambda pair: pair[0]):
        assert len({locations for _, (_, locations) in group}) == 1
