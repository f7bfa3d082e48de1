/* SPDX-License-Identifier: MIT
 *
 * Lanes: threads take them from the pool and give them back, a freeze finds nobody inside, a child
 * of a fork has those of the threads that are gone, and blocks that wander between threads leave
 * books that equal a recount.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ptm_test_mem.h"
#include "trace/ptm_journal.h"

static uint32_t
count_lanes(void)
{
    uint32_t n = 0;
    while (ptm_lanes_at(n) != NULL) {
        n++;
    }
    return n;
}

static void
run_thread(void *(*what)(void *), void *arg)
{
    pthread_t thread;
    NEED(pthread_create(&thread, NULL, what, arg) == 0);
    pthread_join(thread, NULL);
}

/* -- the pool ---------------------------------------------------------------------------------- */

static void *
tell_lane(void *out)
{
    *(ptm_lane **)out = ptm_lanes_mine();
    CHECK(ptm_lanes_mine() == ptm_my_lane);
    return NULL;
}

static void
a_thread_leaves_its_lane_to_the_next(void)
{
    ptm_lane *first, *later;
    run_thread(tell_lane, &first);
    NEED(first != NULL);
    uint32_t n = count_lanes();
    size_t bytes = ptm_test_mapped_bytes;
    for (int i = 0; i < 10000; i++) {
        run_thread(tell_lane, &later);
        CHECK(later == first);
    }
    CHECK_EQ(count_lanes(), n);
    CHECK_EQ(ptm_test_mapped_bytes, bytes);
}

static void *
two_at_once(void *arg)
{
    ptm_lane *other;
    ptm_lane *mine = ptm_lanes_mine();
    run_thread(tell_lane, &other);
    CHECK(mine != NULL && other != NULL && mine != other);
    CHECK(ptm_lanes_of(ptm_lanes_id(mine)) == mine && ptm_lanes_of(ptm_lanes_id(other)) == other);
    return arg;
}

static void
threads_at_the_same_time_have_one_each(void)
{
    run_thread(two_at_once, NULL);
    CHECK_EQ(ptm_lanes_id(PTM_LANE_MAIN), 0);
    CHECK_EQ(ptm_lanes_id(PTM_LANE_RAW), 1);
    CHECK(ptm_lanes_of(0) == PTM_LANE_MAIN && ptm_lanes_of(1) == PTM_LANE_RAW);
}

static void *
find_none(void *arg)
{
    ptm_mem_fail_after(0);
    CHECK(ptm_lanes_mine() == NULL);
    ptm_mem_fail_after(-1);
    CHECK(ptm_lanes_mine() != NULL);
    return arg;
}

static void *
take_one_and_find_none(void *arg)
{
    CHECK(ptm_lanes_mine() != NULL);
    run_thread(find_none, NULL);
    return arg;
}

static void *
take_one_more(void *arg)
{
    CHECK(ptm_lanes_mine() != NULL);
    run_thread(take_one_and_find_none, NULL);
    return arg;
}

static void
without_memory_there_is_none(void)
{
    run_thread(take_one_more, NULL);
}

/* -- the gate ---------------------------------------------------------------------------------- */

static void
an_off_gate_lets_nobody_in(void)
{
    ptm_lanes_turn(false, false);
    CHECK(!ptm_lanes_enter(PTM_LANE_MAIN));
    CHECK(!ptm_lanes_try(PTM_LANE_MAIN, 0));
    CHECK_EQ(PTM_LANE_MAIN->busy, 0);
    ptm_lanes_turn(true, false);
    CHECK(ptm_lanes_try(PTM_LANE_MAIN, 0));
    CHECK_EQ(PTM_LANE_MAIN->busy, 1);
    ptm_lanes_leave(PTM_LANE_MAIN);
    CHECK(!ptm_lanes_seen_others());
    ptm_lanes_see_others();
    CHECK(ptm_lanes_seen_others());
    CHECK(!ptm_lanes_try(PTM_LANE_MAIN, 0));
    CHECK(ptm_lanes_enter(PTM_LANE_MAIN));
    ptm_lanes_leave(PTM_LANE_MAIN);
}

