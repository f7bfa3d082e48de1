/* SPDX-License-Identifier: MIT */
#include "trace/ptm_record.h"

#include "pyver/ptm_newref.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_codes.h"
#include "trace/ptm_journal.h"
#include "trace/ptm_parked.h"
#include "trace/ptm_tails.h"
#include "trace/ptm_walk.h"

ptm_record_state ptm_recording = {.limit = 1};
ptm_lock ptm_intern_lock;

/* -- tidying ----------------------------------------------------------------------------------- */

static void
mark_nodes(void)
{
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        if (ptm_site_at(id)->state != PTM_SITE_FREE) {
            ptm_stacks_mark(ptm_site_at(id)->node);
        }
    }
}

static const ptm_sweep sweep = {ptm_tails_bury, ptm_tails_join};

/* Keeps what is dead in bounds. Under both locks, before a window is interned: its nodes are
 * nobody's yet. */
static void
tidy_locked(ptm_lane_id lane)
{
    ptm_journal_drain();
    ptm_sites_sweep_young(lane, &sweep);
    if (ptm_lanes[lane].n_sites >= ptm_lanes[lane].sweep_at) {
        (void)ptm_sites_sweep(lane, &sweep);
    }
    if (ptm_stacks_want_sweep()) {
        ptm_walk_forget();
        (void)ptm_stacks_sweep(mark_nodes);
    }
}

/* The raw lane's writer has the books lock already. */
static void
tidy(ptm_lane_id lane)
{
    if (lane == PTM_LANE_MAIN) {
        ptm_lock_take(&ptm_books_lock);
    }
    ptm_lock_take(&ptm_intern_lock);
    tidy_locked(lane);
    ptm_lock_release(&ptm_intern_lock);
    if (lane == PTM_LANE_MAIN) {
        ptm_lock_release(&ptm_books_lock);
    }
}

/* -- from a stack to a site -------------------------------------------------------------------- */

/* An event on its way to a site. */
typedef struct {
    ptm_lane_id lane;
    const PyThreadState *tstate; /* NULL: no stack to be had */
    size_t size;
    uint64_t key;
    ptm_window window;
    ptm_walk_manner manner;
} search;

#define UNKNOWN_HASH UINT64_C(0x756e6b6e6f776e00)

static PTM_ALWAYS_INLINE ptm_window
look_at(const PyThreadState *tstate, ptm_walk_manner manner)
{
    if (PTM_UNLIKELY(tstate == NULL)) {
        return (ptm_window){UNKNOWN_HASH, 1, true};
    }
    uint32_t limit = ptm_recording.limit;
    return limit == 1 ? ptm_walk_hash(tstate, 1, manner) : ptm_walk_hash(tstate, limit, manner);
}

static void
make_recent(const search *s, ptm_site_id id)
{
    *ptm_sites_recent(&ptm_lanes[s->lane], s->key) =
        (ptm_recent){s->key, id, PTM_LOAD(&ptm_code_age)};
}

/* The site that a key found before some code object died: it is right if the same window still
 * leads to its stack. */
static bool
is_still_right(ptm_site_id id, const ptm_site *like)
{
    ptm_site *site = ptm_site_at(id);
    if (site->depth != like->depth || !ptm_tails_join(site)
        || !ptm_stacks_same(site->node, like->node, ptm_recording.limit)) {
        ptm_sites_forget(id);
        return false;
    }
    site->code_age = like->code_age;
    return true;
}

/* The new site of a walked window, or `old` if that is it; 0: no memory. */
static ptm_site_id
site_of(const search *s, const ptm_walked *walked, ptm_site_id old)
{
    uint32_t depth = walked->n_whole != 0 ? walked->n_whole : s->window.depth;
    ptm_site like = {.hash = s->key,
                     .size = s->size,
                     .node = walked->node,
                     .n_tail = (uint8_t)walked->n_tail,
                     .depth = (uint16_t)(depth < PTM_NFRAME_MAX ? depth : PTM_NFRAME_MAX),
                     .code_age = PTM_LOAD(&ptm_code_age)};
    if (old != 0 || ptm_sites_want_sweep(s->lane)) {
        like.node = ptm_tails_push(like.node, &walked->tail, walked->n_tail);
        like.n_tail = 0;
    }
    if (like.node == 0 && like.n_tail == 0) {
        return 0;
    }
    return old != 0 && is_still_right(old, &like) ? old
                                                  : ptm_sites_new(s->lane, &like, &walked->tail);
}

