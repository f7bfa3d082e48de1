/* SPDX-License-Identifier: MIT
 *
 * ptm_quick - the quick way of an attached thread: what nearly every event needs and nothing else,
 * to stand in the hook itself.
 *
 * How       Whatever is unusual (a window that is not the one met last in its place; an interpreter
 *           beside the main one; a closed gate; a full journal; a code object; an address that is
 *           not in the shadow; an object of a type that is not listed) is answered with false,
 *           nothing is recorded then, and the event goes the whole way (ptm_record). It takes the
 *           key with it, so that no window is walked twice. So a quick way calls nothing, and the
 *           compiler keeps nothing for after a call.
 * Which     `deep` 0: windows of one frame, and the loop is none; PTM_GATE_DEEP: of any length
 * Threads   as the main events of ptm_record
 * Failure   none
 */
#ifndef PTM_QUICK_H
#define PTM_QUICK_H

#include "pyver/ptm_listed.h"
#include "pyver/ptm_newref.h"
#include "pyver/ptm_pool.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_find.h"
#include "trace/ptm_journal.h"

#ifdef PTM_FREE_THREADED

/* The lane the calling thread's events go to, entered, whatever of DEEP is up; NULL: it is not told
 * here. */
static PTM_ALWAYS_INLINE ptm_lane *
ptm_quick_enter(uint32_t deep)
{
    ptm_lane *lane = ptm_my_lane;
    bool enters =
        PTM_LIKELY(lane != NULL) && PTM_LIKELY(ptm_lanes_try(lane, PTM_GATE_OTHERS | deep));
    return enters ? lane : NULL;
}

static PTM_ALWAYS_INLINE bool
ptm_quick_is_open(uint32_t deep)
{
    return (PTM_LOAD(&ptm_gate) & ~(PTM_GATE_OTHERS | deep)) == 0;
}

/* NULL: it is not told here. */
static PTM_ALWAYS_INLINE const PyThreadState *
ptm_quick_tstate(void)
{
    return ptm_tstate_attached();
}

static PTM_ALWAYS_INLINE bool
ptm_quick_may_free(void)
{
    return true;
}

static PTM_ALWAYS_INLINE bool
ptm_quick_takes(size_t size)
{
    return size <= PTM_LARGE_BYTES;
}

#else

static PTM_ALWAYS_INLINE ptm_lane *
ptm_quick_enter(uint32_t deep)
{
    return PTM_LIKELY(ptm_lanes_try(PTM_LANE_MAIN, deep)) ? PTM_LANE_MAIN : NULL;
}

/* Asked before the lane is entered, which asks again: where there are other interpreters, the state
 * that the GIL's word names may have been freed. */
static PTM_ALWAYS_INLINE bool
ptm_quick_is_open(uint32_t deep)
{
    return (PTM_LOAD(&ptm_gate) & ~deep) == 0;
}

static PTM_ALWAYS_INLINE const PyThreadState *
ptm_quick_tstate(void)
{
    return ptm_tstate_main(ptm_recording.main_interp);
}

/* A free does not ask for its thread. One of another interpreter may not even look into the main
 * lane: by saying that it leaves, it would say so for the writer who is in. While nothing is traced
 * nobody says that others have been seen. */
static PTM_ALWAYS_INLINE bool
ptm_quick_may_free(void)
{
    return (PTM_LOAD(&ptm_gate) & (PTM_GATE_OTHERS | PTM_GATE_OFF)) == 0;
}

static PTM_ALWAYS_INLINE bool
ptm_quick_takes(size_t size)
{
    (void)size;
    return true;
}

#endif

_Static_assert(PTM_EVENT_SITE == PTM_ENTRY_SITE, "an entry is written to a journal as it is");

/* A traced block's entry, of which no more need be known. */
static PTM_ALWAYS_INLINE bool
ptm_quick_is_site(uint32_t entry)
{
    return entry - 1 < (PTM_ENTRY_POOLED | PTM_ENTRY_SITE);
}

/* 0: not here. */
static PTM_ALWAYS_INLINE ptm_site_id
ptm_quick_site(ptm_lane *lane, const PyThreadState *tstate, size_t size, uint32_t deep,
               uint64_t *key)
{
    uint32_t limit = deep ? PTM_LOAD(&ptm_recording.limit) : 1;
    *key = ptm_walk_key(ptm_walk_hash(tstate, limit, PTM_WALK_TRUST), size);
    return ptm_recent_first(&lane->recents, *key);
}