#define N_THREADS 4
#define N_FREEZES 300

/* What a writer changes only while it is in: two words that are equal whenever it is not. */
static struct {
    uint64_t first;
    char apart[120];
    uint64_t second;
} pairs[N_THREADS];

static uint32_t n_visitors, n_ended; /* atomic */
static bool enough;                  /* atomic */

static void *
visit(void *pair)
{
    uint64_t *first = pair, *second = &((__typeof__(&pairs[0]))pair)->second;
    ptm_lane *lane = ptm_lanes_mine();
    NEED(lane != NULL);
    PTM_FETCH_ADD(&n_visitors, 1u);
    while (!PTM_LOAD(&enough)) {
        NEED(ptm_lanes_enter(lane));
        *(volatile uint64_t *)first = *first + 1;
        *(volatile uint64_t *)second = *second + 1;
        ptm_lanes_leave(lane);
    }
    return NULL;
}

static void
a_freeze_finds_nobody_inside(void)
{
    pthread_t threads[N_THREADS];
    PTM_STORE(&n_visitors, 0u);
    PTM_STORE(&enough, false);
    for (int i = 0; i < N_THREADS; i++) {
        NEED(pthread_create(&threads[i], NULL, visit, &pairs[i]) == 0);
    }
    while (PTM_LOAD(&n_visitors) != N_THREADS) {
        ptm_os_yield();
    }
    for (int n = 0; n < N_FREEZES; n++) {
        ptm_lanes_freeze();
        for (int i = 0; i < N_THREADS; i++) {
            CHECK_EQ(pairs[i].first, pairs[i].second);
        }
        ptm_lanes_thaw();
    }
    PTM_STORE(&enough, true);
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(pairs[i].first == pairs[i].second && pairs[i].first != 0);
    }
}

/* Where the system has no such barrier. */
static void
with_fences_as_well(void)
{
    PTM_FETCH_OR(&ptm_gate, (uint32_t)PTM_GATE_FENCE);
    CHECK(!ptm_lanes_try(PTM_LANE_MAIN, PTM_GATE_OTHERS));
    a_freeze_finds_nobody_inside();
    PTM_FETCH_AND_RELEASE(&ptm_gate, ~(uint32_t)PTM_GATE_FENCE);
}

/* -- fork -------------------------------------------------------------------------------------- */

/* As a thread leaves it that stood at the closed gate, and looked, when it was forked. */
static void
somebody_stood_at_the_gate(void)
{
    ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        PTM_STORE(&lane->busy, 1u);
    }
}

/* Of a new thread; under the thread sanitizer of this one, since its runtime ends a child whose
 * thread has the id of one that the parent still had ("dup thread with used id"). */
static ptm_lane *
lane_in_child(void)
{
#ifdef __SANITIZE_THREAD__
    return ptm_lanes_mine();
#else
    ptm_lane *lane;
    run_thread(tell_lane, &lane);
    return lane;
#endif
}

static int
child_has_the_lanes(uint32_t n)
{
    alarm(60);
    somebody_stood_at_the_gate();
    ptm_lanes_after_fork(true);
    ptm_lanes_thaw();
    ptm_lanes_freeze(); /* for ever, if anybody is in */
    ptm_lanes_thaw();
    return lane_in_child() != NULL && count_lanes() == n ? 0 : 1;
}

static void *
fork_with_a_lane(void *arg)
{
    ptm_lane *mine = ptm_lanes_mine();
    ptm_lanes_freeze();
    ptm_lanes_before_fork();
    uint32_t n = count_lanes();
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        _exit(ptm_my_lane == mine ? child_has_the_lanes(n) : 2);
    }
    ptm_lanes_after_fork(false);
    ptm_lanes_thaw();
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    return arg;
}

static void *
fork_beside(void *arg)
{
    CHECK(ptm_lanes_mine() != NULL);
    run_thread(fork_with_a_lane, NULL);
    return arg;
}

