/* SPDX-License-Identifier: MIT
 *
 * The journal: when its events come into the books, in which order, and that two threads and a
 * looker-on end with books that equal a recount.
 */
#include <pthread.h>

#include "ptm_test_mem.h"
#include "trace/ptm_journal.h"

static const ptm_tail no_tail;

static ptm_site_id
make(ptm_lane *lane, uint64_t size)
{
    static uint64_t next_hash;
    ptm_site like = {.hash = ++next_hash * 0x9e3779b97f4a7c15u, .size = size};
    ptm_site_id id = ptm_sites_new(lane, &like, &no_tail);
    NEED(id != 0);
    return id;
}

static void
clear(void)
{
    ptm_journal_clear();
    ptm_sites_clear();
    CHECK_EQ(ptm_test_mapped_bytes, 0);
}

static uint64_t
live(ptm_site_id id)
{
    return ptm_site_live(ptm_site_at(id));
}

static void
a_full_ring_books_itself(void)
{
    ptm_site_id id = make(PTM_LANE_MAIN, 3);
    for (uint32_t i = 0; i < PTM_JOURNAL_EVENTS; i++) {
        ptm_journal_add(PTM_LANE_MAIN, id);
    }
    CHECK_EQ(live(id), 0);
    ptm_journal_add(PTM_LANE_MAIN, id | PTM_EVENT_LEFT);
    CHECK_EQ(live(id), PTM_JOURNAL_EVENTS);
    CHECK_EQ(ptm_the_peak.bytes, 3 * PTM_JOURNAL_EVENTS);
    ptm_journal_drain();
    ptm_journal_drain();
    CHECK_EQ(live(id), PTM_JOURNAL_EVENTS - 1);
    CHECK_EQ(ptm_site_at(id)->moved[PTM_CAME], PTM_JOURNAL_EVENTS);
    CHECK_EQ(ptm_site_share(ptm_site_at(id)), PTM_JOURNAL_EVENTS);
    CHECK_EQ(ptm_books_lock.held, 0);
    clear();
}

static void
two_are_taken_where_they_lie_in_a_row(void)
{
    ptm_site_id id = make(PTM_LANE_MAIN, 3);
    uint32_t n = PTM_LANE_MAIN->journal.written;
    for (; n % PTM_JOURNAL_EVENTS != 0; n++) {
        ptm_journal_add(PTM_LANE_MAIN, id);
    }
    CHECK(!ptm_journal_takes_two(PTM_LANE_MAIN)); /* the ring is to be booked */
    ptm_journal_add(PTM_LANE_MAIN, id);
    int64_t before = (int64_t)live(id);
    for (uint32_t i = 1; i + 2 < PTM_JOURNAL_EVENTS; i += 2) {
        CHECK(ptm_journal_takes_two(PTM_LANE_MAIN));
        ptm_journal_write_two(PTM_LANE_MAIN, id, id);
    }
    CHECK(!ptm_journal_takes_two(PTM_LANE_MAIN)); /* one place is left */
    ptm_journal_drain();
    CHECK_EQ(live(id), before + 1 + PTM_JOURNAL_EVENTS - 2);
    clear();
}

/* A new life at the same site is in no total and no share, but in what the site ever allocated;
 * whichever entry it is counted beside, and whatever that one's age. */
static void
what_was_renewed_is_allocated_and_nothing_else(void)
{
    uint64_t hash = UINT64_C(0x123456789abcdef);
    ptm_site_id first = make(PTM_LANE_MAIN, 10), second = make(PTM_LANE_MAIN, 10);
    ptm_recent_put(&PTM_LANE_MAIN->recents, hash, second);
    ptm_recent_put(&PTM_LANE_MAIN->recents, hash ^ 0xff, first);
    ptm_journal_add(PTM_LANE_MAIN, first);
    uint32_t written = PTM_LANE_MAIN->journal.written;
    ptm_journal_write_two_if(PTM_LANE_MAIN, false, first | PTM_EVENT_LEFT, first);
    CHECK_EQ(PTM_LANE_MAIN->journal.written, written);
    *ptm_renewed_at(&PTM_LANE_MAIN->recents, hash) = (ptm_renewed){{5, 7}};
    ptm_code_age++;
    ptm_journal_book_all_renewed(PTM_LANE_MAIN);
    ptm_journal_book_all_renewed(PTM_LANE_MAIN);
    ptm_journal_drain();
    CHECK_EQ(ptm_site_at(first)->moved[PTM_CAME], 6);
    CHECK_EQ(live(first), 1);
    CHECK_EQ(ptm_site_at(second)->moved[PTM_CAME], 7);
    CHECK_EQ(live(second), 0);
    CHECK_EQ(ptm_the_peak.bytes, 10);
    CHECK_EQ(ptm_the_peak.best_bytes, 10);
    clear();
}

