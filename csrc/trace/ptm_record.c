/* SPDX-License-Identifier: MIT */
#include "trace/ptm_record.h"

#include "pyver/ptm_newref.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_codes.h"
#include "trace/ptm_find.h"
#include "trace/ptm_journal.h"
#include "trace/ptm_parked.h"
#include "trace/ptm_quick.h"

ptm_record_state ptm_recording = {.limit = 1};
ptm_lock ptm_intern_lock;

/* -- events ------------------------------------------------------------------------------------ */

static PTM_NOINLINE void
count_loss(ptm_lane_id lane, size_t size)
{
    ptm_lanes[lane].lost_blocks++;
    ptm_lanes[lane].lost_bytes += size;
}

static PTM_ALWAYS_INLINE void
book(ptm_lane_id lane, uint32_t event)
{
    if (lane == PTM_LANE_MAIN) {
        ptm_journal_add(event);
    }
    else {
        ptm_journal_book(event);
    }
}

/* Whether the block must be parked: the hook does so, or raises the age by itself. */
static PTM_NOINLINE bool
code_died(const void *block)
{
    ptm_lock_take(&ptm_intern_lock);
    bool known = ptm_codes_died(block);
    ptm_lock_release(&ptm_intern_lock);
    return known;
}

static PTM_NOINLINE void
code_died_at_once(const void *block)
{
    if (code_died(block)) {
        ptm_parked_raise_age();
    }
}

static PTM_ALWAYS_INLINE void
settle_site(ptm_lane_id lane, ptm_site_id id)
{
    if (PTM_LIKELY(id != 0)) {
        book(lane, id | PTM_EVENT_LEFT);
    }
}

