/* SPDX-License-Identifier: MIT */
#include "trace/ptm_record.h"

#include "pyver/ptm_newref.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_codes.h"
#include "trace/ptm_walk.h"

ptm_record_state ptm_recording = {.limit = 1};
ptm_lock ptm_intern_lock;

#define UNKNOWN_HASH UINT64_C(0x756e6b6e6f776e00)

/* -- from a stack to a site -------------------------------------------------------------------- */

static void
mark_nodes(void)
{
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        if (ptm_site_at(id)->state != PTM_SITE_FREE) {
            ptm_stacks_mark(ptm_site_at(id)->node);
        }
    }
}

static void
bury(const ptm_site *site)
{
    ptm_stacks_bury(site->node, site->allocated, site->allocated * site->size);
}

/* Keeps what is dead in bounds. Before a window is interned: its nodes are nobody's yet. */
static void
tidy(ptm_lane_id lane)
{
    if (ptm_lanes[lane].n_young == PTM_N_YOUNG) {
        ptm_sites_sweep_young(lane, bury);
        if (ptm_lanes[lane].n_sites >= ptm_lanes[lane].sweep_at) {
            (void)ptm_sites_sweep(lane, bury);
        }
        if (ptm_stacks_want_sweep()) {
            ptm_walk_forget();
            (void)ptm_stacks_sweep(mark_nodes);
        }
    }
}

/* The site that a hash found before some code object died: it is right if the same window still
 * leads to its stack. */
static bool
is_still_right(ptm_site_id id, const ptm_site *like)
{
    ptm_site *site = ptm_site_at(id);
    if (site->depth != like->depth
        || !ptm_stacks_same(site->node, like->node, ptm_recording.limit)) {
        ptm_sites_unindex(id);
        return false;
    }
    site->code_age = like->code_age;
    return true;
}

static PTM_NOINLINE ptm_site_id
intern_site(ptm_lane_id lane, const PyThreadState *tstate, size_t size, ptm_window window,
            ptm_site_id old)
{
    ptm_walked walked;
    ptm_site_id id = 0;
    ptm_lock_take(&ptm_intern_lock);
    if (old == 0) {
        tidy(lane);
    }
    if (ptm_walk_exact(tstate, ptm_recording.limit, &walked)) {
        uint32_t depth = walked.n_whole != 0 ? walked.n_whole : window.depth;
        depth = depth < PTM_NFRAME_MAX ? depth : PTM_NFRAME_MAX;
        ptm_site like = {.hash = window.hash,
                         .size = size,
                         .node = walked.node,
                         .depth = (uint16_t)depth,
                         .code_age = PTM_LOAD(&ptm_code_age)};
        bool right = old != 0 && is_still_right(old, &like);
        id = right ? old : ptm_sites_new(lane, &like, !walked.irregular);
    }
    ptm_lock_release(&ptm_intern_lock);
    return id;
}

/* Not among the recent ones. */
static PTM_NOINLINE ptm_site_id
find_older(ptm_lane_id lane, const PyThreadState *tstate, size_t size, ptm_window window)
{
    uint32_t age = PTM_LOAD(&ptm_code_age);
    ptm_site_id id = ptm_sites_find(&ptm_lanes[lane], window.hash);
    if (id == 0 || ptm_site_at(id)->code_age != age) {
        id = intern_site(lane, tstate, size, window, id);
    }
    if (PTM_LIKELY(id != 0 && ptm_site_at(id)->state == PTM_SITE_INDEXED)) {
        *ptm_sites_recent(&ptm_lanes[lane], window.hash) = (ptm_recent){window.hash, id, age};
    }
    return id;
}

static PTM_ALWAYS_INLINE ptm_window
look_at(const PyThreadState *tstate, size_t size)
{
    if (PTM_UNLIKELY(tstate == NULL)) {
        return (ptm_window){UNKNOWN_HASH ^ size * PTM_HASH_SEED, 1};
    }
    return ptm_walk_hash(tstate, ptm_recording.limit, size);
}

