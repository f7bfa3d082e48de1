# SPDX-License-Identifier: MIT
"""Lists and bytes made and dropped in a loop: little is alive at any moment."""

from ptm_bench_child import region

TURNS = 2_000_000


def main() -> None:
    total = 0
    for i in range(TURNS):
        row = [i, i + 1, i + 2]
        row.append(i)
        head = bytes(16 + i % 64)
        body = head + b"tail"
        pair = [head, body]
        total += len(row) + len(pair[1])
    assert total > TURNS


if __name__ == "__main__":
    with region():
        main()