/* The end of a block that has this entry. */
static PTM_ALWAYS_INLINE void
settle(ptm_lane_id lane, uint32_t entry, const void *block)
{
    if (PTM_UNLIKELY(entry & PTM_ENTRY_CODE)) {
        code_died_at_once(block);
    }
    settle_site(lane, entry & PTM_ENTRY_SITE);
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
    uint32_t old;
    if (PTM_LIKELY(slot != NULL) && PTM_LIKELY(id != 0)) {
        old = *slot;
        *slot = id;
    }
    else {
        uint32_t other = 0;
        if (!put_elsewhere(block, id, &other)) {
            return false;
        }
        old = other;
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
    ptm_site_id id = ptm_find_site(lane, tstate, size);
    if (PTM_LIKELY(put(lane, slot, block, id))) {
        book(lane, id);
    }
    else {
        count_loss(lane, size);
    }
}

/* The old size leaves before the new one enters: the peak never has both. */
static PTM_ALWAYS_INLINE void
realloc_in(ptm_lane_id lane, const PyThreadState *tstate, ptm_site_id old, void *block, size_t size)
{
    settle_site(lane, old);
    alloc_in(lane, tstate, block, size);
}

/* A new life for a block that was not given back: nothing but the stack may be another one. 0: it
 * is not traced, or there is no memory. */
static PTM_ALWAYS_INLINE ptm_site_id
reattribute(ptm_lane_id lane, const PyThreadState *tstate, ptm_site_id old, size_t bytes)
{
    if (old == 0) {
        return 0;
    }
    ptm_site_id id =
        ptm_find_site(lane, tstate, PTM_LIKELY(bytes != 0) ? bytes : ptm_site_at(old)->size);
    if (PTM_UNLIKELY(id == 0)) {
        count_loss(lane, 0);
        return 0;
    }
    book(lane, old | PTM_EVENT_LEFT);
    book(lane, id);
    return id;
}

static PTM_NOINLINE void
object_elsewhere_in(ptm_lane_id lane, const PyThreadState *tstate, const void *block)
{
    uint32_t entry = ptm_blocks_get(block);
    ptm_site_id id = reattribute(lane, tstate, entry & PTM_ENTRY_SITE, 0);
    if (id != 0) {
        ptm_blocks_move(block, id);
    }
}

/* Writes the entry whether it is another one or not: that cannot be foretold, and a processor that
 * guesses wrong here has waited for all of the above. */
static PTM_ALWAYS_INLINE void
object_in(ptm_lane_id lane, const PyThreadState *tstate, const PyObject *object)
{
    const void *block = ptm_object_block(object);
    uint32_t *slot = ptm_blocks_expect(block);
    if (PTM_UNLIKELY(slot == NULL)) {
        object_elsewhere_in(lane, tstate, block);
        return;
    }
    uint32_t entry = *slot;
    ptm_site_id id = reattribute(lane, tstate, entry & PTM_ENTRY_SITE, ptm_object_bytes(object));
    if (PTM_LIKELY(id != 0)) {
        *slot = (entry & PTM_ENTRY_CODE) | id;
    }
}

/* -- the raw lane ------------------------------------------------------------------------------ */

/* False: tracing stopped meanwhile, and the lock is not held. */
static bool
enter_raw(void)
{
    ptm_lock_take(&ptm_books_lock);
    if (!ptm_recording.tracing) {
        ptm_lock_release(&ptm_books_lock);
        return false;
    }
    return true;
}

static void
leave_raw(void)
{
    ptm_lock_release(&ptm_books_lock);
}

/* Under the lock, so that who sets `leaving` waits for those who read frames. */
static const PyThreadState *
tstate_of_thread(void)
{
    const PyThreadState *tstate =
        ptm_record_is_leaving() ? ptm_tstate_if_attached() : ptm_tstate_of_thread();
    if (tstate != NULL && !ptm_tstate_in_lane(tstate, ptm_recording.main_interp)) {
        PTM_STORE(&ptm_recording.other_interps, true);
    }
    return tstate;
}

bool
ptm_record_enter_raw(void)
{
    return enter_raw();
}

void
ptm_record_leave_raw(void)
{
    leave_raw();
}

const PyThreadState *
ptm_record_tstate(void)
{
    return tstate_of_thread();
}

/* An event of another interpreter's thread. */
static void
raw_alloc(const PyThreadState *tstate, void *block, size_t size)
{
    if (enter_raw()) {
        alloc_in(PTM_LANE_RAW, tstate, block, size);
        leave_raw();
    }
}

/* What was taken, unless tracing began anew since. */
static ptm_site_id
still_taken(ptm_taken taken)
{
    return taken.session == ptm_recording.session ? taken.site : 0;
}

static void
raw_realloc(const PyThreadState *tstate, ptm_taken taken, void *block, size_t size)
{
    if (enter_raw()) {
        realloc_in(PTM_LANE_RAW, tstate, still_taken(taken), block, size);
        leave_raw();
    }
}

void *
ptm_record_raw_alloc(void *block, size_t size)
{
    if (block != NULL && enter_raw()) {
        alloc_in(PTM_LANE_RAW, tstate_of_thread(), block, size);
        leave_raw();
    }
    return block;
}

void
ptm_record_raw_realloc(ptm_taken taken, void *block, size_t size)
{
    if (enter_raw()) {
        realloc_in(PTM_LANE_RAW, tstate_of_thread(), still_taken(taken), block, size);
        leave_raw();
    }
}

void
ptm_record_raw_free(const void *block)
{
    if (ptm_blocks_get(block) != 0 && enter_raw()) {
        settle(PTM_LANE_RAW, ptm_blocks_take(block), block);
        leave_raw();
    }
}

/* Code objects are not moved: a mark is one of a block that went unheard. */
static PTM_ALWAYS_INLINE ptm_taken
take(const void *block)
{
    uint32_t entry = ptm_blocks_take(block);
    if (PTM_UNLIKELY(entry & PTM_ENTRY_CODE)) {
        code_died_at_once(block);
    }
    return (ptm_taken){entry & PTM_ENTRY_SITE, ptm_recording.session};
}

ptm_taken
ptm_record_raw_take(const void *block)
{
    ptm_taken taken = {0, 0};
    if (ptm_blocks_get(block) != 0 && enter_raw()) {
        taken = take(block);
        leave_raw();
    }
    return taken;
}

/* The block is where it was. */
void
ptm_record_realloc_failed(ptm_taken taken, const void *block)
{
    uint32_t old;
    if (taken.site != 0 && enter_raw()) {
        if (taken.session == ptm_recording.session) {
            (void)ptm_blocks_put(block, taken.site, &old);
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

void *
ptm_record_main_alloc(void *block, size_t size)
{
    PyThreadState *tstate;
    if (PTM_UNLIKELY(block == NULL)) {
        return NULL;
    }
    if (is_elsewhere(&tstate)) {
        raw_alloc(tstate, block, size);
        remember_elsewhere(block, size);
    }
    else {
        alloc_in(PTM_LANE_MAIN, tstate, block, size);
        remember(block, size);
    }
    return block;
}

/* Frees do not ask for the thread unless another interpreter was ever seen. */
static PTM_ALWAYS_INLINE bool
is_free_elsewhere(void)
{
    PyThreadState *tstate;
    return PTM_UNLIKELY(PTM_LOAD(&ptm_recording.other_interps)) && ask_thread(&tstate);
}

bool
ptm_record_main_free(const void *block)
{
    if (is_free_elsewhere()) {
        ptm_record_raw_free(block);
        return false;
    }
    uint32_t entry = ptm_blocks_take(block);
    settle_site(PTM_LANE_MAIN, entry & PTM_ENTRY_SITE);
    return PTM_UNLIKELY((entry & PTM_ENTRY_CODE) != 0) && code_died(block);
}

ptm_taken
ptm_record_main_take(const void *block)
{
    if (is_free_elsewhere()) {
        return ptm_record_raw_take(block);
    }
    return take(block);
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
    realloc_in(PTM_LANE_MAIN, tstate, still_taken(taken), block, size);
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

static PTM_NOINLINE void
object_whole_way(PyObject *object)
{
    PyThreadState *tstate;
    if (!is_elsewhere(&tstate)) {
        object_in(PTM_LANE_MAIN, tstate, object);
    }
    else {
        object_elsewhere(tstate, object);
    }
}

void
ptm_record_object(PyObject *object)
{
    if (ptm_recording.tracing && PTM_UNLIKELY(!ptm_quick_object(object))) {
        object_whole_way(object);
    }
}

ptm_site_id
ptm_record_find_object(const PyObject *object)
{
    return ptm_blocks_get(ptm_object_block(object)) & PTM_ENTRY_SITE;
}
