/* SPDX-License-Identifier: MIT */
#include "trace/ptm_parked.h"

#include <string.h>

#include "trace/ptm_record.h"

typedef struct {
    PyMemAllocatorEx below; /* where all of them go: code objects are of one domain */
    uint32_t n;
    size_t bytes;
    void *blocks[PTM_MOST_PARKED];
} parking_lot;

static parking_lot lot; /* guarded: lot_lock */
static ptm_lock lot_lock;

void
ptm_parked_raise_age(void)
{
    PTM_FETCH_ADD(&ptm_code_age, 1u);
}

/* Nothing is given back under the lock: what is below may be anybody's. */
static void
release(const parking_lot *full)
{
    ptm_parked_raise_age();
    for (uint32_t i = 0; i < full->n; i++) {
        full->below.free(full->below.ctx, full->blocks[i]);
    }
}

/* Under the lock. */
static void
drive_out(parking_lot *full)
{
    full->below = lot.below;
    full->n = lot.n;
    memcpy(full->blocks, lot.blocks, lot.n * sizeof(lot.blocks[0]));
    lot.n = 0;
    lot.bytes = 0;
}

void
ptm_parked_release(void)
{
    parking_lot full;
    full.n = 0; /* the rest only if it is driven out */
    if (PTM_LOAD(&lot.n) == 0
        || !ptm_tstate_in_lane(ptm_tstate_attached(), ptm_recording.main_interp)) {
        return;
    }
    ptm_lock_take(&lot_lock);
    drive_out(&full);
    ptm_lock_release(&lot_lock);
    release(&full);
}

/* Blocks that another interpreter's stop() left here, of before somebody else's allocator came in
 * below ours. */
static bool
is_other(const PyMemAllocatorEx *below)
{
    return lot.below.free != below->free || lot.below.ctx != below->ctx;
}

static bool
is_full(void)
{
    return lot.n == PTM_MOST_PARKED || lot.bytes > PTM_MOST_PARKED_BYTES || ptm_record_is_leaving();
}

static void
park(void *block)
{
    PTM_STORE(&lot.n, lot.n + 1);
    lot.blocks[lot.n - 1] = block;
    lot.bytes += ptm_code_bytes(block);
}

void
ptm_parked_add(const PyMemAllocatorEx *below, void *block)
{
    parking_lot full;
    full.n = 0; /* the rest only if it is driven out */
    ptm_lock_take(&lot_lock);
    if (is_other(below)) {
        drive_out(&full);
        lot.below = *below;
    }
    park(block);
    if (full.n == 0 && is_full()) {
        drive_out(&full);
    }
    ptm_lock_release(&lot_lock);
    if (full.n != 0) {
        release(&full);
    }
}

void
ptm_parked_lock(void)
{
    ptm_lock_take(&lot_lock);
}

void
ptm_parked_unlock(void)
{
    ptm_lock_release(&lot_lock);
}
