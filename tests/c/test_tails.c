/* SPDX-License-Identifier: MIT
 *
 * Young sites with tails against whole rows of frames: however and whenever a tail becomes nodes,
 * the site's stack is its row. One thread, so no locks.
 */
#include "base/ptm_hash.h"
#include "ptm_test_mem.h"
#include "trace/ptm_journal.h"
#include "trace/ptm_stacks.h"
#include "trace/ptm_tails.h"

#define MOST 400
#define DEEPEST 6 /* below the tail */
#define FRAMES 30

typedef struct {
    ptm_site_id id; /* 0: free */
    uint64_t hash;
    uint32_t frames[DEEPEST + PTM_TAIL], n; /* frames[0] is the oldest */
} row;

static row model[MOST];
static uint64_t next_hash;

/* -- rows -------------------------------------------------------------------------------------- */

static ptm_lane *
lane_of(const row *r)
{
    return r - model < MOST / 2 ? PTM_LANE_MAIN : PTM_LANE_RAW;
}

/* No two rows end with the same frame. */
static uint32_t
top_of(const row *r)
{
    return FRAMES + 1 + (uint32_t)(r - model);
}

/* The node of the frames below the tail; every other row has a tail as long as it can be. */
static ptm_site
fill(row *r, ptm_tail *tail)
{
    uint32_t deep = ptm_test_below(DEEPEST + 1);
    uint32_t n = ptm_test_below(2) ? PTM_TAIL : ptm_test_below(PTM_TAIL);
    ptm_site like = {.hash = r->hash, .size = ptm_test_below(100), .n_tail = (uint8_t)n};
    r->n = deep + n == 0 ? 1 : deep + n;
    for (uint32_t i = 0; i < r->n; i++) {
        r->frames[i] = i + 1 < r->n ? 1 + ptm_test_below(FRAMES) : top_of(r);
        if (i + n < r->n) {
            like.node = ptm_stacks_push(like.node, r->frames[i]);
            NEED(like.node != 0);
        }
        else {
            tail->frames[i + n - r->n] = r->frames[i];
        }
    }
    return like;
}

static void
make(row *r)
{
    ptm_tail tail = {0};
    r->hash = ++next_hash * PTM_HASH_SEED;
    ptm_site like = fill(r, &tail);
    r->id = ptm_sites_new(lane_of(r), &like, &tail);
    NEED(r->id != 0);
}

static void
make_all(void)
{
    for (int i = 0; i < MOST; i++) {
        make(&model[i]);
    }
}

/* -- checks ------------------------------------------------------------------------------------ */

/* The nodes are these frames and no others. */
static void
check_nodes(ptm_node_id node, const uint32_t *frames, uint32_t n)
{
    for (; n > 0; node = ptm_stacks_at(node)->caller) {
        NEED(node != 0 && node < ptm_stacks_end());
        CHECK_EQ(ptm_stacks_at(node)->frame, frames[--n]);
    }
    CHECK_EQ(node, 0);
}

static void
check_joined(const row *r)
{
    CHECK_EQ(ptm_site_at(r->id)->n_tail, 0);
    check_nodes(ptm_site_at(r->id)->node, r->frames, r->n);
}

static const ptm_tail *
tail_of(const row *r)
{
    const ptm_lane *lane = lane_of(r);
    for (uint32_t i = 0; i < lane->n_young; i++) {
        if (lane->young[i] == r->id) {
            return &lane->tails[i];
        }
    }
    NEED(!"a young site");
    return NULL;
}

/* Joined or not. */
static void
check_stack(const row *r)
{
    const ptm_site *site = ptm_site_at(r->id);
    NEED(site->n_tail <= r->n);
    for (uint32_t i = 0; i < site->n_tail; i++) {
        CHECK_EQ(tail_of(r)->frames[i], r->frames[r->n - site->n_tail + i]);
    }
    check_nodes(site->node, r->frames, r->n - site->n_tail);
}

static ptm_site_id
found(const row *r)
{
    return ptm_sites_find(lane_of(r), r->hash);
}

static void
check_all(void)
{
    for (int i = 0; i < MOST; i++) {
        check_stack(&model[i]);
        CHECK_EQ(found(&model[i]), model[i].id);
    }
}

static void
check_all_joined(void)
{
    for (int i = 0; i < MOST; i++) {
        check_joined(&model[i]);
    }
}

static void
clear(void)
{
    ptm_journal_clear();
    ptm_sites_clear();
    ptm_stacks_clear();
    memset(model, 0, sizeof(model));
    CHECK_EQ(ptm_test_mapped_bytes, 0);
}

/* -- joining ----------------------------------------------------------------------------------- */

static void
a_tail_joins_its_node(void)
{
    make_all();
    check_all();
    for (int i = 0; i < MOST; i++) {
        CHECK(ptm_tails_join(ptm_site_at(model[i].id)));
        ptm_node_id node = ptm_site_at(model[i].id)->node;
        CHECK(ptm_tails_join(ptm_site_at(model[i].id)));
        CHECK_EQ(ptm_site_at(model[i].id)->node, node);
        check_joined(&model[i]);
    }
    clear();
}