/* In any other order the peak would be another one. */
static void
what_is_booked_comes_after_what_is_written(void)
{
    ptm_site_id small = make(PTM_LANE_MAIN, 100), large = make(PTM_LANE_RAW, 1000);
    ptm_journal_add(PTM_LANE_MAIN, small);
    ptm_journal_add(PTM_LANE_MAIN, small | PTM_EVENT_LEFT);
    ptm_journal_book(large);
    ptm_journal_add(PTM_LANE_MAIN, large | PTM_EVENT_LEFT);
    ptm_journal_book(small);
    ptm_journal_add(PTM_LANE_MAIN, small | PTM_EVENT_LEFT);
    ptm_journal_drain();
    CHECK_EQ(ptm_the_peak.best_bytes, 1000);
    CHECK_EQ(ptm_peak_blocks(), 1);
    CHECK_EQ(ptm_site_share(ptm_site_at(large)), 1);
    CHECK_EQ(ptm_site_share(ptm_site_at(small)), 0);
    CHECK_EQ(ptm_the_peak.bytes, 0);
    CHECK_EQ(ptm_the_peak.blocks, 0);
    clear();
}

static void
clear_forgets_what_is_written(void)
{
    ptm_site_id id = make(PTM_LANE_MAIN, 8);
    ptm_journal_add(PTM_LANE_MAIN, id);
    ptm_journal_flush(PTM_LANE_MAIN);
    ptm_journal_add(PTM_LANE_MAIN, id);
    ptm_journal_clear();
    ptm_journal_drain();
    CHECK_EQ(live(id), 1);
    ptm_journal_add(PTM_LANE_MAIN, id);
    ptm_journal_flush(PTM_LANE_MAIN);
    CHECK_EQ(live(id), 2);
    CHECK_EQ(ptm_the_peak.blocks, 2);
    clear();
}

/* A long program writes more events than the counters can count. */
static void
counters_wrap_round(void)
{
    ptm_site_id ids[] = {make(PTM_LANE_MAIN, 1), make(PTM_LANE_MAIN, 10)};
    ptm_journal *ring = &PTM_LANE_MAIN->journal;
    ring->written = ring->applied = UINT32_MAX - 700;
    for (uint32_t i = 0; i < 2000; i++) {
        ptm_journal_add(PTM_LANE_MAIN, ids[i % 2]);
        CHECK(ring->written - ring->applied <= PTM_JOURNAL_EVENTS);
    }
    ptm_journal_drain();
    CHECK(ring->written < 2000);
    CHECK_EQ(live(ids[0]), 1000);
    CHECK_EQ(live(ids[1]), 1000);
    CHECK_EQ(ptm_the_peak.bytes, 11000);
    clear();
}

/* -- two threads: one writes, one books, and each frees some of the other's blocks ------------- */

#define N_SITES 50 /* of each lane */
#define N_STEPS 500000

/* A thread and what it did to the sites of its lane; nobody else reads that before it has ended,
 * but `given`. */
typedef struct worker {
    ptm_lane *lane;
    uint64_t random;
    struct worker *other;
    ptm_site_id sites[N_SITES];
    uint64_t entered[N_SITES];
    uint64_t held[N_SITES];  /* blocks that are this thread's to free */
    uint64_t given[N_SITES]; /* to the other thread, ever; atomic, writer: this thread */
    uint64_t taken[N_SITES]; /* and freed, of what the other gave, ever */
} worker;

static worker workers[PTM_N_FIXED_LANES];
static uint32_t n_ended; /* atomic */

static uint32_t
below(worker *me, uint32_t limit)
{
    me->random ^= me->random << 13;
    me->random ^= me->random >> 7;
    me->random ^= me->random << 17;
    return (uint32_t)(me->random >> 32) % limit;
}

static void
book(const worker *me, uint32_t event)
{
    if (me->lane == PTM_LANE_MAIN) {
        ptm_journal_add(PTM_LANE_MAIN, event);
    }
    else {
        ptm_journal_book(event);
    }
}

static void
enter_own(worker *me, uint32_t i)
{
    book(me, me->sites[i]);
    me->entered[i]++;
    me->held[i]++;
}

static void
leave_own(worker *me, uint32_t i)
{
    book(me, me->sites[i] | PTM_EVENT_LEFT);
    me->held[i]--;
}

