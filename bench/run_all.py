#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`make bench`: every claim measured, one table per claim, JSON beside it.

    python bench/run_all.py [--python PYTHON] [PARTS...]

Parts: workloads pyperf programs calls snapshots memory startup threads instructions
books engines; all of them by default. Results go to
build/bench/results/<version>/<part>.json, after every row.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import books
import calls
import engines
import instructions
import memory
import snapshots
import startup
import table
import threads
from pairs import (
    BUILD,
    CONTESTANTS,
    Row,
    as_facts,
    bind_to_one_core,
    machine,
    measure,
    pairs_of,
    save,
)
from suites import TITLE, programs_of
from suites import VENV as VENV_OF
from venvs import Venvs

CLAIMS = {
    "calls": calls.main,
    "snapshots": snapshots.main,
    "memory": memory.main,
    "startup": startup.main,
    "threads": threads.main,
    "instructions": instructions.main,
    "books": books.main,
    "engines": engines.main,
}


def number_of(name: str, default: int) -> int:
    """A number from the environment, as `make bench PAIRS=3` passes it."""
    return int(os.environ.get(name) or default)


def arguments() -> argparse.Namespace:
    """What to run, and how often."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(all_parts()))
    parser.add_argument("--python", default=sys.executable, help="the interpreter")
    pairs = number_of("PAIRS", 5)
    parser.add_argument("--pairs", type=int, default=pairs, help="default %(default)s")
    fewer = number_of("STDLIB_PAIRS", -1)
    parser.add_argument("--stdlib-pairs", type=int, default=fewer, help="default PAIRS")
    fewest = number_of("STDLIB25_PAIRS", 1)
    parser.add_argument("--stdlib25-pairs", type=int, default=fewest, help="default 1")
    parser.add_argument("--only", default=os.environ.get("ONLY", ""), metavar="A,B")
    wanted = os.environ.get("CONTESTANTS", ",".join(CONTESTANTS))
    parser.add_argument("--contestants", default=wanted, metavar="A,B")
    parser.add_argument(
        "--keep", action="store_true", help="keep the rows of the last run not run now"
    )
    parser.add_argument(
        "--at-once",
        action="store_true",
        default=bool(os.environ.get("AT_ONCE")),
        help="both of a pair at the same time, on one core",
    )
    parser.add_argument(
        "--against",
        default=os.environ.get("AGAINST", ""),
        metavar="REVISION",
        help="engines: the commit whose engine ours is compared with",
    )
    options = parser.parse_args()
    if options.stdlib_pairs < 0:
        options.stdlib_pairs = options.pairs
    unknown = set(options.parts) - set(all_parts())
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return options


def all_parts() -> list[str]:
    """In the order in which they run."""
    return [*TITLE, *CLAIMS]


def run_suite(suite: str, venvs: Venvs, options: argparse.Namespace) -> Path:
    """All rows of one suite; saved after each program."""
    python = venvs.python(VENV_OF[suite])
    out = results_of(venvs) / f"{suite}.json"
    pairs = pairs_of(options)
    facts = table.facts_of(suite, venvs.version, machine(), venvs.engine())
    only = set(filter(None, options.only.split(",")))
    chosen = [p for p in programs_of(suite, python) if not only or p.name in only]
    rows: list[Row] = []
    kept = table.kept_rows(out) if options.keep else []
    for program in chosen:
        started = time.monotonic()
        made = measure(python, program, pairs, options.at_once)
        rows += made
        facts["rows"] = table.merge(kept, as_facts(rows))
        save(out, facts)
        print(table.progress(made, suite, time.monotonic() - started), flush=True)
    return out


def results_of(venvs: Venvs) -> Path:
    """Where the JSON of one interpreter goes."""
    return BUILD / "results" / venvs.version


def main() -> None:
    options = arguments()
    if options.at_once:
        bind_to_one_core()
    ours = options.contestants.find("ours") >= 0
    venvs = Venvs(options.python, with_ours=ours)
    made: list[Path] = []
    for part in options.parts or all_parts():
        print(f"\n== {part}, CPython {venvs.version}", flush=True)
        if part in ("startup", "books") and not ours:
            print("nothing to compare without ours")
        elif part == "engines" and not options.against:
            print("nothing to compare with: --against REVISION")
        elif part in TITLE:
            made.append(run_suite(part, venvs, options))
        else:
            made.append(CLAIMS[part](venvs, results_of(venvs), options))
    print()
    for path in made:
        print(table.render(path))


if __name__ == "__main__":
    main()