static void
a_child_has_the_lanes_of_the_threads_that_are_gone(void)
{
    run_thread(fork_beside, NULL);
}

/* -- blocks that wander ------------------------------------------------------------------------ */

#define N_SITES 20 /* of each thread */
#define N_STEPS 200000

/* A thread, and what it did; `given` is what anybody may free. */
typedef struct {
    ptm_site_id sites[N_SITES];
    uint64_t entered[N_SITES];
    int64_t held[N_SITES];
    int64_t given[N_SITES]; /* atomic */
    uint64_t random;
} worker;

static worker workers[N_THREADS];
static uint32_t n_ready; /* atomic */
static const ptm_tail no_tail;

static uint32_t
below(worker *me, uint32_t limit)
{
    me->random ^= me->random << 13;
    me->random ^= me->random >> 7;
    me->random ^= me->random << 17;
    return (uint32_t)(me->random >> 32) % limit;
}

static void
make_sites(worker *me, ptm_lane *lane)
{
    static uint64_t next_hash;
    ptm_lock_take(&ptm_books_lock);
    for (uint32_t i = 0; i < N_SITES; i++) {
        ptm_site like = {.hash = ++next_hash * 0x9e3779b97f4a7c15u, .size = 1 + below(me, 1000)};
        me->sites[i] = ptm_sites_new(lane, &like, &no_tail);
        NEED(me->sites[i] != 0);
    }
    ptm_lock_release(&ptm_books_lock);
}

/* One that its owner has given away, if there is any. */
static ptm_site_id
take_of(worker *other, uint32_t i)
{
    int64_t there = PTM_LOAD_ACQUIRE(&other->given[i]);
    while (there > 0) {
        if (PTM_COMPARE_EXCHANGE(&other->given[i], &there, there - 1)) {
            return other->sites[i];
        }
    }
    return 0;
}

static void
one_step(worker *me, ptm_lane *lane)
{
    uint32_t i = below(me, N_SITES), what = below(me, 3);
    NEED(ptm_lanes_enter(lane));
    if (me->held[i] == 0 || what == 0) {
        ptm_journal_add(lane, me->sites[i]);
        me->entered[i]++;
        me->held[i]++;
    }
    else if (what == 1) {
        ptm_journal_add(lane, me->sites[i] | PTM_EVENT_LEFT);
        me->held[i]--;
    }
    else {
        me->held[i]--;
        __atomic_fetch_add(&me->given[i], 1, __ATOMIC_RELEASE);
    }
    ptm_site_id taken = take_of(&workers[below(me, N_THREADS)], below(me, N_SITES));
    if (taken != 0) {
        ptm_journal_add(lane, taken | PTM_EVENT_LEFT);
    }
    ptm_lanes_leave(lane);
}

static void *
work(void *arg)
{
    ptm_lane *lane = ptm_lanes_mine();
    NEED(lane != NULL);
    make_sites(arg, lane);
    PTM_FETCH_ADD(&n_ready, 1u);
    while (PTM_LOAD_ACQUIRE(&n_ready) != N_THREADS) {
        ptm_os_yield();
    }
    for (int i = 0; i < N_STEPS; i++) {
        one_step(arg, lane);
    }
    PTM_FETCH_ADD(&n_ended, 1u);
    return NULL;
}

/* Frozen and drained nothing is missing: no count is below zero, and the sites add up to the
 * totals, now and at the peak. */
static void
look(void)
{
    uint64_t bytes = 0, blocks = 0, peak_bytes = 0, peak_blocks = 0;
    ptm_lanes_freeze();
    ptm_lock_take(&ptm_books_lock);
    ptm_journal_drain();
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        const ptm_site *site = ptm_site_at(id);
        uint64_t share = ptm_site_share(site);
        CHECK(ptm_site_live(site) >= 0 && (int64_t)share >= 0);
        blocks += (uint64_t)ptm_site_live(site);
        bytes += (uint64_t)ptm_site_live(site) * site->size;
        peak_blocks += share;
        peak_bytes += share * site->size;
    }
    CHECK_EQ(bytes, ptm_the_peak.bytes);
    CHECK_EQ(blocks, ptm_the_peak.blocks);
    CHECK_EQ(peak_bytes, ptm_the_peak.best_bytes);
    CHECK_EQ(peak_blocks, ptm_peak_blocks());
    ptm_lock_release(&ptm_books_lock);
    ptm_lanes_thaw();
}

