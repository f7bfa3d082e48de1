/* SPDX-License-Identifier: MIT
 *
 * ptm_scratch - arrays that a question needs while it is answered.
 *
 * Owns      nothing: the caller frees, with free()
 * Failure   NULL
 * Cost      that of malloc; an array of megabytes has huge pages where the system gives them, since
 *           faults of fresh pages and misses of the table of pages were a third of the time
 */
#ifndef PTM_SCRATCH_H
#define PTM_SCRATCH_H

#include <stdlib.h>

#include "os/ptm_os.h"

/* n * item_bytes must not overflow. */
static inline void *
ptm_scratch(size_t n, size_t item_bytes)
{
    void *items = malloc(n * item_bytes);
    ptm_os_expect_large(items, n * item_bytes);
    return items;
}

static inline void *
ptm_scratch_zeroed(size_t n, size_t item_bytes)
{
    void *items = calloc(n, item_bytes);
    ptm_os_expect_large(items, n * item_bytes);
    return items;
}

#endif
