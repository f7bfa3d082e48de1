/* SPDX-License-Identifier: MIT
 *
 * ptm_event - what an event does in a lane: to the block's entry, and to the journal.
 *
 * Threads   by the lane's writer, while it is in
 * Failure   what cannot be recorded is counted in the lane's losses
 */
#ifndef PTM_EVENT_H
#define PTM_EVENT_H

#include "pyver/ptm_listed.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_find.h"
#include "trace/ptm_journal.h"

/* A code object's block goes: whether it was known, and must be parked or the age rise. */
bool ptm_event_code_died(const void *block);
/* The same, and the age has risen. */
void ptm_event_code_died_at_once(const void *block);
void ptm_event_loss(ptm_lane *lane, size_t size);

static PTM_ALWAYS_INLINE void
ptm_event_book(ptm_lane *lane, uint32_t event)
{
    if (lane == PTM_LANE_RAW) {
        ptm_journal_book(event);
    }
    else {
        ptm_journal_add(lane, event);
    }
}

/* The same of a block that is large if so it says. */
static PTM_ALWAYS_INLINE void
ptm_event_book_marked(ptm_lane *lane, uint32_t marks, uint32_t event)
{
    ptm_event_book(lane, event);
    if (PTM_UNLIKELY(marks & PTM_ENTRY_LARGE) && lane != PTM_LANE_RAW) {
        ptm_journal_flush(lane);
    }
}

/* Of a block that comes in a thread's lane. */
static PTM_ALWAYS_INLINE uint32_t
ptm_event_marks(const ptm_lane *lane, size_t size)
{
    bool large = lane != PTM_LANE_MAIN && lane != PTM_LANE_RAW && size > PTM_LARGE_BYTES;
    return large ? PTM_ENTRY_LARGE : 0;
}

/* The end of a block that has this entry; its code object was seen to. */
static PTM_ALWAYS_INLINE void
ptm_event_left(ptm_lane *lane, uint32_t entry)
{
    if (PTM_LIKELY((entry & PTM_ENTRY_SITE) != 0)) {
        ptm_event_book_marked(lane, entry, (entry & PTM_ENTRY_SITE) | PTM_EVENT_LEFT);
    }
}

/* The end of a block that went unheard, and had this entry. */
static PTM_NOINLINE void
ptm_event_left_unheard(ptm_lane *lane, uint32_t entry, const void *block)
{
    if ((entry & PTM_ENTRY_CODE) != 0) {
        ptm_event_code_died_at_once(block);
    }
    ptm_event_left(lane, entry);
}

/* Writes the block's entry (`slot`, if it was expected). */
static PTM_ALWAYS_INLINE bool
ptm_event_put(ptm_lane *lane, uint32_t *slot, void *block, uint32_t entry)
{
    uint32_t old = 0;
    if (PTM_LIKELY(slot != NULL)) {
        old = PTM_LOAD_ACQUIRE(slot);
        PTM_STORE_RELEASE(slot, entry);
    }
    else if (!ptm_blocks_put(block, entry, &old)) {
        return false;
    }
    if (PTM_UNLIKELY(old != 0)) {
        ptm_event_left_unheard(lane, old, block);
    }
    return true;
}

static PTM_ALWAYS_INLINE void
ptm_event_alloc(ptm_lane *lane, const PyThreadState *tstate, void *block, size_t size,
                uint32_t marks, uint64_t key)
{
    uint32_t *slot = ptm_blocks_expect_new(block, size, marks);
    ptm_site_id id = ptm_find_site(lane, tstate, size, key);
    marks |= ptm_event_marks(lane, size);
    if (PTM_LIKELY(id != 0) && PTM_LIKELY(ptm_event_put(lane, slot, block, id | marks))) {
        ptm_event_book_marked(lane, marks, id);
    }
    else { /* no entry, and none of before: it would be taken for this block's */
        ptm_event_left_unheard(lane, ptm_blocks_take_lost(block, marks), block);
        ptm_event_loss(lane, size);
    }
}

/* The old size leaves before the new one enters: the peak never has both. `old` is the entry, with
 * the mark of the new one. */
static PTM_ALWAYS_INLINE void
ptm_event_realloc(ptm_lane *lane, const PyThreadState *tstate, uint32_t old, void *block,
                  size_t size)
{
    ptm_event_left(lane, old);
    ptm_event_alloc(lane, tstate, block, size, old & PTM_ENTRY_POOLED, 0);
}

/* A new life for a block that was not given back: nothing but the stack may be another one. 0: it
 * is not traced, or there is no memory. */
static PTM_ALWAYS_INLINE ptm_site_id
ptm_event_reattribute(ptm_lane *lane, const PyThreadState *tstate, ptm_site_id old, size_t bytes,
                      uint64_t key)
{
    if (old == 0) {
        return 0;
    }
    size_t size = PTM_LIKELY(bytes != 0) ? bytes : ptm_site_at(old)->size;
    ptm_site_id id = ptm_find_site(lane, tstate, size, key);
    if (PTM_UNLIKELY(id == 0)) {
        ptm_event_loss(lane, 0);
        return 0;
    }
    ptm_event_book(lane, old | PTM_EVENT_LEFT);
    ptm_event_book(lane, id);
    return id;
}

static PTM_NOINLINE void
ptm_event_object_elsewhere(ptm_lane *lane, const PyThreadState *tstate, const void *block)
{
    uint32_t entry = ptm_blocks_get(block);
    ptm_site_id id = ptm_event_reattribute(lane, tstate, entry & PTM_ENTRY_SITE, 0, 0);
    if (id != 0) {
        ptm_blocks_move(block, id);
    }
}

/* Writes the entry whether it is another one or not: that cannot be foretold, and a processor that
 * guesses wrong here has waited for all of the above. */
static PTM_ALWAYS_INLINE void
ptm_event_object(ptm_lane *lane, const PyThreadState *tstate, const PyObject *object, uint64_t key)
{
    const ptm_listed_type *listed = ptm_listed_of(object);
    const void *block =
        listed != NULL ? ptm_listed_block(listed, object) : ptm_object_block(object);
    uint32_t *slot = ptm_blocks_expect(block);
    if (PTM_UNLIKELY(slot == NULL)) {
        ptm_event_object_elsewhere(lane, tstate, block);
        return;
    }
    uint32_t entry = PTM_LOAD_ACQUIRE(slot);
    size_t bytes = listed != NULL ? ptm_listed_bytes(listed, object) : 0;
    ptm_site_id id = ptm_event_reattribute(lane, tstate, entry & PTM_ENTRY_SITE, bytes, key);
    if (PTM_LIKELY(id != 0)) {
        PTM_STORE_RELEASE(slot, (entry & PTM_ENTRY_MARKS) | id);
    }
}

/* Takes the entry away before the real realloc. Code objects are not moved: a mark is one of a
 * block that went unheard. */
static PTM_ALWAYS_INLINE ptm_taken
ptm_event_take(const void *block)
{
    uint32_t entry = ptm_blocks_take(block);
    if (PTM_UNLIKELY(entry & PTM_ENTRY_CODE)) {
        ptm_event_code_died_at_once(block);
    }
    return (ptm_taken){entry & ~PTM_ENTRY_CODE, ptm_recording.session};
}

#endif
