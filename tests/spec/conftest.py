# SPDX-License-Identifier: MIT
"""The marker that ties a test to a sentence of the specification."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "sentence(text): the test proves this sentence of the specification"
    )
