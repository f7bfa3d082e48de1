# SPDX-License-Identifier: MIT
"""What every test has: the installed wheel, a tracer that is off, an extension."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The test extension (tests/ext) is built beside the C tests and never installed.
if "PTM_TEST_EXT" in os.environ:
    sys.path.append(os.environ["PTM_TEST_EXT"])


def pytest_sessionstart(session: pytest.Session) -> None:
    """Tests judge the wheel: the tree's own package, or an editable one, is refused."""
    found = importlib.util.find_spec("pytracemalloc")
    if found is None or found.origin is None:
        pytest.exit("pytracemalloc is not installed here: run `make test`", 2)
    place = Path(found.origin).resolve()
    if place.is_relative_to(ROOT / "src") or "site-packages" not in place.parts:
        pytest.exit(f"{place} is not a wheel's: run `make test`", 2)


def pytest_report_header() -> list[str]:
    import pytracemalloc

    kind = "sanitized" if "PTM_ASAN" in os.environ else "wheel"
    place = Path(pytracemalloc.__file__).parent
    return [f"pytracemalloc {pytracemalloc.__version__} ({kind}): {place}"]


@pytest.fixture(autouse=True)
def tracing_is_off() -> Iterator[None]:
    """Each test starts and ends without tracing and without the alias."""
    import pytracemalloc

    assert not pytracemalloc.is_tracing()
    yield
    pytracemalloc.stop()
    pytracemalloc.uninstall()


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def testalloc():
    """The extension that calls Python's allocators (tests/ext)."""
    return pytest.importorskip("ptm_testalloc", reason="built by `make test` only")