/* 0: no memory. */
static PTM_ALWAYS_INLINE ptm_site_id
find_site_of(ptm_lane_id lane, const PyThreadState *tstate, size_t size, ptm_window window)
{
    const ptm_recent *recent = ptm_sites_recent(&ptm_lanes[lane], window.hash);
    if (PTM_LIKELY(recent->hash == window.hash && recent->code_age == PTM_LOAD(&ptm_code_age))
        && PTM_LIKELY(recent->site != 0)) {
        return recent->site;
    }
    return find_older(lane, tstate, size, window);
}

static PTM_ALWAYS_INLINE ptm_site_id
find_site(ptm_lane_id lane, const PyThreadState *tstate, size_t size)
{
    return find_site_of(lane, tstate, size, look_at(tstate, size));
}

/* -- books ------------------------------------------------------------------------------------- */

static PTM_NOINLINE void
count_loss(ptm_lane *lane, size_t size)
{
    lane->lost_blocks++;
    lane->lost_bytes += size;
}

static PTM_NOINLINE void
code_died(const void *block)
{
    ptm_lock_take(&ptm_intern_lock);
    ptm_codes_died(block);
    ptm_lock_release(&ptm_intern_lock);
}

/* False: tracing stopped meanwhile, and the lock is not held. */
static bool
enter_raw(void)
{
    ptm_lock_take(&ptm_lanes[PTM_LANE_RAW].lock);
    if (!ptm_recording.tracing) {
        ptm_lock_release(&ptm_lanes[PTM_LANE_RAW].lock);
        return false;
    }
    return true;
}

static void
leave_raw(void)
{
    ptm_lock_release(&ptm_lanes[PTM_LANE_RAW].lock);
}

/* The site is of the other lane. */
static PTM_NOINLINE void
leave_across(ptm_lane_id lane, ptm_site_id id)
{
    if (lane == PTM_LANE_RAW) {
        ptm_site_leave_elsewhere(id);
    }
    else if (enter_raw()) {
        ptm_site_leave(&ptm_lanes[PTM_LANE_RAW], ptm_site_at(id));
        leave_raw();
    }
}

/* Takes a block out of its site's books; the peak was judged. */
static PTM_ALWAYS_INLINE void
leave(ptm_lane_id lane, ptm_site_id id)
{
    ptm_site *site = ptm_site_at(id);
    if (PTM_LIKELY(site->lane == lane)) {
        ptm_site_leave(&ptm_lanes[lane], site);
    }
    else {
        leave_across(lane, id);
    }
}

/* The end of a block that has this entry. */
static PTM_ALWAYS_INLINE void
settle(ptm_lane_id lane, uint32_t entry, const void *block)
{
    if (PTM_UNLIKELY(entry & PTM_ENTRY_CODE)) {
        code_died(block);
    }
    if (PTM_LIKELY((entry & PTM_ENTRY_SITE) != 0)) {
        ptm_peak_fall();
        leave(lane, entry & PTM_ENTRY_SITE);
    }
}

static PTM_NOINLINE bool
put_elsewhere(void *block, ptm_site_id id, uint32_t *old)
{
    return id != 0 && ptm_blocks_put(block, id, old);
}

/* Writes the block's entry (`slot`, if it was expected). An entry that was there is of a block that
 * went unheard. */
static PTM_ALWAYS_INLINE bool
put(ptm_lane_id lane, uint32_t *slot, void *block, ptm_site_id id)
{
    uint32_t old = 0;
    if (PTM_LIKELY(slot != NULL) && PTM_LIKELY(id != 0)) {
        old = *slot;
        *slot = id;
    }
    else if (!put_elsewhere(block, id, &old)) {
        return false;
    }
    if (PTM_UNLIKELY(old != 0)) {
        settle(lane, old, block);
    }
    return true;
}

static PTM_ALWAYS_INLINE void
alloc_in(ptm_lane_id lane, const PyThreadState *tstate, void *block, size_t size)
{
    uint32_t *slot = ptm_blocks_expect(block);
    ptm_site_id id = find_site(lane, tstate, size);
    if (PTM_UNLIKELY(!put(lane, slot, block, id))) {
        count_loss(&ptm_lanes[lane], size);
        return;
    }
    ptm_lane_judge(&ptm_lanes[lane], size);
    ptm_site_enter(&ptm_lanes[lane], ptm_site_at(id));
}