static void
all_tails_join_their_nodes(void)
{
    CHECK(ptm_tails_join_all());
    make_all();
    CHECK(ptm_tails_join_all());
    check_all_joined();
    uint32_t end = ptm_stacks_end();
    CHECK(ptm_tails_join_all());
    CHECK_EQ(ptm_stacks_end(), end);
    clear();
}

/* A site whose tail joins is as it was until all of it has joined. */
static void
joining_without_memory(void)
{
    for (int n = 0; n < 12; n++) {
        make_all();
        ptm_mem_fail_after(n);
        (void)ptm_tails_join_all();
        for (int i = 0; i < MOST; i++) {
            const ptm_site *site = ptm_site_at(model[i].id);
            ptm_site before = *site;
            if (!ptm_tails_join(ptm_site_at(model[i].id))) {
                CHECK_EQ(site->node, before.node);
                CHECK_EQ(site->n_tail, before.n_tail);
            }
        }
        check_all();
        ptm_mem_fail_after(-1);
        CHECK(ptm_tails_join_all());
        check_all_joined();
        clear();
    }
}

/* -- burying ----------------------------------------------------------------------------------- */

/* Where a row's site was buried, by its frame that no other row ends with. */
static void
check_dead(const row *r, uint64_t blocks, uint64_t bytes)
{
    for (ptm_node_id id = 1; id < ptm_stacks_end(); id++) {
        const ptm_node *node = ptm_stacks_at(id);
        if (node->frame == top_of(r)) {
            blocks -= node->dead_blocks;
            bytes -= node->dead_bytes;
        }
    }
    CHECK_EQ(blocks, 0);
    CHECK_EQ(bytes, 0);
}

/* Every row's site with a few blocks, up to six of them. */
static void
make_used(void)
{
    make_all();
    for (int i = 0; i < MOST; i++) {
        for (int n = 0; n < 1 + i % 6; n++) {
            ptm_journal_add(PTM_LANE_MAIN, model[i].id);
        }
    }
    ptm_journal_drain();
}

static bool
has_tail(const row *r)
{
    return ptm_site_at(r->id)->n_tail != 0;
}

/* The site at its node; 0: there was no memory for one. */
static void
check_buried(const row *r)
{
    const ptm_site *site = ptm_site_at(r->id);
    uint64_t blocks = site->node == 0 ? 0 : site->moved[PTM_CAME];
    CHECK_EQ(site->n_tail, 0);
    check_dead(r, blocks, blocks * site->size);
}

static void
the_dead_lie_at_their_stacks(void)
{
    make_used();
    for (int i = 0; i < MOST; i++) {
        ptm_tails_bury(ptm_site_at(model[i].id));
        check_joined(&model[i]);
        check_buried(&model[i]);
    }
    clear();
}

static void
crowd(void)
{
    for (uint32_t n = 0; !ptm_stacks_crowded(); n++) {
        NEED(ptm_stacks_push(0, FRAMES + MOST + 1 + n) != 0);
    }
}

/* A stack that is made already is not folded; of the others no node is made but the one. */
static void
in_a_crowd_the_dead_are_folded(void)
{
    make_used();
    crowd();
    for (int i = 0; i < MOST; i++) {
        const row *r = &model[i];
        bool folds = has_tail(r);
        uint32_t end = ptm_stacks_end(), top = top_of(r);
        ptm_tails_bury(ptm_site_at(r->id));
        CHECK_EQ(ptm_stacks_end(), end + folds);
        check_nodes(ptm_site_at(r->id)->node, folds ? &top : r->frames, folds ? 1 : r->n);
        check_buried(r);
    }
    clear();
}

/* The whole stack, its most recent frame alone, or nothing. */
static void
burying_without_memory(void)
{
    for (int n = 0; n < 12; n++) {
        make_used();
        ptm_mem_fail_after(n);
        for (int i = 0; i < MOST; i++) {
            ptm_tails_bury(ptm_site_at(model[i].id));
        }
        ptm_mem_fail_after(-1);
        for (int i = 0; i < MOST; i++) {
            const row *r = &model[i];
            ptm_node_id node = ptm_site_at(r->id)->node;
            bool whole = node != 0 && ptm_stacks_at(node)->caller != 0;
            uint32_t n_nodes = whole ? r->n : node != 0;
            check_nodes(node, r->frames + r->n - n_nodes, n_nodes);
            check_buried(r);
        }
        clear();
    }
}

/* -- sweeps ------------------------------------------------------------------------------------ */

static const ptm_sweep sweeping = {ptm_tails_bury, ptm_tails_join};

static bool
is_third(int i)
{
    return i % 3 == 0;
}

/* One block each; those of every third site leave, and no peak remembers them. */
static void
make_and_kill(void)
{
    make_all();
    for (int i = 0; i < MOST; i++) {
        ptm_journal_add(PTM_LANE_MAIN, model[i].id);
        if (is_third(i)) {
            ptm_journal_add(PTM_LANE_MAIN, model[i].id | PTM_EVENT_LEFT);
        }
    }
    ptm_journal_drain();
    ptm_peak_restart();
}