static void
take_and_leave(worker *me, uint32_t i)
{
    if (PTM_LOAD_ACQUIRE(&me->other->given[i]) != me->taken[i]) {
        book(me, me->other->sites[i] | PTM_EVENT_LEFT);
        me->taken[i]++;
    }
}

static void
give(worker *me, uint32_t i)
{
    me->held[i]--;
    PTM_STORE_RELEASE(&me->given[i], me->given[i] + 1);
}

static void
one_step(worker *me)
{
    uint32_t i = below(me, N_SITES), what = below(me, 4);
    if (me->held[i] == 0 || what == 0) {
        enter_own(me, i);
    }
    else if (what == 1) {
        leave_own(me, i);
    }
    else if (what == 2) {
        leave_own(me, i); /* a realloc */
        enter_own(me, below(me, N_SITES));
    }
    else {
        give(me, i);
    }
    take_and_leave(me, below(me, N_SITES));
}

static void *
write_main(void *arg)
{
    for (int n = 0; n < N_STEPS; n++) {
        one_step(arg);
    }
    PTM_FETCH_ADD(&n_ended, 1u);
    return NULL;
}

static void *
book_raw(void *arg)
{
    for (int n = 0; n < N_STEPS; n++) {
        ptm_lock_take(&ptm_books_lock);
        one_step(arg);
        ptm_lock_release(&ptm_books_lock);
    }
    PTM_FETCH_ADD(&n_ended, 1u);
    return NULL;
}

static void
make_worker(ptm_lane *lane)
{
    worker *me = &workers[ptm_lanes_id(lane)];
    *me = (worker){
        .lane = lane, .random = ptm_test_random() | 1, .other = &workers[!ptm_lanes_id(lane)]};
    for (uint32_t i = 0; i < N_SITES; i++) {
        me->sites[i] = make(lane, ptm_test_below(1000));
    }
}

typedef struct {
    uint64_t bytes, blocks;
} sums;

static void
add(sums *to, uint64_t n, const ptm_site *site)
{
    to->blocks += n;
    to->bytes += n * site->size;
}

/* Whatever is under way: the sites add up to the totals, and their shares to the peak. */
static void
look(void)
{
    sums alive = {0}, peak = {0};
    ptm_lock_take(&ptm_books_lock);
    ptm_journal_drain();
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        add(&alive, ptm_site_live(ptm_site_at(id)), ptm_site_at(id));
        add(&peak, ptm_site_share(ptm_site_at(id)), ptm_site_at(id));
    }
    CHECK_EQ(alive.bytes, ptm_the_peak.bytes);
    CHECK_EQ(alive.blocks, ptm_the_peak.blocks);
    CHECK_EQ(peak.bytes, ptm_the_peak.best_bytes);
    CHECK_EQ(peak.blocks, ptm_peak_blocks());
    CHECK(ptm_the_peak.best_bytes >= ptm_the_peak.bytes);
    ptm_lock_release(&ptm_books_lock);
}

static void
recount(const worker *me)
{
    for (uint32_t i = 0; i < N_SITES; i++) {
        const ptm_site *site = ptm_site_at(me->sites[i]);
        CHECK_EQ(site->moved[PTM_CAME], me->entered[i]);
        CHECK_EQ(ptm_site_live(site), me->held[i] + me->given[i] - me->other->taken[i]);
    }
}

static void
two_threads_end_with_the_books_of_a_recount(void)
{
    static void *(*const work[])(void *) = {write_main, book_raw};
    pthread_t threads[PTM_N_FIXED_LANES];
    make_worker(PTM_LANE_MAIN);
    make_worker(PTM_LANE_RAW);
    for (int i = 0; i < PTM_N_FIXED_LANES; i++) {
        NEED(pthread_create(&threads[i], NULL, work[i], &workers[i]) == 0);
    }
    while (PTM_LOAD(&n_ended) != PTM_N_FIXED_LANES) {
        look();
        ptm_os_yield();
    }
    for (int i = 0; i < PTM_N_FIXED_LANES; i++) {
        pthread_join(threads[i], NULL);
    }
    look();
    recount(&workers[ptm_lanes_id(PTM_LANE_MAIN)]);
    recount(&workers[ptm_lanes_id(PTM_LANE_RAW)]);
    clear();
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    ptm_sites_clear();
    RUN(a_full_ring_books_itself);
    RUN(two_are_taken_where_they_lie_in_a_row);
    RUN(what_was_renewed_is_allocated_and_nothing_else);
    RUN(what_is_booked_comes_after_what_is_written);
    RUN(clear_forgets_what_is_written);
    RUN(counters_wrap_round);
    RUN(two_threads_end_with_the_books_of_a_recount);
    return ptm_test_done();
}
