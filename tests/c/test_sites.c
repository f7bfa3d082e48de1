/* SPDX-License-Identifier: MIT
 *
 * The books of sites in two lanes and the peak, against a row of counts that is copied at every new
 * maximum.
 */
#include "base/ptm_hash.h"
#include "ptm_test_mem.h"
#include "trace/ptm_sites.h"

#define MOST 60 /* sites that the model knows at a time */

typedef struct {
    ptm_site_id id; /* 0: free */
    uint64_t hash, size, live, allocated, at_peak;
    ptm_lane_id lane;
} known;

static known model[MOST];
static uint64_t next_hash, total, best, blocks, blocks_at_best;
static uint64_t buried_blocks, buried_bytes, expected_blocks, expected_bytes;

static void
judge(void)
{
    if (total > best) {
        best = total;
        blocks_at_best = blocks;
        for (int i = 0; i < MOST; i++) {
            model[i].at_peak = model[i].live;
        }
    }
}

static ptm_lane *
lane_of(const known *k)
{
    return &ptm_lanes[k->lane];
}

static void
make(known *k)
{
    ptm_lane_id lane = ptm_test_below(2) ? PTM_LANE_MAIN : PTM_LANE_RAW;
    ptm_site like = {
        .hash = ++next_hash * PTM_HASH_SEED, .size = ptm_test_below(1000), .depth = 1, .node = 1};
    ptm_site_id id = ptm_sites_new(lane, &like, true);
    if (id != 0) {
        *k = (known){.id = id, .hash = like.hash, .size = like.size, .lane = lane};
    }
}

static void
enter(known *k)
{
    ptm_lane_judge(lane_of(k), k->size);
    ptm_site_enter(lane_of(k), ptm_site_at(k->id));
    k->live++;
    k->allocated++;
    blocks++;
    total += k->size;
    judge();
}

static void
leave(known *k)
{
    ptm_peak_fall();
    if (k->lane == PTM_LANE_MAIN && ptm_test_below(3) == 0) {
        ptm_site_leave_elsewhere(k->id);
    }
    else {
        ptm_site_leave(lane_of(k), ptm_site_at(k->id));
    }
    k->live--;
    blocks--;
    total -= k->size;
}

/* A realloc: in the lane of the new site, the old one's leaves as it can. */
static void
change(known *from, known *to)
{
    ptm_lane_judge(lane_of(to), to->size - from->size);
    if (from->lane == PTM_LANE_MAIN && to->lane == PTM_LANE_RAW) {
        ptm_site_leave_elsewhere(from->id);
    }
    else {
        ptm_site_leave(lane_of(from), ptm_site_at(from->id));
    }
    ptm_site_enter(lane_of(to), ptm_site_at(to->id));
    from->live--;
    to->live++;
    to->allocated++;
    total += to->size - from->size;
    judge();
}

static void
one_event(void)
{
    known *k = &model[ptm_test_below(MOST)], *other = &model[ptm_test_below(MOST)];
    if (k->id == 0) {
        make(k);
        return;
    }
    switch (ptm_test_below(5)) {
    case 0:
    case 1:
        enter(k);
        break;
    case 2:
        if (k->live != 0 && other->id != 0) {
            change(k, other);
        }
        break;
    default:
        if (k->live != 0) {
            leave(k);
        }
    }
}

static void
reset_peak(void)
{
    ptm_peak_restart(ptm_lanes_bytes());
    best = 0;
    judge();
    if (total == 0) {
        blocks_at_best = blocks;
        for (int i = 0; i < MOST; i++) {
            model[i].at_peak = model[i].live;
        }
    }
}

static void
check_all(void)
{
    uint64_t peak_bytes, peak_blocks;
    ptm_lanes_peak(&peak_bytes, &peak_blocks);
    CHECK_EQ(peak_bytes, best);
    CHECK_EQ(peak_blocks, blocks_at_best);
    CHECK_EQ(ptm_lanes_bytes(), total);
    CHECK_EQ(ptm_lanes_blocks(), blocks);
    for (int i = 0; i < MOST; i++) {
        const known *k = &model[i];
        if (k->id != 0) {
            CHECK_EQ(ptm_sites_find(lane_of(k), k->hash), k->id);
            CHECK_EQ(ptm_site_live(ptm_site_at(k->id)), k->live);
            CHECK_EQ(ptm_site_share(k->id), k->at_peak);
            CHECK_EQ(ptm_site_at(k->id)->allocated, k->allocated);
        }
    }
}