static void
sweep_both(const ptm_sweep *how)
{
    ptm_sites_sweep_young(PTM_LANE_MAIN, how);
    ptm_sites_sweep_young(PTM_LANE_RAW, how);
}

static void
a_sweep_joins_what_lives_and_buries_the_rest(void)
{
    make_and_kill();
    uint64_t sizes[MOST];
    for (int i = 0; i < MOST; i++) {
        sizes[i] = ptm_site_at(model[i].id)->size;
    }
    sweep_both(&sweeping);
    for (int i = 0; i < MOST; i++) {
        const row *r = &model[i];
        CHECK_EQ(found(r), is_third(i) ? 0 : r->id);
        check_dead(r, is_third(i), is_third(i) ? sizes[i] : 0);
        if (!is_third(i)) {
            check_joined(r);
        }
    }
    CHECK_EQ(PTM_LANE_MAIN->n_young + PTM_LANE_RAW->n_young, 0);
    clear();
}

/* Young, with its tail, and found; or joined, and found if there was room in the index. */
static bool
stayed_young(const row *r)
{
    const ptm_site *site = ptm_site_at(r->id);
    check_stack(r);
    if (site->state == PTM_SITE_YOUNG) {
        CHECK(site->n_tail != 0);
        CHECK_EQ(found(r), r->id);
        return true;
    }
    CHECK_EQ(site->n_tail, 0);
    CHECK_EQ(found(r), site->state == PTM_SITE_INDEXED ? r->id : 0);
    return false;
}

static uint32_t
count_young(void)
{
    uint32_t n = 0;
    for (int i = 0; i < MOST; i++) {
        n += !is_third(i) && stayed_young(&model[i]);
    }
    CHECK_EQ(PTM_LANE_MAIN->n_young + PTM_LANE_RAW->n_young, n);
    return n;
}

static void
without_memory_for_its_stack_a_site_stays_young(void)
{
    for (int n = 0; n < 12; n++) {
        make_and_kill();
        ptm_mem_fail_after(n);
        sweep_both(&sweeping);
        uint32_t young = count_young();
        CHECK(n > 0 || young > 0);
        sweep_both(&sweeping);
        CHECK(count_young() <= young);
        ptm_mem_fail_after(-1);
        sweep_both(&sweeping);
        CHECK_EQ(count_young(), 0);
        clear();
    }
}

/* -- sites that no event finds ----------------------------------------------------------------- */

/* As if there were no memory for any node, but for the indexes. */
static bool
keep_without_memory(ptm_site *site)
{
    return site->n_tail == 0;
}

static const ptm_sweep refusing = {ptm_tails_bury, keep_without_memory};

static void
forget_all(void)
{
    for (int i = 0; i < MOST; i++) {
        ptm_sites_forget(model[i].id);
    }
}

static void
sweep_all(const ptm_sweep *how)
{
    for (int i = 0; i < 3; i++) {
        CHECK(ptm_sites_sweep(PTM_LANE_MAIN, how));
        CHECK(ptm_sites_sweep(PTM_LANE_RAW, how));
    }
}

/* They too may be refused memory, and wait among the young then, whatever else is swept. */
static void
a_lost_site_keeps_its_tail(void)
{
    make_used();
    forget_all();
    sweep_all(&refusing);
    for (int i = 0; i < MOST; i++) {
        check_stack(&model[i]);
    }
    CHECK(ptm_tails_join_all());
    check_all_joined();
    clear();
}

static void
a_lost_site_is_given_back_once(void)
{
    uint64_t sizes[MOST];
    make_all();
    for (int i = 0; i < MOST; i++) {
        sizes[i] = ptm_site_at(model[i].id)->size;
        for (int n = 0; n < 3; n++) {
            ptm_journal_add(PTM_LANE_MAIN, model[i].id);
            ptm_journal_add(PTM_LANE_MAIN, model[i].id | PTM_EVENT_LEFT);
        }
    }
    ptm_journal_drain();
    ptm_peak_restart();
    forget_all();
    sweep_all(&refusing);
    sweep_all(&sweeping);
    CHECK_EQ(ptm_table_count(&ptm_site_table), 0);
    CHECK_EQ(PTM_LANE_MAIN->n_sites + PTM_LANE_RAW->n_sites, 0);
    for (int i = 0; i < MOST; i++) {
        check_dead(&model[i], 3, 3 * sizes[i]);
    }
    clear();
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    ptm_sites_clear();
    RUN(a_tail_joins_its_node);
    RUN(all_tails_join_their_nodes);
    RUN(joining_without_memory);
    RUN(the_dead_lie_at_their_stacks);
    RUN(in_a_crowd_the_dead_are_folded);
    RUN(burying_without_memory);
    RUN(a_sweep_joins_what_lives_and_buries_the_rest);
    RUN(without_memory_for_its_stack_a_site_stays_young);
    RUN(a_lost_site_keeps_its_tail);
    RUN(a_lost_site_is_given_back_once);
    return ptm_test_done();
}
