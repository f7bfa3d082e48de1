#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a command whose extension modules were built with the thread sanitizer, under an interpreter that was not:
# the runtime is preloaded. It knows nothing of the interpreter's own locks, so what it reports is read with
# tests/tsan.supp. Addresses are not randomised: gcc 12's runtime knows only the usual layout.
set -eu
runtime=$("${CC:-cc}" -print-file-name=libtsan.so)
[ "$runtime" != libtsan.so ] || { echo "${CC:-cc} has no libtsan.so: install the sanitizer runtimes of gcc" >&2; exit 1; }
export LD_PRELOAD="$runtime"
export TSAN_OPTIONS="halt_on_error=0 exitcode=66 report_signal_unsafe=0 suppressions=$(dirname "$0")/../tests/tsan.supp"
exec setarch -R "$@"
