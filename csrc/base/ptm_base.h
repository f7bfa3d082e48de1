/* SPDX-License-Identifier: MIT
 *
 * ptm_base - the words every room shares.
 *
 * Owns      error codes, ids, units, assertion levels, branch hints
 * Threads   nothing here has state
 *
 * Words used the same way in code, docs and messages:
 *   block   what the program got: address, requested size, domain
 *   frame   file, line, function name (columns where all call positions agree)
 *   stack   interned frames, most recent first, cut at the limit
 *   depth   how many frames the stack had before it was cut (the API's total_nframe)
 *   domain  0 for Python's three allocators, else the number given to Track
 *   site    (stack, depth, size, domain) with its books: live, allocated, at-peak counts
 *   lane    a way from events to sites that has one writer at a time
 *   shadow  the table parallel to the heap: address -> site
 */
#ifndef PTM_BASE_H
#define PTM_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Results of the cold C core: 0 is fine, negative is a failure; out-parameters are written on
 * success only. */
typedef enum {
    PTM_OK = 0,
    PTM_ENOMEM = -1,       /* our own memory could not be had */
    PTM_EFORMAT = -2,      /* a file says something it must not */
    PTM_ESTATE = -3,       /* the call does not fit the state (not tracing, ...) */
    PTM_EUNSUPPORTED = -4, /* this interpreter cannot be traced */
    PTM_ERANGE = -5        /* what a file or a caller claims adds up to more than an int64 holds */
} ptm_err;

/* Ids are small integers, not pointers; 0 is "none" in the engine's tables. */
typedef uint32_t ptm_str_id;
typedef uint32_t ptm_frame_id;
typedef uint32_t ptm_stack_id;
typedef uint32_t ptm_node_id;
typedef uint32_t ptm_site_id;

#define PTM_NFRAME_MAX 65535 /* the API's limit, and where a depth saturates */

#define PTM_LIKELY(x) __builtin_expect(!!(x), 1)
#define PTM_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PTM_ALWAYS_INLINE inline __attribute__((always_inline))
#define PTM_NOINLINE __attribute__((noinline))
/* Declares a variable of another file of ours. Without the attribute every access goes by the
 * global offset table. */
#define PTM_EXTERN extern __attribute__((visibility("hidden")))
#define PTM_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* In builds of the tests alone. */
#ifdef PTM_HUNT
#define ptm_assert(x) assert(x)
#else
#define ptm_assert(x) ((void)0)
#endif

/* What call positions that were merged have in common: the number, or -1. */
static inline int32_t
ptm_in_common(int32_t a, int32_t b)
{
    return a == b ? a : -1;
}

/* The sum, or the greatest number if it is beyond that: files may claim any counts. */
static inline uint64_t
ptm_sum_saturated(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* The same of the product. */
static inline uint64_t
ptm_product_saturated(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

#endif
