/* SPDX-License-Identifier: MIT
 *
 * ptm_test - the whole test framework of the C rooms: one program per file, TAP-like lines, exit
 * code 1 on failure.
 *
 *   int main(int argc, char **argv) { ptm_test_seed(argc, argv); RUN(first); RUN(second); return
 *   ptm_test_done(); }
 *
 * The seed of the random data is the first argument, else PTM_TEST_SEED, else 1; it is printed, so
 * that a failure can be had again.
 */
#ifndef PTM_TEST_H
#define PTM_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t ptm_test_random_state = 1;
static int ptm_test_number, ptm_test_failures, ptm_test_failed_checks;

/* What does not hold is told and counted; the test goes on, and stops telling after ten. */
#define CHECK(condition) \
    ((condition) ? (void)0 : ptm_test_fail(__FILE__, __LINE__, #condition, 0, 0))
#define CHECK_EQ(a, b)                                                     \
    do {                                                                   \
        int64_t ptm_a = (int64_t)(a), ptm_b = (int64_t)(b);                \
        if (ptm_a != ptm_b) {                                              \
            ptm_test_fail(__FILE__, __LINE__, #a " == " #b, ptm_a, ptm_b); \
        }                                                                  \
    } while (0)
/* Without this the test cannot go on. */
#define NEED(condition)                                          \
    do {                                                         \
        if (!(condition)) {                                      \
            ptm_test_fail(__FILE__, __LINE__, #condition, 0, 0); \
            exit(1);                                             \
        }                                                        \
    } while (0)
#define RUN(test) ptm_test_run(#test, test)

static inline void
ptm_test_fail(const char *file, int line, const char *what, int64_t a, int64_t b)
{
    if (ptm_test_failed_checks++ < 10) {
        printf("# %s:%d: %s (%" PRId64 ", %" PRId64 ")\n", file, line, what, a, b);
        fflush(stdout);
    }
}

static inline void
ptm_test_seed(int argc, char **argv)
{
    const char *given = argc > 1 ? argv[1] : getenv("PTM_TEST_SEED");
    ptm_test_random_state = given == NULL ? 1 : strtoull(given, NULL, 0);
    printf("# seed %" PRIu64 "\n", ptm_test_random_state);
}

static inline void
ptm_test_run(const char *name, void (*test)(void))
{
    ptm_test_failed_checks = 0;
    test();
    ptm_test_failures += ptm_test_failed_checks != 0;
    printf("%s %d - %s\n", ptm_test_failed_checks ? "not ok" : "ok", ++ptm_test_number, name);
    fflush(stdout);
}

static inline int
ptm_test_done(void)
{
    printf("1..%d\n", ptm_test_number);
    return ptm_test_failures != 0;
}

/* splitmix64 */
static inline uint64_t
ptm_test_random(void)
{
    uint64_t x = ptm_test_random_state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline uint32_t
ptm_test_below(uint32_t limit)
{
    return (uint32_t)(ptm_test_random() % limit);
}

#endif
