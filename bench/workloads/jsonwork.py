# SPDX-License-Identifier: MIT
"""json: dumps and loads of a nested document."""

import json

from ptm_bench_child import region

ITEMS = 400
TURNS = 700


def document() -> dict[str, object]:
    """A list of records with strings, numbers, lists and nested dicts."""
    return {
        "kind": "catalogue",
        "items": [
            {
                "id": i,
                "name": f"item number {i}",
                "price": i * 1.25,
                "tags": [f"tag{i % 7}", f"tag{i % 11}", None, True],
                "stock": {"here": i % 5, "there": {"far": i % 3, "near": i}},
            }
            for i in range(ITEMS)
        ],
    }


def main() -> None:
    data = document()
    for _ in range(TURNS):
        text = json.dumps(data)
        data = json.loads(text)
    assert len(data["items"]) == ITEMS


if __name__ == "__main__":
    with region():
        main()
