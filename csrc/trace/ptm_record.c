/* SPDX-License-Identifier: MIT */
#include "trace/ptm_record.h"

#include "pyver/ptm_newref.h"
#include "trace/ptm_codes.h"
#include "trace/ptm_elsewhere.h"
#include "trace/ptm_event.h"
#include "trace/ptm_parked.h"
#include "trace/ptm_quick.h"

ptm_record_state ptm_recording = {.limit = 1};
ptm_lock ptm_intern_lock;

/* -- what is rare ------------------------------------------------------------------------------ */

PTM_NOINLINE void
ptm_event_loss(ptm_lane *lane, size_t size)
{
    PTM_STORE(&lane->lost_blocks, lane->lost_blocks + 1);
    PTM_STORE(&lane->lost_bytes, lane->lost_bytes + size);
}

PTM_NOINLINE bool
ptm_event_code_died(const void *block)
{
    ptm_lock_take(&ptm_intern_lock);
    bool known = ptm_codes_died(block);
    ptm_lock_release(&ptm_intern_lock);
    return known;
}

void
ptm_event_code_died_at_once(const void *block)
{
    if (ptm_event_code_died(block)) {
        ptm_parked_raise_age();
    }
}

/* -- whose event is it? ------------------------------------------------------------------------ */

#ifdef PTM_FREE_THREADED

/* True: not the main lane's. *tstate is the calling thread's in any case. */
static PTM_ALWAYS_INLINE bool
is_elsewhere(PyThreadState **tstate)
{
    *tstate = ptm_tstate_attached();
    return true;
}

static PTM_ALWAYS_INLINE bool
is_free_elsewhere(void)
{
    return true;
}

#else

static PTM_NOINLINE bool
ask_thread(PyThreadState **tstate)
{
    *tstate = ptm_tstate_attached();
    bool ours = ptm_tstate_in_lane(*tstate, ptm_recording.main_interp);
    if (*tstate != NULL && !ours) {
        ptm_lanes_see_others();
    }
    return !ours;
}

static PTM_ALWAYS_INLINE bool
is_elsewhere(PyThreadState **tstate)
{
    if (PTM_UNLIKELY(ptm_lanes_seen_others())) {
        return ask_thread(tstate);
    }
    *tstate = ptm_tstate_main(ptm_recording.main_interp);
    return PTM_UNLIKELY(*tstate == NULL) && ask_thread(tstate);
}

/* Frees do not ask for the thread unless another interpreter was ever seen. */
static PTM_ALWAYS_INLINE bool
is_free_elsewhere(void)
{
    PyThreadState *tstate;
    return PTM_UNLIKELY(ptm_lanes_seen_others()) && ask_thread(&tstate);
}

#endif

static PTM_ALWAYS_INLINE void
remember(const void *block, size_t size)
{
    ptm_newest = (ptm_newest_block){(uintptr_t)block, size};
}

/* -- the main lane ----------------------------------------------------------------------------- */

PTM_NOINLINE void *
ptm_record_main_alloc(void *block, size_t size, uint32_t marks, uint64_t key)
{
    PyThreadState *tstate;
    if (PTM_UNLIKELY(block == NULL) || PTM_UNLIKELY(!PTM_LOAD(&ptm_recording.tracing))) {
        return block;
    }
    if (is_elsewhere(&tstate)) {
        ptm_elsewhere_alloc(tstate, block, size, key);
    }
    else if (PTM_LIKELY(ptm_lanes_enter(PTM_LANE_MAIN))) {
        ptm_event_alloc(PTM_LANE_MAIN, tstate, block, size, marks, key);
        ptm_lanes_leave(PTM_LANE_MAIN);
    }
    remember(block, size);
    return block;
}

#ifdef PTM_FREE_THREADED
static PTM_ALWAYS_INLINE uint32_t
free_elsewhere(const void *block)
{
    return ptm_elsewhere_free(block) ? PTM_ENTRY_CODE : 0;
}
#else
/* Another interpreter's blocks are its own, and are not parked with those of the main one. */
static uint32_t
free_elsewhere(const void *block)
{
    if (ptm_elsewhere_free(block)) {
        ptm_parked_raise_age();
    }
    return 0;
}
#endif

