/* SPDX-License-Identifier: MIT
 *
 * ptm_test_mem - a map function for the tests: zeroed memory from malloc, every piece counted,
 * refused on demand.
 */
#ifndef PTM_TEST_MEM_H
#define PTM_TEST_MEM_H

#include "base/ptm_mem.h"
#include "ptm_test.h"

static size_t ptm_test_mapped_bytes, ptm_test_maps, ptm_test_discards;

static inline void *
ptm_test_map(size_t bytes)
{
    ptm_test_mapped_bytes += bytes;
    ptm_test_maps++;
    void *pages = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    NEED(pages != NULL);
    return memset(pages, 0, bytes);
}

static inline void
ptm_test_unmap(void *pages, size_t bytes)
{
    CHECK(bytes <= ptm_test_mapped_bytes);
    ptm_test_mapped_bytes -= bytes;
    memset(pages, 0xdd, bytes);
    free(pages);
}

static inline void
ptm_test_discard(void *pages, size_t bytes)
{
    ptm_test_discards++;
    memset(pages, 0, bytes);
}

static inline void
ptm_test_mem_use(void)
{
    ptm_mem_use((ptm_mem_ops){.map = ptm_test_map,
                              .map_large = ptm_test_map,
                              .unmap = ptm_test_unmap,
                              .discard = ptm_test_discard});
}

/* What a structure says it owns. */
static inline void
ptm_test_add_bytes(void *arg, const void *pages, size_t bytes)
{
    CHECK(pages != NULL);
    *(size_t *)arg += bytes;
}

#endif