/* Without a freeze a block may be missing that came and went in two lanes, never more. */
static void
glance(void)
{
    ptm_lock_take(&ptm_books_lock);
    ptm_journal_drain();
    CHECK((int64_t)ptm_the_peak.bytes >= 0 && (int64_t)ptm_the_peak.blocks >= 0);
    CHECK(ptm_the_peak.best_bytes >= ptm_the_peak.bytes);
    ptm_lock_release(&ptm_books_lock);
}

static void
wandering_blocks_leave_the_books_of_a_recount(void)
{
    pthread_t threads[N_THREADS];
    n_ended = n_ready = 0;
    for (int i = 0; i < N_THREADS; i++) {
        workers[i] = (worker){.random = ptm_test_random() | 1};
        NEED(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    while (PTM_LOAD_ACQUIRE(&n_ready) != N_THREADS) {
        ptm_os_yield();
    }
    while (PTM_LOAD_ACQUIRE(&n_ended) != N_THREADS) {
        look();
        glance();
        ptm_os_yield();
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    look();
    for (int w = 0; w < N_THREADS; w++) {
        for (uint32_t i = 0; i < N_SITES; i++) {
            const ptm_site *site = ptm_site_at(workers[w].sites[i]);
            CHECK_EQ(site->moved[PTM_CAME], workers[w].entered[i]);
            CHECK_EQ(ptm_site_live(site), workers[w].held[i] + workers[w].given[i]);
        }
    }
    ptm_journal_clear();
    ptm_sites_clear();
}

/* A block that leaves, in a lane that is booked first, before it has come. */
static void
what_cancels_out_is_no_peak(void)
{
    ptm_site like = {.hash = 12345, .size = 100};
    ptm_site_id id = ptm_sites_new(PTM_LANE_MAIN, &like, &no_tail);
    NEED(id != 0);
    ptm_journal_add(PTM_LANE_RAW, id | PTM_EVENT_LEFT);
    ptm_journal_flush(PTM_LANE_RAW);
    CHECK_EQ(ptm_site_live(ptm_site_at(id)), -1);
    CHECK_EQ(ptm_the_peak.bytes, 0);
    ptm_journal_add(PTM_LANE_MAIN, id);
    ptm_journal_add(PTM_LANE_MAIN, id);
    ptm_journal_flush(PTM_LANE_MAIN);
    CHECK_EQ(ptm_site_live(ptm_site_at(id)), 1);
    CHECK_EQ(ptm_site_at(id)->moved[PTM_CAME], 2);
    CHECK_EQ(ptm_the_peak.bytes, 100);
    CHECK_EQ(ptm_the_peak.best_bytes, 100);
    CHECK_EQ(ptm_site_share(ptm_site_at(id)), 1);
    ptm_journal_clear();
    ptm_sites_clear();
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    NEED(ptm_lanes_init());
    CHECK_EQ(ptm_gate & ~(uint32_t)PTM_GATE_FENCE, PTM_GATE_OFF);
    ptm_sites_clear();
    RUN(a_thread_leaves_its_lane_to_the_next);
    RUN(threads_at_the_same_time_have_one_each);
    RUN(without_memory_there_is_none);
    RUN(an_off_gate_lets_nobody_in);
    RUN(a_freeze_finds_nobody_inside);
    RUN(with_fences_as_well);
    RUN(a_child_has_the_lanes_of_the_threads_that_are_gone);
    RUN(what_cancels_out_is_no_peak);
    RUN(wandering_blocks_leave_the_books_of_a_recount);
    return ptm_test_done();
}
