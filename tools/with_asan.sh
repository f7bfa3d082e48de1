#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a command whose extension modules were built with the address and undefined-behaviour sanitizers,
# under an interpreter that was not: the runtimes are preloaded, and leaks (nearly all the interpreter's
# own) are not judged.
set -eu
runtimes=
for library in libasan.so libubsan.so; do
    path=$("${CC:-cc}" -print-file-name=$library)
    [ "$path" != $library ] || { echo "${CC:-cc} has no $library: install the sanitizer runtimes of gcc" >&2; exit 1; }
    runtimes="$runtimes $path"
done
export LD_PRELOAD="${runtimes# }"
export ASAN_OPTIONS="detect_leaks=0:abort_on_error=0:detect_stack_use_after_return=0:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
exec "$@"
