/* SPDX-License-Identifier: MIT
 *
 * ptm_bytes - the order of strings that are bytes and a length. Pure functions.
 */
#ifndef PTM_BYTES_H
#define PTM_BYTES_H

#include "base/ptm_base.h"

#include <string.h>

/* -1, 0, 1: byte by byte, then the shorter first; of UTF-8 that is by code point. Without a length
 * there need not be bytes. */
static inline int
ptm_bytes_compare(const void *a, size_t len_a, const void *b, size_t len_b)
{
    size_t shorter = len_a < len_b ? len_a : len_b;
    int diff = shorter == 0 ? 0 : memcmp(a, b, shorter);
    return diff != 0 ? (diff > 0) - (diff < 0) : (len_a > len_b) - (len_a < len_b);
}

#endif
