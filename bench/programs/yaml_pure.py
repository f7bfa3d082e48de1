# SPDX-License-Identifier: MIT
"""PyYAML, its pure Python half: dump, load and compare a nested document."""

import yaml
from ptm_bench_child import region

SERVICES = 1400


def document() -> dict[str, object]:
    """What deployment files look like."""
    return {
        "version": "3.8",
        "services": {
            f"service-{i}": {
                "image": f"registry/app:{i}.{i % 9}",
                "ports": [8000 + i, 9000 + i],
                "environment": {
                    "NAME": f"name {i}",
                    "DEBUG": i % 2 == 0,
                    "RATE": i / 4,
                },
                "command": ["run", "--level", str(i), "multi\nline\ntext"],
                "limits": {"memory": f"{i}M", "none": None},
            }
            for i in range(SERVICES)
        },
    }


def main() -> None:
    data = document()
    text = yaml.dump(data, Dumper=yaml.SafeDumper)
    assert yaml.load(text, Loader=yaml.SafeLoader) == data


if __name__ == "__main__":
    with region():
        main()