/* One event: the old size leaves and the new one enters before the peak is judged. */
static PTM_ALWAYS_INLINE void
realloc_in(ptm_lane_id lane, const PyThreadState *tstate, uint32_t old, void *block, size_t size)
{
    ptm_site_id old_id = old & PTM_ENTRY_SITE;
    if (old_id == 0) {
        alloc_in(lane, tstate, block, size);
        return;
    }
    uint32_t *slot = ptm_blocks_expect(block);
    ptm_site_id id = find_site(lane, tstate, size);
    if (PTM_UNLIKELY(!put(lane, slot, block, id))) {
        count_loss(&ptm_lanes[lane], size);
        settle(lane, old_id, block);
        return;
    }
    ptm_lane_judge(&ptm_lanes[lane], size - ptm_site_at(old_id)->size);
    leave(lane, old_id);
    ptm_site_enter(&ptm_lanes[lane], ptm_site_at(id));
}

/* Whether a site is of this lane and was found by this very window. */
static PTM_ALWAYS_INLINE bool
is_of(const ptm_site *site, ptm_lane_id lane, ptm_window window)
{
    return site->hash == window.hash && site->code_age == PTM_LOAD(&ptm_code_age)
           && site->lane == lane;
}

/* A new life for a block that was not given back: nothing but the stack may be another one. */
static void
object_in(ptm_lane_id lane, const PyThreadState *tstate, const PyObject *object)
{
    const void *block = ptm_object_block(object);
    ptm_site_id old = ptm_blocks_get(block) & PTM_ENTRY_SITE;
    if (old == 0) {
        return;
    }
    size_t size = ptm_site_at(old)->size;
    ptm_window window = look_at(tstate, size);
    ptm_site_id id =
        is_of(ptm_site_at(old), lane, window) ? old : find_site_of(lane, tstate, size, window);
    if (PTM_UNLIKELY(id == 0)) {
        count_loss(&ptm_lanes[lane], 0);
        return;
    }
    ptm_peak_fall();
    leave(lane, old);
    ptm_site_enter(&ptm_lanes[lane], ptm_site_at(id));
    if (id != old) {
        ptm_blocks_move(block, id);
    }
}

/* -- the raw lane ------------------------------------------------------------------------------ */

static void
raw_alloc(const PyThreadState *tstate, void *block, size_t size)
{
    if (enter_raw()) {
        alloc_in(PTM_LANE_RAW, tstate, block, size);
        leave_raw();
    }
}

static void
raw_realloc(const PyThreadState *tstate, ptm_taken taken, void *block, size_t size)
{
    if (enter_raw()) {
        uint32_t old = taken.session == ptm_recording.session ? taken.entry : 0;
        realloc_in(PTM_LANE_RAW, tstate, old, block, size);
        leave_raw();
    }
}

void
ptm_record_raw_alloc(void *block, size_t size)
{
    raw_alloc(ptm_tstate_of_thread(), block, size);
}

void
ptm_record_raw_realloc(ptm_taken taken, void *block, size_t size)
{
    raw_realloc(ptm_tstate_of_thread(), taken, block, size);
}

void
ptm_record_raw_free(const void *block)
{
    if (ptm_blocks_get(block) != 0 && enter_raw()) {
        settle(PTM_LANE_RAW, ptm_blocks_take(block), block);
        leave_raw();
    }
}

ptm_taken
ptm_record_raw_take(const void *block)
{
    ptm_taken taken = {0, 0};
    if (ptm_blocks_get(block) != 0 && enter_raw()) {
        taken = (ptm_taken){ptm_blocks_take(block), ptm_recording.session};
        leave_raw();
    }
    return taken;
}

/* The block is where it was. */
void
ptm_record_realloc_failed(ptm_taken taken, const void *block)
{
    uint32_t old;
    if (taken.entry != 0 && enter_raw()) {
        if (taken.session == ptm_recording.session) {
            (void)ptm_blocks_put(block, taken.entry, &old);
        }
        leave_raw();
    }
}

