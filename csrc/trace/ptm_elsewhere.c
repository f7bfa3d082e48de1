/* SPDX-License-Identifier: MIT */
#include "trace/ptm_elsewhere.h"

#include "trace/ptm_event.h"

bool
ptm_elsewhere_enter_raw(void)
{
    ptm_lock_take(&ptm_books_lock);
    if (!ptm_recording.tracing) {
        ptm_lock_release(&ptm_books_lock);
        return false;
    }
    return true;
}

void
ptm_elsewhere_leave_raw(void)
{
    ptm_lock_release(&ptm_books_lock);
}

/* The calling thread's lane, else the raw one, entered; NULL: not tracing. */
static ptm_lane *
enter(void)
{
    ptm_lane *lane = ptm_lanes_mine();
    if (PTM_LIKELY(lane != NULL)) {
        return ptm_lanes_enter(lane) ? lane : NULL;
    }
    return ptm_elsewhere_enter_raw() ? PTM_LANE_RAW : NULL;
}

/* What the raw domain goes to: without a GIL a thread's own lane as well. */
static ptm_lane *
enter_for_raw(void)
{
#ifdef PTM_FREE_THREADED
    return enter();
#else
    return ptm_elsewhere_enter_raw() ? PTM_LANE_RAW : NULL;
#endif
}

static void
leave(ptm_lane *lane)
{
    if (lane == PTM_LANE_RAW) {
        ptm_elsewhere_leave_raw();
    }
    else {
        ptm_lanes_leave(lane);
    }
}

/* -- threads that are attached ----------------------------------------------------------------- */

void
ptm_elsewhere_alloc(const PyThreadState *tstate, void *block, size_t size, uint64_t key)
{
    ptm_lane *lane = enter();
    if (lane != NULL) {
        ptm_event_alloc(lane, tstate, block, size, 0, key);
        leave(lane);
    }
}

void
ptm_elsewhere_realloc(const PyThreadState *tstate, ptm_taken taken, void *block, size_t size)
{
    ptm_lane *lane = enter();
    if (lane != NULL) {
        ptm_event_realloc(lane, tstate, ptm_record_still_taken(taken), block, size);
        leave(lane);
    }
}

bool
ptm_elsewhere_free(const void *block)
{
    ptm_lane *lane = ptm_blocks_get(block) != 0 ? enter() : NULL;
    if (lane == NULL) {
        return false;
    }
    uint32_t entry = ptm_blocks_take(block);
    ptm_event_left(lane, entry);
    bool died = PTM_UNLIKELY((entry & PTM_ENTRY_CODE) != 0) && ptm_event_code_died(block);
    leave(lane);
    return died;
}

static ptm_taken
take_in(ptm_lane *lane, const void *block)
{
    ptm_taken taken = {0, 0};
    if (lane != NULL) {
        taken = ptm_event_take(block);
        leave(lane);
    }
    return taken;
}

ptm_taken
ptm_elsewhere_take(const void *block)
{
    return take_in(ptm_blocks_get(block) != 0 ? enter() : NULL, block);
}

void
ptm_elsewhere_object(const PyThreadState *tstate, const PyObject *object, uint64_t key)
{
    ptm_lane *lane = enter();
    if (lane != NULL) {
        ptm_event_object(lane, tstate, object, key);
        leave(lane);
    }
}

/* -- the raw domain ---------------------------------------------------------------------------- */

const PyThreadState *
ptm_elsewhere_tstate(void)
{
    const PyThreadState *tstate =
        ptm_record_is_leaving() ? ptm_tstate_if_attached() : ptm_tstate_of_thread();
    if (tstate != NULL && !ptm_tstate_in_lane(tstate, ptm_recording.main_interp)) {
        ptm_lanes_see_others();
    }
    return tstate;
}

void *
ptm_record_raw_alloc(void *block, size_t size)
{
    ptm_lane *lane = block != NULL ? enter_for_raw() : NULL;
    if (lane != NULL) {
        ptm_event_alloc(lane, ptm_elsewhere_tstate(), block, size, 0, 0);
        leave(lane);
    }
    return block;
}

void
ptm_record_raw_realloc(ptm_taken taken, void *block, size_t size)
{
    ptm_lane *lane = enter_for_raw();
    if (lane != NULL) {
        ptm_event_realloc(lane, ptm_elsewhere_tstate(), ptm_record_still_taken(taken), block, size);
        leave(lane);
    }
}

void
ptm_record_raw_free(const void *block)
{
    ptm_lane *lane = ptm_blocks_get(block) != 0 ? enter_for_raw() : NULL;
    if (lane != NULL) {
        ptm_event_left_unheard(lane, ptm_blocks_take(block), block);
        leave(lane);
    }
}

ptm_taken
ptm_record_raw_take(const void *block)
{
    return take_in(ptm_blocks_get(block) != 0 ? enter_for_raw() : NULL, block);
}

/* The block is where it was. */
void
ptm_record_realloc_failed(ptm_taken taken, const void *block)
{
    uint32_t old;
    ptm_lane *lane = taken.entry != 0 ? enter_for_raw() : NULL;
    if (lane != NULL) {
        if (ptm_record_still_taken(taken) != 0) {
            (void)ptm_blocks_put(block, taken.entry, &old);
        }
        leave(lane);
    }
}
