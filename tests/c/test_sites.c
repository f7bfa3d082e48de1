/* SPDX-License-Identifier: MIT
 *
 * The books of sites in two lanes and the peak, against a row of counts that is copied at every new
 * maximum; events come by the journal. One thread, so no locks.
 */
#include "base/ptm_hash.h"
#include "ptm_test_mem.h"
#include "trace/ptm_journal.h"
#include "trace/ptm_sites.h"

#define MOST 60 /* sites that the model knows at a time */
#define HARDLY_USED 2

typedef struct {
    ptm_site_id id; /* 0: free */
    uint64_t hash, size, live, allocated, at_peak;
    uint64_t swept; /* what it had allocated at the last sweep of all sites */
    ptm_lane *lane;
    bool young, was_young; /* now; before the sweep under way */
    bool lost;             /* no event finds it again */
    bool gone;             /* by the sweep under way */
} known;

static known model[MOST];
static uint64_t next_hash, total, best, blocks, blocks_at_best;
static uint64_t buried_blocks, buried_bytes, expected_blocks, expected_bytes;
static bool memory_is_short; /* what grows up may be lost */

static const ptm_tail no_tail;

static void
copy_peak(void)
{
    best = total;
    blocks_at_best = blocks;
    for (int i = 0; i < MOST; i++) {
        model[i].at_peak = model[i].live;
    }
}

static void
judge(void)
{
    if (total > best) {
        copy_peak();
    }
}

static ptm_lane *
lane_of(const known *k)
{
    return k->lane;
}

/* -- events ------------------------------------------------------------------------------------ */

/* How often the raw lane writes, and how often somebody wants to know: seldom enough, and the
 * journal gets full. */
static uint32_t raw_percent, rarely;

static ptm_lane *
some_lane(void)
{
    return ptm_test_below(100) < raw_percent ? PTM_LANE_RAW : PTM_LANE_MAIN;
}

static void
book(ptm_lane *lane, uint32_t event)
{
    if (lane == PTM_LANE_MAIN) {
        ptm_journal_add(PTM_LANE_MAIN, event);
    }
    else {
        ptm_journal_book(event);
    }
}

static void
make_like(known *k, ptm_lane *lane, uint64_t hash)
{
    ptm_site like = {.hash = hash, .size = ptm_test_below(1000), .depth = 1, .node = 1};
    ptm_site_id id = ptm_sites_new(lane, &like, &no_tail);
    if (id != 0) {
        *k = (known){.id = id, .hash = hash, .size = like.size, .lane = lane, .young = true};
        ptm_recent_put(&lane->recents, hash, id);
    }
}

static void
make(known *k)
{
    make_like(k, some_lane(), ++next_hash * PTM_HASH_SEED);
}

static void
enter(known *k)
{
    book(k->lane, k->id);
    k->live++;
    k->allocated++;
    blocks++;
    total += k->size;
    judge();
}

/* Any lane may free. */
static void
leave(known *k)
{
    book(some_lane(), k->id | PTM_EVENT_LEFT);
    k->live--;
    blocks--;
    total -= k->size;
}

/* A realloc: in the lane of the new site; the peak is judged when both are done. */
static void
change(known *from, known *to)
{
    book(to->lane, from->id | PTM_EVENT_LEFT);
    book(to->lane, to->id);
    from->live--;
    to->live++;
    to->allocated++;
    total += to->size - from->size;
    judge();
}

/* Its window leads to another stack now: a site of the same hash takes its place. */
static void
replace(known *k, known *heir)
{
    ptm_sites_forget(k->id);
    k->lost = true;
    if (heir->id == 0) {
        make_like(heir, k->lane, k->hash);
    }
}

static void
event_of_known(known *k, known *other)
{
    switch (ptm_test_below(5)) {
    case 0:
    case 1:
        enter(k);
        break;
    case 2:
        if (other->live != 0) {
            change(other, k);
        }
        break;
    default:
        if (k->live != 0) {
            leave(k);
        }
    }
}

static void
one_event(void)
{
    known *k = &model[ptm_test_below(MOST)], *other = &model[ptm_test_below(MOST)];
    if (k->id == 0) {
        make(k);
    }
    else if (!k->lost && ptm_test_below(200) == 0) {
        replace(k, other);
    }
    else if (!k->lost) {
        event_of_known(k, other);
    }
    else if (k->live != 0) {
        leave(k);
    }
}

static void
reset_peak(void)
{
    ptm_journal_drain();
    ptm_peak_restart();
    copy_peak();
}

/* -- checks ------------------------------------------------------------------------------------ */

