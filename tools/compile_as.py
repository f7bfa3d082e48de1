#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles every C file of the build for what this machine is not, warnings as errors.

usage: compile_as.py NAME BUILD_FOLDER COMPILER [ARGS...]

The commands are those of BUILD_FOLDER/compile_commands.json with another compiler
(`aarch64-linux-gnu-gcc`, or `python -m ziglang cc -target aarch64-linux-gnu.2.17`) or
further options (`cc -DPy_GIL_DISABLED=1`, the headers' free-threaded half). Python's
headers are this machine's: both are 64-bit Linux with equal type sizes.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

# What only gcc knows, and what names outputs.
DROPPED = ("-M", "-o", "-c", "-fdiagnostics-color")


def flags_of(command: str) -> list[str]:
    """The options that matter to the front end: includes, definitions, warnings."""
    kept = ("-I", "-isystem", "-D", "-U", "-std", "-W", "-O", "-f")
    return [w for w in shlex.split(command)[1:] if w.startswith(kept)]


def main() -> int:
    name, build, compiler = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    commands = json.loads((build / "compile_commands.json").read_text())
    failed = 0
    ours = [c for c in commands if re.search("csrc/|libdeflate/|layouts.c$", c["file"])]
    for entry in ours:
        options = [f for f in flags_of(entry["command"]) if not f.startswith(DROPPED)]
        run = [*compiler, *options, "-Werror", "-c", "-o", f"{name}.o", entry["file"]]
        done = subprocess.run(run, cwd=entry["directory"], check=False)
        failed += done.returncode != 0
    print(f"{name}: {len(ours)} files, {failed} do not compile")
    return 1 if failed or not ours else 0


if __name__ == "__main__":
    sys.exit(main())