static PTM_ALWAYS_INLINE bool
ptm_quick_put_in(ptm_lane *lane, const PyThreadState *tstate, const void *block, size_t size,
                 uint32_t marks, uint32_t deep, uint64_t *key)
{
    uint32_t *slot = ptm_blocks_expect_new(block, size, marks);
    if (PTM_UNLIKELY(slot == NULL)) {
        return false;
    }
    ptm_site_id id = ptm_quick_site(lane, tstate, size, deep, key);
    if (PTM_UNLIKELY(id == 0) || PTM_UNLIKELY(ptm_journal_is_full(lane))
        || PTM_UNLIKELY(PTM_LOAD_ACQUIRE(slot) != 0)) {
        return false;
    }
    PTM_STORE_RELEASE(slot, id | marks);
    ptm_journal_write(lane, id);
    return true;
}

static PTM_ALWAYS_INLINE bool
ptm_quick_put(const PyThreadState *tstate, const void *block, size_t size, uint32_t marks,
              uint32_t deep, uint64_t *key)
{
    ptm_lane *lane = ptm_quick_enter(deep);
    if (PTM_UNLIKELY(lane == NULL)) {
        return false;
    }
    bool done = ptm_quick_put_in(lane, tstate, block, size, marks, deep, key);
    ptm_lanes_leave(lane);
    if (PTM_LIKELY(done)) {
        ptm_newest = (ptm_newest_block){(uintptr_t)block, size};
    }
    return done;
}

/* *key is written if the answer is false and the window was walked. */
static PTM_ALWAYS_INLINE bool
ptm_quick_alloc(const void *block, size_t size, uint32_t deep, uint64_t *key)
{
    const PyThreadState *tstate;
    return PTM_LIKELY(ptm_quick_is_open(deep)) && PTM_LIKELY(block != NULL)
           && PTM_LIKELY(ptm_quick_takes(size)) && PTM_LIKELY((tstate = ptm_quick_tstate()) != NULL)
           && ptm_quick_put(tstate, block, size, 0, deep, key);
}

/* Before the real realloc. False: nothing was taken. */
static PTM_ALWAYS_INLINE bool
ptm_quick_take_in(const void *block, ptm_taken *taken)
{
    uint32_t *slot = ptm_blocks_expect(block);
    uint32_t entry = PTM_LIKELY(slot != NULL) ? PTM_LOAD_ACQUIRE(slot) : 0;
    if (PTM_UNLIKELY(!ptm_quick_is_site(entry))) {
        return false;
    }
    PTM_STORE(slot, 0u);
    *taken = (ptm_taken){entry, ptm_recording.session};
    return true;
}

static PTM_ALWAYS_INLINE bool
ptm_quick_take(const void *block, ptm_taken *taken)
{
    ptm_lane *lane;
    if (PTM_UNLIKELY(!ptm_quick_may_free())
        || PTM_UNLIKELY((lane = ptm_quick_enter(PTM_GATE_DEEP)) == NULL)) {
        return false;
    }
    bool done = ptm_quick_take_in(block, taken);
    ptm_lanes_leave(lane);
    return done;
}

static PTM_ALWAYS_INLINE bool
ptm_quick_realloc_in(ptm_lane *lane, const PyThreadState *tstate, uint32_t old, const void *block,
                     size_t size)
{
    uint64_t key;
    uint32_t *slot = ptm_blocks_expect_new(block, size, old);
    if (PTM_UNLIKELY(slot == NULL) || PTM_UNLIKELY(!ptm_quick_is_site(old))
        || PTM_UNLIKELY(!ptm_journal_takes_two(lane))
        || PTM_UNLIKELY(PTM_LOAD_ACQUIRE(slot) != 0)) {
        return false;
    }
    ptm_site_id id = ptm_quick_site(lane, tstate, size, PTM_GATE_DEEP, &key);
    if (PTM_UNLIKELY(id == 0)) {
        return false;
    }
    PTM_STORE_RELEASE(slot, id | (old & PTM_ENTRY_POOLED));
    ptm_journal_write_two(lane, old | PTM_EVENT_LEFT, id);
    return true;
}

static PTM_ALWAYS_INLINE bool
ptm_quick_realloc(ptm_taken taken, const void *block, size_t size)
{
    const PyThreadState *tstate;
    ptm_lane *lane;
    if (PTM_UNLIKELY(!ptm_quick_is_open(PTM_GATE_DEEP)) || PTM_UNLIKELY(!ptm_quick_takes(size))
        || PTM_UNLIKELY((tstate = ptm_quick_tstate()) == NULL)
        || PTM_UNLIKELY((lane = ptm_quick_enter(PTM_GATE_DEEP)) == NULL)) {
        return false;
    }
    bool done = ptm_quick_realloc_in(lane, tstate, ptm_record_still_taken(taken), block, size);
    ptm_lanes_leave(lane);
    if (PTM_LIKELY(done)) {
        ptm_newest = (ptm_newest_block){(uintptr_t)block, size};
    }
    return done;
}

#ifdef PTM_HAS_POOLS

/* The allocator's own part as well: if the answer is false, that alone was done unless *block is
 * NULL. */
