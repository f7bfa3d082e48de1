/* SPDX-License-Identifier: MIT
 *
 * ptm_quick - the quick way of the main lane: what nearly every event needs and nothing else, to
 * stand in the hook itself.
 *
 * How       Whatever is unusual (a window of more than one frame, or not among the recent ones; an
 *           interpreter beside the main one; a full journal; a code object; an address that is not
 *           in the shadow) is answered with false, nothing has changed then, and the event goes the
 *           whole way (ptm_record). So a quick way calls nothing, and the compiler keeps nothing
 *           for after a call. Longer windows are often new: they would be walked twice.
 * Threads   as the main events of ptm_record
 * Failure   none
 */
#ifndef PTM_QUICK_H
#define PTM_QUICK_H

#include "pyver/ptm_newref.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_find.h"
#include "trace/ptm_journal.h"

/* NULL: it is not told here. */
static PTM_ALWAYS_INLINE const PyThreadState *
ptm_quick_tstate(void)
{
    bool alone = !PTM_LOAD(&ptm_recording.other_interps);
    return PTM_LIKELY(alone) ? ptm_tstate_main(ptm_recording.main_interp) : NULL;
}

/* Of the most recent frame. 0: not here. */
static PTM_ALWAYS_INLINE ptm_site_id
ptm_quick_site(const PyThreadState *tstate, size_t size)
{
    ptm_window window = ptm_walk_hash(tstate, 1, PTM_WALK_TRUST);
    return ptm_find_recent(PTM_LANE_MAIN, ptm_walk_key(window, size));
}

static PTM_ALWAYS_INLINE bool
ptm_quick_alloc(const void *block, size_t size)
{
    const PyThreadState *tstate;
    uint32_t *slot;
    if (PTM_UNLIKELY(ptm_recording.limit != 1) || PTM_UNLIKELY(block == NULL)
        || PTM_UNLIKELY((tstate = ptm_quick_tstate()) == NULL)
        || PTM_UNLIKELY((slot = ptm_blocks_expect(block)) == NULL)) {
        return false;
    }
    ptm_site_id id = ptm_quick_site(tstate, size);
    if (PTM_UNLIKELY(id == 0) || PTM_UNLIKELY(ptm_journal_is_full()) || PTM_UNLIKELY(*slot != 0)) {
        return false;
    }
    *slot = id;
    ptm_journal_write(id);
    ptm_newest = (ptm_newest_block){(uintptr_t)block, size};
    return true;
}

static PTM_ALWAYS_INLINE bool
ptm_quick_free(const void *block)
{
    if (PTM_UNLIKELY(PTM_LOAD(&ptm_recording.other_interps))
        || PTM_UNLIKELY(!ptm_shadow_takes((uintptr_t)block))) {
        return false;
    }
    uint32_t *slot = ptm_shadow_peek((uintptr_t)block);
    uint32_t entry = PTM_LIKELY(slot != NULL) ? *slot : 0;
    if (entry == 0) {
        return true; /* not traced */
    }
    if (PTM_UNLIKELY(entry & PTM_ENTRY_CODE) || PTM_UNLIKELY(ptm_journal_is_full())) {
        return false;
    }
    *slot = 0;
    ptm_journal_write(entry | PTM_EVENT_LEFT);
    return true;
}

/* The old entry is another one or not: that cannot be foretold, so the same is written for both. */
static PTM_ALWAYS_INLINE bool
ptm_quick_object(const PyObject *object)
{
    const PyThreadState *tstate;
    uint32_t *slot;
    if (PTM_UNLIKELY(ptm_recording.limit != 1)
        || PTM_UNLIKELY((tstate = ptm_quick_tstate()) == NULL)
        || PTM_UNLIKELY((slot = ptm_blocks_expect(ptm_object_block(object))) == NULL)) {
        return false;
    }
    uint32_t entry = *slot;
    if (PTM_UNLIKELY(entry == 0)) {
        return true; /* not traced */
    }
    size_t bytes = ptm_object_bytes(object);
    ptm_site_id id = ptm_quick_site(tstate, bytes);
    if (PTM_UNLIKELY(bytes == 0) || PTM_UNLIKELY(id == 0) || PTM_UNLIKELY(entry & PTM_ENTRY_CODE)
        || PTM_UNLIKELY(ptm_journal_is_full())) {
        return false;
    }
    *slot = id;
    ptm_journal_write(entry | PTM_EVENT_LEFT);
    ptm_journal_add(id);
    return true;
}

#endif
