# SPDX-License-Identifier: MIT
"""Runs inside every benchmarked process: starts a tracer, times, reports at exit.

The environment says what to do and is cleared at once, so that no child of the
program traces or reports:

    PTM_BENCH_TRACER   none | ours:NFRAME | stdlib:NFRAME
    PTM_BENCH_OUT      the file that gets one line of JSON at exit

Without PTM_BENCH_OUT nothing happens, and `region` only times.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
from types import ModuleType, TracebackType
from typing import Any

_regions: list[float] = []
_traced_in_regions: list[bool] = []
_tracer: ModuleType | None = None
_name = "none"
_pid = os.getpid()


class region:
    """The part of the program that is measured by itself: CPU seconds, all threads."""

    def __enter__(self) -> None:
        if _tracer is not None:
            _traced_in_regions.append(_tracer.is_tracing())
        self.started = time.process_time()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _regions.append(time.process_time() - self.started)
        if _tracer is not None:
            _traced_in_regions.append(_tracer.is_tracing())


class PyperfHook(region):
    """The same as a pyperf hook: around the benchmark function, all its loops."""

    def teardown(self, metadata: dict[str, Any]) -> None:
        pass


def begin() -> None:
    """Start the tracer of the environment and see to the report."""
    out = os.environ.pop("PTM_BENCH_OUT", None)
    name = os.environ.pop("PTM_BENCH_TRACER", "none")
    if out is None:
        return
    atexit.register(_report, out)
    _start(name)


def _start(name: str) -> None:
    global _tracer, _name
    _name = name
    family, _, nframe = name.partition(":")
    if family == "none":
        return
    if family == "ours":
        import pytracemalloc as tracer
    elif family == "stdlib":
        # not its Python layer, which would import pickle before the program does
        import _tracemalloc as tracer
    else:
        raise SystemExit(f"PTM_BENCH_TRACER={name}: none, ours:N or stdlib:N")
    tracer.start(int(nframe))
    _tracer = tracer


def resident() -> dict[str, int]:
    """Resident bytes of this process: now, and the most it ever had.

    VmHWM rather than ru_maxrss, which a child inherits from the process that forked it.
    """
    found = {}
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            key, _, rest = line.partition(":")
            if key in ("VmHWM", "VmRSS"):
                found[key] = int(rest.split()[0]) * 1024
    return {"rss_peak": found["VmHWM"], "rss_end": found["VmRSS"]}


def _report(out: str) -> None:
    if os.getpid() != _pid:
        return
    facts: dict[str, Any] = {"tracer": _name, "python": sys.version.split()[0]}
    facts["region_cpu"] = sum(_regions) if _regions else None
    facts.update(resident())
    facts["is_tracing"] = False
    if _tracer is not None:
        facts["is_tracing"] = _tracer.is_tracing() and all(_traced_in_regions)
        facts["current"], facts["peak"] = _tracer.get_traced_memory()
        facts["limit"] = _tracer.get_traceback_limit()
        facts["own"] = _tracer.get_tracemalloc_memory()
    with open(out, "w", encoding="ascii") as file:
        json.dump(facts, file)
