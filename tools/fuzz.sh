#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fuzzes the reader of profiles for some minutes, from the corpus in the tree and fresh seeds.
#
#   usage:  fuzz.sh MINUTES         build/fuzz/corpus grows; an input that breaks a law stays in build/fuzz/found
#           fuzz.sh merge           what of build/fuzz/corpus covers more than the rest goes to tests/fuzz/corpus
#           fuzz.sh coverage        which lines of csrc/format the corpus in the tree reaches
# Needs clang with libFuzzer (Debian: clang libclang-rt-14-dev; coverage: llvm).
set -euo pipefail
cd "$(dirname "$0")/.."
clang=${CLANG:-clang}
out=build/fuzz
sources=(csrc/format/*.c csrc/snap/*.c csrc/base/ptm_array.c csrc/base/ptm_buf.c csrc/base/ptm_hash.c csrc/base/ptm_mem.c csrc/os/*.c)
flags=(-std=c11 -g -O1 -DPTM_HUNT -Icsrc -Itests/c -Itests/fuzz)
command -v "$clang" >/dev/null || { echo "fuzzing needs clang with libFuzzer (CLANG=$clang)" >&2; exit 1; }
mkdir -p $out/corpus $out/found $out/seeds

build() {  # NAME, MORE FLAGS...
    local name=$1
    shift
    "$clang" "${flags[@]}" "$@" tests/fuzz/fuzz_read.c "${sources[@]}" -o "$out/$name"
}

# The reader's own bounds are the laws; these are what libFuzzer stops at in any case.
limits=(-max_len=16384 -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=512 -artifact_prefix=$out/found/)
export ASAN_OPTIONS=allocator_may_return_null=1

fuzz() {
    "$clang" "${flags[@]}" tests/fuzz/make_seeds.c "${sources[@]}" -o $out/make_seeds
    $out/make_seeds $out/seeds
    build fuzz_read -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
    $out/fuzz_read "${limits[@]}" -dict=tests/fuzz/pprof.dict -max_total_time=$((60 * $1)) -print_final_stats=1 \
        $out/corpus tests/fuzz/corpus $out/seeds
}

merge() {
    build fuzz_read -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
    rm -rf $out/merged
    mkdir $out/merged
    $out/fuzz_read "${limits[@]}" -merge=1 $out/merged tests/fuzz/corpus $out/corpus
    rm -rf tests/fuzz/corpus
    mv $out/merged tests/fuzz/corpus
    du -sh --apparent-size tests/fuzz/corpus
}

coverage() {
    build fuzz_covered -fsanitize=fuzzer -fprofile-instr-generate -fcoverage-mapping
    LLVM_PROFILE_FILE=$out/covered.profraw $out/fuzz_covered -runs=0 tests/fuzz/corpus 2>$out/covered.log
    llvm-profdata merge $out/covered.profraw -o $out/covered.profdata
    llvm-cov report $out/fuzz_covered -instr-profile=$out/covered.profdata csrc/format
}

case ${1:-} in
    merge | coverage) "$1" ;;
    *[!0-9]* | '') sed -n '3,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
    *) fuzz "$1" ;;
esac