static PTM_ALWAYS_INLINE bool
ptm_quick_malloc(size_t size, void **block, uint64_t *key)
{
    const PyThreadState *tstate;
    return PTM_LIKELY(ptm_quick_is_open(0)) && PTM_LIKELY((tstate = ptm_quick_tstate()) != NULL)
           && PTM_LIKELY((*block = ptm_pools_take_quick(size)) != NULL)
           && ptm_quick_put(tstate, *block, size, PTM_ENTRY_POOLED, 0, key);
}

#endif

/* What an event of a quick way did. */
typedef enum {
    PTM_QUICK_NO,   /* nothing */
    PTM_QUICK_YES,  /* all but what the allocator does */
    PTM_QUICK_LAST, /* the same, and its pool ends with it */
    PTM_QUICK_ALL
} ptm_quick_done;

static PTM_ALWAYS_INLINE bool
ptm_quick_free_in(ptm_lane *lane, const void *block, uint32_t *entry)
{
    uint32_t *slot = ptm_shadow_peek((uintptr_t)block);
    *entry = 0;
    if (PTM_UNLIKELY(slot == NULL)) {
        return ptm_shadow_takes((uintptr_t)block); /* not traced; else the blockmap knows */
    }
    *entry = PTM_LOAD_ACQUIRE(slot);
    if (PTM_UNLIKELY(!ptm_quick_is_site(*entry)) || PTM_UNLIKELY(ptm_journal_is_full(lane))) {
        return *entry == 0; /* not traced */
    }
    PTM_STORE(slot, 0u);
    ptm_journal_write(lane, *entry | PTM_EVENT_LEFT);
    return true;
}

static PTM_ALWAYS_INLINE ptm_quick_done
ptm_quick_free(void *block)
{
    ptm_lane *lane;
    if (PTM_UNLIKELY((uintptr_t)block % PTM_SHADOW_GRANULE != 0)
        || PTM_UNLIKELY(!ptm_quick_may_free())
        || PTM_UNLIKELY((lane = ptm_quick_enter(PTM_GATE_DEEP)) == NULL)) {
        return PTM_QUICK_NO;
    }
    uint32_t entry;
    bool done = ptm_quick_free_in(lane, block, &entry);
    ptm_lanes_leave(lane);
    if (PTM_UNLIKELY(!done)) {
        return PTM_QUICK_NO;
    }
    if (PTM_UNLIKELY(!(entry & PTM_ENTRY_POOLED))) {
        return PTM_QUICK_YES;
    }
    return PTM_LIKELY(ptm_pools_give(block)) ? PTM_QUICK_ALL : PTM_QUICK_LAST;
}

/* The old entry is another one or not: that cannot be foretold, so the same is written for both. */
static PTM_ALWAYS_INLINE bool
ptm_quick_object_in(ptm_lane *lane, const PyThreadState *tstate, const void *block, size_t bytes,
                    uint32_t deep, uint64_t *key)
{
    uint32_t *slot = ptm_blocks_expect(block);
    if (PTM_UNLIKELY(slot == NULL)) {
        return false;
    }
    uint32_t entry = PTM_LOAD_ACQUIRE(slot);
    if (PTM_UNLIKELY(!ptm_quick_is_site(entry)) || PTM_UNLIKELY(!ptm_journal_takes_two(lane))) {
        return entry == 0; /* not traced */
    }
    size_t size = PTM_LIKELY(bytes != 0) ? bytes : ptm_site_at(entry & PTM_ENTRY_SITE)->size;
    ptm_site_id id = ptm_quick_site(lane, tstate, size, deep, key);
    bool renewed = id == (entry & PTM_ENTRY_SITE);
    if (PTM_UNLIKELY(id == 0) || PTM_UNLIKELY(!ptm_recent_renew(&lane->recents, *key, renewed))) {
        return false;
    }
    PTM_STORE_RELEASE(slot, (entry & PTM_ENTRY_POOLED) | id);
    ptm_journal_write_two_if(lane, !renewed, entry | PTM_EVENT_LEFT, id);
    return true;
}

static PTM_ALWAYS_INLINE bool
ptm_quick_object(const PyObject *object, uint32_t deep, uint64_t *key)
{
    const ptm_listed_type *listed = ptm_listed_of(object);
    const PyThreadState *tstate;
    ptm_lane *lane;
    if (PTM_UNLIKELY(!ptm_quick_is_open(deep)) || PTM_UNLIKELY(listed == NULL)
        || PTM_UNLIKELY((tstate = ptm_quick_tstate()) == NULL)
        || PTM_UNLIKELY((lane = ptm_quick_enter(deep)) == NULL)) {
        return false;
    }
    bool done = ptm_quick_object_in(lane, tstate, ptm_listed_block(listed, object),
                                    ptm_listed_bytes(listed, object), deep, key);
    ptm_lanes_leave(lane);
    return done;
}

#endif
