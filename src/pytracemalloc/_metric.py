# SPDX-License-Identifier: MIT
"""Words for what is counted."""

from typing import Literal

Metric = Literal["live", "peak", "allocated", "freed"]

#: Blocks alive when the snapshot was taken, blocks alive at the peak, blocks ever
#: allocated, and blocks that had been freed when it was taken.
METRICS: tuple[Metric, ...] = ("live", "peak", "allocated", "freed")

#: The metric that a snapshot shows by itself, by its attribute `at`.
METRIC_AT: dict[str, Metric] = {"end": "live", "peak": "peak", "allocated": "allocated"}