/* -- the main lane ----------------------------------------------------------------------------- */

/* True: the event goes to the raw lane. *tstate is the calling thread's in any case. */
static PTM_NOINLINE bool
ask_thread(PyThreadState **tstate)
{
    *tstate = ptm_tstate_attached();
    if (*tstate != NULL && !ptm_tstate_in_lane(*tstate, ptm_recording.main_interp)) {
        PTM_STORE(&ptm_recording.other_interps, true);
    }
    return !ptm_tstate_in_lane(*tstate, ptm_recording.main_interp);
}

static PTM_ALWAYS_INLINE bool
is_elsewhere(PyThreadState **tstate)
{
    if (PTM_UNLIKELY(PTM_LOAD(&ptm_recording.other_interps))) {
        return ask_thread(tstate);
    }
    *tstate = ptm_tstate_main(ptm_recording.main_interp);
    return PTM_UNLIKELY(*tstate == NULL) && ask_thread(tstate);
}

/* The block last given out on this thread to an interpreter that is not the main one. */
PTM_THREAD_LOCAL uintptr_t elsewhere_block;
PTM_THREAD_LOCAL size_t elsewhere_bytes;

static PTM_NOINLINE void
remember_elsewhere(const void *block, size_t size)
{
    elsewhere_block = (uintptr_t)block;
    elsewhere_bytes = size;
}

static PTM_ALWAYS_INLINE void
remember(const void *block, size_t size)
{
    ptm_newest = (ptm_newest_block){(uintptr_t)block, size};
}

void
ptm_record_main_alloc(void *block, size_t size)
{
    PyThreadState *tstate;
    if (is_elsewhere(&tstate)) {
        raw_alloc(tstate, block, size);
        remember_elsewhere(block, size);
        return;
    }
    alloc_in(PTM_LANE_MAIN, tstate, block, size);
    remember(block, size);
}

/* Frees do not ask for the thread unless another interpreter was ever seen. */
static PTM_ALWAYS_INLINE bool
is_free_elsewhere(void)
{
    PyThreadState *tstate;
    return PTM_UNLIKELY(PTM_LOAD(&ptm_recording.other_interps)) && ask_thread(&tstate);
}

void
ptm_record_main_free(const void *block)
{
    if (is_free_elsewhere()) {
        ptm_record_raw_free(block);
        return;
    }
    uint32_t entry = ptm_blocks_take(block);
    if (PTM_LIKELY(entry != 0)) {
        settle(PTM_LANE_MAIN, entry, block);
    }
}

ptm_taken
ptm_record_main_take(const void *block)
{
    if (is_free_elsewhere()) {
        return ptm_record_raw_take(block);
    }
    return (ptm_taken){ptm_blocks_take(block), ptm_recording.session};
}

void
ptm_record_main_realloc(ptm_taken taken, void *block, size_t size)
{
    PyThreadState *tstate;
    if (is_elsewhere(&tstate)) {
        raw_realloc(tstate, taken, block, size);
        remember_elsewhere(block, size);
        return;
    }
    uint32_t old = taken.session == ptm_recording.session ? taken.entry : 0;
    realloc_in(PTM_LANE_MAIN, tstate, old, block, size);
    remember(block, size);
}

/* -- objects ----------------------------------------------------------------------------------- */

static PTM_NOINLINE void
object_elsewhere(const PyThreadState *tstate, const PyObject *object)
{
    if ((uintptr_t)object - elsewhere_block < elsewhere_bytes) {
        elsewhere_bytes = 0;
    }
    else if (enter_raw()) {
        object_in(PTM_LANE_RAW, tstate, object);
        leave_raw();
    }
}

void
ptm_record_object(PyObject *object)
{
    if (!ptm_recording.tracing) {
        return;
    }
    PyThreadState *tstate;
    if (!is_elsewhere(&tstate)) {
        object_in(PTM_LANE_MAIN, tstate, object);
    }
    else {
        object_elsewhere(tstate, object);
    }
}

ptm_site_id
ptm_record_find_object(const PyObject *object)
{
    return ptm_blocks_get(ptm_object_block(object)) & PTM_ENTRY_SITE;
}