static void
bury(const ptm_site *site)
{
    buried_blocks += site->allocated;
    buried_bytes += site->allocated * site->size;
}

/* After a sweep: what is gone was dead and had no share; its allocated blocks were buried. */
static void
find_the_gone(void)
{
    for (int i = 0; i < MOST; i++) {
        known *k = &model[i];
        if (k->id != 0 && ptm_sites_find(lane_of(k), k->hash) == 0) {
            CHECK_EQ(k->live, 0);
            CHECK_EQ(k->at_peak, 0);
            expected_blocks += k->allocated;
            expected_bytes += k->allocated * k->size;
            k->id = 0;
        }
    }
    CHECK_EQ(buried_blocks, expected_blocks);
    CHECK_EQ(buried_bytes, expected_bytes);
}

static void
sweep(void)
{
    ptm_lane_id lane = ptm_test_below(2) ? PTM_LANE_MAIN : PTM_LANE_RAW;
    if (ptm_test_below(2)) {
        ptm_sites_sweep_young(lane, bury);
    }
    else {
        (void)ptm_sites_sweep(lane, bury);
    }
    find_the_gone();
}

static void
clear(void)
{
    ptm_sites_clear();
    memset(model, 0, sizeof(model));
    total = best = blocks = blocks_at_best = 0;
    buried_blocks = buried_bytes = expected_blocks = expected_bytes = 0;
    CHECK_EQ(ptm_test_mapped_bytes, 0);
}

static void
events_and_sweeps(int n)
{
    for (int i = 0; i < n; i++) {
        one_event();
        if (ptm_test_below(40) == 0) {
            check_all();
        }
        if (ptm_test_below(60) == 0) {
            sweep();
            check_all();
        }
        if (ptm_test_below(500) == 0) {
            reset_peak();
            check_all();
        }
    }
    check_all();
}

static void
books_and_peak_equal_the_row(void)
{
    for (int round = 0; round < 30; round++) {
        events_and_sweeps(3000);
        clear();
    }
}

/* Without memory for strays, the composition of the peak may suffer, and nothing else: so no such
 * frees here. */
static void
every_map_may_fail(void)
{
    for (int64_t n = 0; n < 12; n++) {
        ptm_mem_fail_after(n);
        for (int i = 0; i < 2000; i++) {
            known *k = &model[ptm_test_below(MOST)];
            if (k->id == 0) {
                make(k);
            }
            else if (ptm_test_below(2) == 0 || k->live == 0) {
                enter(k);
            }
            if (ptm_test_below(50) == 0) {
                sweep();
            }
        }
        check_all();
        ptm_mem_fail_after(-1);
        events_and_sweeps(2000);
        clear();
    }
}

static void
many_sites_find_themselves(void)
{
    enum { N = 100000 };
    for (uint64_t n = 1; n <= N; n++) {
        ptm_site like = {.hash = n * PTM_HASH_SEED, .size = n};
        CHECK(ptm_sites_new(PTM_LANE_MAIN, &like, true) == n);
    }
    for (uint64_t n = 1; n <= N; n += 7) {
        ptm_sites_unindex((ptm_site_id)n);
    }
    for (uint64_t n = 1; n <= N; n++) {
        CHECK_EQ(ptm_sites_find(&ptm_lanes[PTM_LANE_MAIN], n * PTM_HASH_SEED), n % 7 == 1 ? 0 : n);
    }
    size_t told = 0;
    ptm_sites_visit(ptm_test_add_bytes, &told);
    CHECK_EQ(told, ptm_test_mapped_bytes);
    clear();
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    ptm_sites_clear();
    RUN(books_and_peak_equal_the_row);
    RUN(every_map_may_fail);
    RUN(many_sites_find_themselves);
    return ptm_test_done();
}
