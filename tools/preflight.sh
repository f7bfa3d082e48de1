#!/bin/sh
# SPDX-License-Identifier: MIT
# What the build needs of this machine, asked before anything starts.
#
#   usage:  preflight.sh PYTHON      prints tag, interpreter and version (cp313 /usr/bin/python3.13 3.13.0); exit 0
#                                    or one line that names all that is missing; exit 1
set -u
python=${1:-python3}
missing=

need() { missing="$missing${missing:+; }$1"; }

if found=$("$python" -I - <<'P' 2>/dev/null
import importlib.util
import os
import sys
import sysconfig

def answer():
    version = sys.version_info[:2]
    if sys.implementation.name != "cpython" or not (3, 11) <= version <= (3, 15):
        return f"a CPython 3.11 to 3.15 ({sys.executable} is {sys.implementation.name} {version[0]}.{version[1]})"
    threaded = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    wants = []
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        wants.append(f"the headers of {sys.executable} (Debian: python{version[0]}.{version[1]}-dev)")
    if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        wants.append(f"venv for {sys.executable} (Debian: python{version[0]}.{version[1]}-venv)")
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    return "; ".join(wants) or f"cp{version[0]}{version[1]}{threaded} {base} {sys.version.split()[0]}"

print(answer())
P
); then
    case $found in
        cp3*) ;;
        *) need "$found" ;;
    esac
else
    need "a Python that runs as '$python' (choose another with make PYTHON=...)"
fi
"${CC:-cc}" --version >/dev/null 2>&1 || need "a C compiler (CC=${CC:-cc}; Debian: gcc libc6-dev)"
command -v "${MAKE:-make}" >/dev/null 2>&1 || need "GNU make (Debian: make)"

if [ -n "$missing" ]; then
    printf 'missing: %s\n' "$missing"
    exit 1
fi
printf '%s\n' "$found"
