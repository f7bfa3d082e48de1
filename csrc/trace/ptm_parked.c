/* SPDX-License-Identifier: MIT */
#include "trace/ptm_parked.h"

#include "trace/ptm_record.h"

static struct {
    const PyMemAllocatorEx *below; /* where all of them go: code objects are of one domain */
    uint32_t n;
    size_t bytes;
    void *blocks[PTM_MOST_PARKED];
} lot; /* guarded: the main interpreter's GIL */

void
ptm_parked_raise_age(void)
{
    PTM_FETCH_ADD(&ptm_code_age, 1u);
}

void
ptm_parked_release(void)
{
    uint32_t n = lot.n;
    if (n != 0) {
        ptm_parked_raise_age();
    }
    lot.n = 0;
    lot.bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        lot.below->free(lot.below->ctx, lot.blocks[i]);
    }
}

void
ptm_parked_add(const PyMemAllocatorEx *below, void *block)
{
    if (lot.below != below) {
        ptm_parked_release();
        lot.below = below;
    }
    lot.blocks[lot.n++] = block;
    lot.bytes += ptm_code_bytes(block);
    if (ptm_recording.leaving || lot.n == PTM_MOST_PARKED || lot.bytes > PTM_MOST_PARKED_BYTES) {
        ptm_parked_release();
    }
}