uint32_t
ptm_record_main_free(const void *block)
{
    if (PTM_UNLIKELY(!PTM_LOAD(&ptm_recording.tracing))) {
        return 0;
    }
    if (is_free_elsewhere()) {
        return free_elsewhere(block);
    }
    if (PTM_UNLIKELY(!ptm_lanes_enter(PTM_LANE_MAIN))) {
        return 0;
    }
    uint32_t entry = ptm_blocks_take(block);
    ptm_event_left(PTM_LANE_MAIN, entry);
    bool died = PTM_UNLIKELY((entry & PTM_ENTRY_CODE) != 0) && ptm_event_code_died(block);
    ptm_lanes_leave(PTM_LANE_MAIN);
    return died ? entry : entry & ~PTM_ENTRY_CODE;
}

/* In the lane, which keeps everybody out who clears. */
PTM_NOINLINE void
ptm_record_begin_pool(const void *block)
{
    if (ptm_lanes_enter(PTM_LANE_MAIN)) {
        ptm_shadow_begin_pool((uintptr_t)block, ptm_pools_block_bytes(block));
        ptm_lanes_leave(PTM_LANE_MAIN);
    }
}

PTM_NOINLINE void
ptm_record_end_pool(const void *block)
{
    if (ptm_lanes_enter(PTM_LANE_MAIN)) {
        ptm_shadow_end_pool((uintptr_t)block);
        ptm_lanes_leave(PTM_LANE_MAIN);
    }
}

ptm_taken
ptm_record_main_take(const void *block)
{
    ptm_taken taken = {0, 0};
    if (is_free_elsewhere()) {
        return ptm_elsewhere_take(block);
    }
    if (PTM_LIKELY(ptm_lanes_enter(PTM_LANE_MAIN))) {
        taken = ptm_event_take(block);
        ptm_lanes_leave(PTM_LANE_MAIN);
    }
    return taken;
}

static PTM_NOINLINE void
realloc_whole_way(ptm_taken taken, void *block, size_t size)
{
    PyThreadState *tstate;
    if (is_elsewhere(&tstate)) {
        ptm_elsewhere_realloc(tstate, taken, block, size);
    }
    else if (PTM_LIKELY(ptm_lanes_enter(PTM_LANE_MAIN))) {
        ptm_event_realloc(PTM_LANE_MAIN, tstate, ptm_record_still_taken(taken), block, size);
        ptm_lanes_leave(PTM_LANE_MAIN);
    }
    remember(block, size);
}

void
ptm_record_main_realloc(ptm_taken taken, void *block, size_t size)
{
    if (PTM_UNLIKELY(!ptm_quick_realloc(taken, block, size))) {
        realloc_whole_way(taken, block, size);
    }
}

/* -- objects ----------------------------------------------------------------------------------- */

static PTM_NOINLINE int
object_whole_way(PyObject *object, uint64_t key)
{
    PyThreadState *tstate;
    if (PTM_UNLIKELY(!PTM_LOAD(&ptm_recording.tracing))) {
        return 0;
    }
    if (is_elsewhere(&tstate)) {
        ptm_elsewhere_object(tstate, object, key);
    }
    else if (PTM_LIKELY(ptm_lanes_enter(PTM_LANE_MAIN))) {
        ptm_event_object(PTM_LANE_MAIN, tstate, object, key);
        ptm_lanes_leave(PTM_LANE_MAIN);
    }
    return 0;
}

static PTM_NOINLINE int
object_deep(PyObject *object, uint64_t key)
{
    bool done = key == 0 && PTM_LIKELY(ptm_quick_object(object, PTM_GATE_DEEP, &key));
    return done ? 0 : object_whole_way(object, key);
}

int
ptm_record_object(PyObject *object)
{
    uint64_t key = 0;
    return PTM_LIKELY(ptm_quick_object(object, 0, &key)) ? 0 : object_deep(object, key);
}