static void
check_site(const known *k)
{
    const ptm_site *site = ptm_site_at(k->id);
    CHECK_EQ(ptm_site_live(site), k->live);
    CHECK_EQ(site->moved[PTM_CAME], k->allocated);
    CHECK_EQ(ptm_site_share(site), k->at_peak);
    if (k->lost) {
        CHECK(ptm_sites_find(lane_of(k), k->hash) != k->id);
    }
    else {
        CHECK_EQ(ptm_sites_find(lane_of(k), k->hash), k->id);
    }
}

static void
check_all(void)
{
    uint32_t n[PTM_N_FIXED_LANES] = {0};
    ptm_journal_drain();
    CHECK_EQ(ptm_the_peak.best_bytes, best);
    CHECK_EQ(ptm_peak_blocks(), blocks_at_best);
    CHECK_EQ(ptm_the_peak.bytes, total);
    CHECK_EQ(ptm_the_peak.blocks, blocks);
    for (int i = 0; i < MOST; i++) {
        if (model[i].id != 0) {
            check_site(&model[i]);
            n[ptm_lanes_id(model[i].lane)]++;
        }
    }
    CHECK_EQ(PTM_LANE_MAIN->n_sites, n[ptm_lanes_id(PTM_LANE_MAIN)]);
    CHECK_EQ(PTM_LANE_RAW->n_sites, n[ptm_lanes_id(PTM_LANE_RAW)]);
}

/* -- sweeps ------------------------------------------------------------------------------------ */

static known *
known_of(const ptm_site *site)
{
    for (int i = 0; i < MOST; i++) {
        if (model[i].id != 0 && ptm_site_at(model[i].id) == site) {
            return &model[i];
        }
    }
    NEED(!"a site of the model");
    return NULL;
}

static void
bury(ptm_site *site)
{
    known *k = known_of(site);
    CHECK(!k->gone);
    k->gone = true;
    buried_blocks += site->moved[PTM_CAME];
    buried_bytes += site->moved[PTM_CAME] * site->size;
}

static bool
keep(ptm_site *site)
{
    known *k = known_of(site);
    CHECK(k->was_young);
    k->young = !k->lost && ptm_test_below(8) == 0;
    return !k->young;
}

static const ptm_sweep sweeping = {bury, keep};

static bool
must_go(const known *k, bool whole)
{
    bool dead = k->live == 0 && k->at_peak == 0;
    bool unused = k->was_young ? k->allocated <= HARDLY_USED : whole && k->swept == k->allocated;
    return dead && unused;
}

/* What is gone was dead and had no share; its allocated blocks were buried. */
static void
let_go(known *k)
{
    CHECK_EQ(k->live, 0);
    CHECK_EQ(k->at_peak, 0);
    CHECK(ptm_sites_find(lane_of(k), k->hash) != k->id);
    CHECK(ptm_recent_site(&lane_of(k)->recents, k->hash) != k->id);
    expected_blocks += k->allocated;
    expected_bytes += k->allocated * k->size;
    k->id = 0;
}

/* Of what is lost nobody says how soon it goes. */
static void
after_sweep(known *k, bool whole)
{
    if (!k->lost) {
        CHECK_EQ(k->gone, must_go(k, whole));
    }
    if (k->gone) {
        let_go(k);
        return;
    }
    k->lost |= memory_is_short && ptm_site_at(k->id)->state == PTM_SITE_UNKNOWN;
    if (whole && !k->young) {
        k->swept = k->allocated;
    }
}

static void
before_sweep(void)
{
    ptm_journal_drain();
    for (int i = 0; i < MOST; i++) {
        model[i].was_young = model[i].young;
        model[i].gone = false;
    }
}

/* True: of all sites, and there was memory for it. */
static bool
sweep_lane(ptm_lane *lane)
{
    if (ptm_test_below(2)) {
        return ptm_sites_sweep(lane, &sweeping);
    }
    ptm_sites_sweep_young(lane, &sweeping);
    return false;
}

/* A lane without sites is never swept. */
static void
sweep(void)
{
    ptm_lane *lane = ptm_test_below(2) ? PTM_LANE_MAIN : PTM_LANE_RAW;
    before_sweep();
    bool whole = lane->n_sites != 0 && sweep_lane(lane);
    for (int i = 0; i < MOST; i++) {
        if (model[i].id != 0 && model[i].lane == lane) {
            after_sweep(&model[i], whole);
        }
    }
    CHECK_EQ(buried_blocks, expected_blocks);
    CHECK_EQ(buried_bytes, expected_bytes);
}

/* -- tests ------------------------------------------------------------------------------------- */

static void
clear(void)
{
    ptm_journal_clear();
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
        if (ptm_test_below(rarely) == 0) {
            check_all();
        }
        if (ptm_test_below(rarely) == 0) {
            sweep();
            check_all();
        }
        if (ptm_test_below(10 * rarely) == 0) {
            reset_peak();
            check_all();
        }
    }
    check_all();
}

static void
set_pace(int round)
{
    static const uint32_t percents[] = {50, 5, 0};
    raw_percent = percents[round % 3];
    rarely = round % 2 == 0 ? 50 : 1000;
}

