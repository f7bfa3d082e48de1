/* SPDX-License-Identifier: MIT */
#include "trace/ptm_parked.h"

#include "trace/ptm_record.h"

static struct {
    PyMemAllocatorEx below; /* where all of them go: code objects are of one domain */
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
    if (n == 0 || !ptm_tstate_in_lane(ptm_tstate_attached(), ptm_recording.main_interp)) {
        return;
    }
    ptm_parked_raise_age();
    lot.n = 0;
    lot.bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        lot.below.free(lot.below.ctx, lot.blocks[i]);
    }
}

/* Blocks that another interpreter's stop() left here, of before somebody else's allocator came in
 * below ours. */
static bool
is_other(const PyMemAllocatorEx *below)
{
    return lot.below.free != below->free || lot.below.ctx != below->ctx;
}

void
ptm_parked_add(const PyMemAllocatorEx *below, void *block)
{
    if (lot.n == PTM_MOST_PARKED || is_other(below)) {
        ptm_parked_release();
        lot.below = *below;
    }
    lot.blocks[lot.n++] = block;
    lot.bytes += ptm_code_bytes(block);
    if (ptm_record_is_leaving() || lot.n == PTM_MOST_PARKED || lot.bytes > PTM_MOST_PARKED_BYTES) {
        ptm_parked_release();
    }
}
