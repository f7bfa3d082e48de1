/* SPDX-License-Identifier: MIT
 *
 * fuzz_read - the reader of profiles under libFuzzer: any bytes, and the laws of ptm_fuzz_laws.h.
 *
 * How       `make fuzz` builds it with clang and runs it; tests/c/test_pprof_corpus.c runs the same
 *           laws on the corpus without clang. Beside coverage, more memory per byte of input than
 *           any input before counts as something new, so inputs evolve towards bombs
 * Failure   a law that does not hold is printed and aborts, so that libFuzzer keeps the input
 */
#include "ptm_fuzz_laws.h"
#include "ptm_fuzz_mutate.h"

#define RATIOS 512 /* bytes of memory per byte of input, in steps of one */
#define RATIO_ROOM \
    8192 /* bytes added to the input's length: what reading always needs stays small */

__attribute__((used, section("__libfuzzer_extra_counters"))) static uint8_t ratio_met[RATIOS];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t room, unsigned int seed);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    check_any_bytes(data, len);
    if (ptm_test_failed_checks != 0) {
        abort();
    }
    uint64_t ratio = (uint64_t)read_most_bytes / (len + RATIO_ROOM);
    ratio_met[ratio < RATIOS ? ratio : RATIOS - 1] = 1;
    return 0;
}

/* Half of the changes know about fields. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t room, unsigned int seed)
{
    size_t changed = seed % 2 == 0 ? mutate_profile(data, len, room, seed) : 0;
    return changed != 0 ? changed : LLVMFuzzerMutate(data, len, room);
}