static ptm_site_id
intern(const search *s, ptm_site_id old, ptm_walked *walked)
{
    if (old == 0 && ptm_sites_want_sweep(s->lane)) {
        tidy(s->lane);
    }
    ptm_lock_take(&ptm_intern_lock);
    bool known = ptm_walk_exact(s->tstate, ptm_recording.limit, s->manner, walked);
    ptm_site_id id = known ? site_of(s, walked, old) : 0;
    ptm_lock_release(&ptm_intern_lock);
    return id;
}

static ptm_site_id find_older(const search *s);

/* A window that the manner is wrong for is taken in the next one. */
static ptm_site_id
find_otherwise(const search *before)
{
    search s = *before;
    s.manner = before->manner + 1;
    s.window = look_at(s.tstate, s.manner);
    s.key = ptm_walk_key(s.window, s.size);
    const ptm_recent *recent = ptm_sites_recent(&ptm_lanes[s.lane], s.key);
    bool known = recent->hash == s.key && recent->code_age == PTM_LOAD(&ptm_code_age);
    return known && recent->site != 0 ? recent->site : find_older(&s);
}

/* Not among the recent ones, or there with the remark that the manner is wrong. */
static PTM_NOINLINE ptm_site_id
find_older(const search *s)
{
    ptm_walked walked = {.verdict = PTM_WALK_RIGHT};
    uint32_t age = PTM_LOAD(&ptm_code_age);
    const ptm_recent *recent = ptm_sites_recent(&ptm_lanes[s->lane], s->key);
    if (recent->hash == s->key && recent->code_age == age) {
        return find_otherwise(s);
    }
    ptm_site_id id = ptm_sites_find(&ptm_lanes[s->lane], s->key);
    if (id == 0 || ptm_site_at(id)->code_age != age) {
        id = intern(s, id, &walked);
    }
    if (id != 0 || walked.verdict == PTM_WALK_WRONG) {
        make_recent(s, id);
    }
    return walked.verdict == PTM_WALK_RIGHT ? id : find_otherwise(s);
}

/* 0: no memory. */
static PTM_ALWAYS_INLINE ptm_site_id
find_site_of(ptm_lane_id lane, const PyThreadState *tstate, size_t size, ptm_window window)
{
    uint64_t key = ptm_walk_key(window, size);
    const ptm_recent *recent = ptm_sites_recent(&ptm_lanes[lane], key);
    if (PTM_LIKELY(recent->hash == key && recent->code_age == PTM_LOAD(&ptm_code_age))
        && PTM_LIKELY(recent->site != 0)) {
        return recent->site;
    }
    search s = {lane, tstate, size, key, window, PTM_WALK_TRUST};
    return find_older(&s);
}

static PTM_ALWAYS_INLINE ptm_site_id
find_site(ptm_lane_id lane, const PyThreadState *tstate, size_t size)
{
    return find_site_of(lane, tstate, size, look_at(tstate, PTM_WALK_TRUST));
}

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
    ptm_site_id id = find_site(lane, tstate, size);
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
reattribute(ptm_lane_id lane, const PyThreadState *tstate, ptm_site_id old)
{
    if (old == 0) {
        return 0;
    }
    const ptm_site *site = ptm_site_at(old);
    ptm_window window = look_at(tstate, PTM_WALK_TRUST);
    ptm_site_id id = find_site_of(lane, tstate, site->size, window);
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
    ptm_site_id id = reattribute(lane, tstate, entry & PTM_ENTRY_SITE);
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
    ptm_site_id id = reattribute(lane, tstate, entry & PTM_ENTRY_SITE);
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

void
ptm_record_raw_alloc(void *block, size_t size)
{
    if (enter_raw()) {
        alloc_in(PTM_LANE_RAW, tstate_of_thread(), block, size);
        leave_raw();
    }
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