static void
books_and_peak_equal_the_row(void)
{
    for (int round = 0; round < 30; round++) {
        set_pace(round);
        events_and_sweeps(3000);
        clear();
    }
}

static void
every_map_may_fail(void)
{
    for (int n = 0; n < 12; n++) {
        set_pace(n);
        ptm_mem_fail_after(n);
        memory_is_short = true;
        events_and_sweeps(2000);
        ptm_mem_fail_after(-1);
        memory_is_short = false;
        events_and_sweeps(2000);
        clear();
    }
}

/* -- many sites -------------------------------------------------------------------------------- */

static uint32_t kept;

static void
bury_nobody(ptm_site *site)
{
    (void)site;
    CHECK(!"a site that is alive goes");
}

static bool
keep_every(ptm_site *site)
{
    (void)site;
    kept++;
    return true;
}

static bool
keep_every_third(ptm_site *site)
{
    (void)site;
    return kept++ % 3 == 0;
}

/* Site n, alive. */
static void
make_nth(uint64_t n)
{
    ptm_site like = {.hash = n * PTM_HASH_SEED, .size = n};
    NEED(ptm_sites_new(PTM_LANE_MAIN, &like, &no_tail) == n);
    ptm_journal_add(PTM_LANE_MAIN, (uint32_t)n);
}

static void
check_first(uint64_t n)
{
    for (uint64_t i = 1; i <= n; i++) {
        CHECK_EQ(ptm_sites_find(PTM_LANE_MAIN, i * PTM_HASH_SEED), i);
    }
    CHECK_EQ(ptm_sites_find(PTM_LANE_MAIN, (n + 1) * PTM_HASH_SEED), 0);
    CHECK_EQ(ptm_sites_find(PTM_LANE_RAW, PTM_HASH_SEED), 0);
}

static void
check_memory(void)
{
    size_t told = 0;
    ptm_sites_visit(ptm_test_add_bytes, &told);
    CHECK_EQ(told, ptm_test_mapped_bytes);
}

/* Every seventh, from the first on. */
static void
forget_some(uint64_t n)
{
    for (uint64_t i = 1; i <= n; i += 7) {
        ptm_sites_forget((ptm_site_id)i);
    }
    for (uint64_t i = 1; i <= n; i++) {
        ptm_site_id found = ptm_sites_find(PTM_LANE_MAIN, i * PTM_HASH_SEED);
        CHECK_EQ(found, i % 7 == 1 ? 0 : i);
    }
}

static void
find_many(bool with_sweeps)
{
    enum { N = 100000 };
    const ptm_sweep young = {bury_nobody, keep_every};
    for (uint64_t n = 1; n <= N; n++) {
        if (with_sweeps && ptm_sites_want_sweep(PTM_LANE_MAIN)) {
            ptm_journal_drain();
            ptm_sites_sweep_young(PTM_LANE_MAIN, &young);
        }
        make_nth(n);
    }
    check_first(N);
    forget_some(N);
    check_memory();
    clear();
}

/* Without a sweep those that find no room among the young go into the index at once. */
static void
many_sites_find_themselves(void)
{
    find_many(true);
    find_many(false);
}

static void
a_sweep_of_many_keeps_all_that_live(void)
{
    enum { N = 20000 };
    const ptm_sweep whole = {bury_nobody, keep_every};
    for (uint64_t n = 1; n <= N; n++) {
        make_nth(n);
    }
    ptm_journal_drain();
    for (int i = 0; i < 3; i++) {
        CHECK(ptm_sites_sweep(PTM_LANE_MAIN, &whole));
        CHECK_EQ(PTM_LANE_MAIN->n_sites, N);
        CHECK(PTM_LANE_MAIN->sweep_at > N);
        check_first(N);
    }
    check_memory();
    clear();
}

static void
what_is_not_kept_stays_young(void)
{
    const ptm_sweep third = {bury_nobody, keep_every_third};
    for (uint64_t n = 1; n <= PTM_N_YOUNG; n++) {
        CHECK(!ptm_sites_want_sweep(PTM_LANE_MAIN));
        make_nth(n);
    }
    CHECK(ptm_sites_want_sweep(PTM_LANE_MAIN));
    ptm_journal_drain();
    for (uint32_t young = PTM_N_YOUNG; young != 0;) {
        kept = 0;
        ptm_sites_sweep_young(PTM_LANE_MAIN, &third);
        CHECK_EQ(kept, young);
        young -= (young + 2) / 3;
        CHECK_EQ(PTM_LANE_MAIN->n_young, young);
        check_first(PTM_N_YOUNG);
    }
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
    RUN(a_sweep_of_many_keeps_all_that_live);
    RUN(what_is_not_kept_stays_young);
    return ptm_test_done();
}
