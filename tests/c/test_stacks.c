/* SPDX-License-Identifier: MIT
 *
 * Stacks as a tree of nodes, against whole rows of frames; what the dead used is swept and folded.
 */
#include "ptm_test_mem.h"
#include "trace/ptm_stacks.h"

#define MOST 300
#define DEEPEST 12
#define FRAMES 40

typedef struct {
    ptm_node_id node; /* 0: free */
    uint32_t frames[DEEPEST], n;
} stack; /* frames[0] is the oldest */

static stack model[MOST];
static uint64_t buried[FRAMES + 1][2],
    expected[FRAMES + 1][2]; /* blocks and bytes by most recent frame */

static bool
push(stack *s)
{
    s->n = 1 + ptm_test_below(DEEPEST);
    ptm_node_id node = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        s->frames[i] = 1 + ptm_test_below(i < 2 ? 3 : FRAMES);
        node = ptm_stacks_push(node, s->frames[i]);
        if (node == 0) {
            s->node = 0;
            return false;
        }
    }
    s->node = node;
    return true;
}

static void
check(const stack *s)
{
    ptm_node_id node = s->node;
    for (uint32_t i = s->n; i-- > 0; node = ptm_stacks_at(node)->caller) {
        NEED(node != 0 && node < ptm_stacks_end());
        CHECK_EQ(ptm_stacks_at(node)->frame, s->frames[i]);
    }
    CHECK_EQ(node, 0);
}

static uint32_t
common(const stack *a, const stack *b)
{
    uint32_t n = 0;
    while (n < a->n && n < b->n && a->frames[a->n - 1 - n] == b->frames[b->n - 1 - n]) {
        n++;
    }
    return n;
}

static void
check_all(void)
{
    for (int i = 0; i < MOST; i++) {
        if (model[i].node == 0) {
            continue;
        }
        check(&model[i]);
        const stack *other = &model[ptm_test_below(MOST)];
        if (other->node != 0) {
            uint32_t same = common(&model[i], other);
            bool equal = same == model[i].n && same == other->n;
            CHECK_EQ(equal, model[i].node == other->node);
            for (uint32_t limit = 1; limit <= DEEPEST; limit++) {
                CHECK_EQ(ptm_stacks_same(model[i].node, other->node, limit),
                         equal || limit <= same);
            }
        }
    }
}

static void
bury(const stack *s)
{
    uint64_t n = 1 + ptm_test_below(100), bytes = n * ptm_test_below(1000);
    ptm_stacks_bury(s->node, n, bytes);
    expected[s->frames[s->n - 1]][0] += n;
    expected[s->frames[s->n - 1]][1] += bytes;
}

/* Wherever they lie now: blocks of the dead, by most recent frame. */
static void
check_buried(void)
{
    memset(buried, 0, sizeof(buried));
    for (ptm_node_id id = 1; id < ptm_stacks_end(); id++) {
        const ptm_node *node = ptm_stacks_at(id);
        if (node->frame != 0) {
            buried[node->frame][0] += node->dead_blocks;
            buried[node->frame][1] += node->dead_bytes;
        }
    }
    for (int i = 0; i <= FRAMES; i++) {
        CHECK_EQ(buried[i][0], expected[i][0]);
        CHECK_EQ(buried[i][1], expected[i][1]);
    }
}

static void
mark_all(void)
{
    for (int i = 0; i < MOST; i++) {
        if (model[i].node != 0) {
            ptm_stacks_mark(model[i].node);
        }
    }
}

static void
clear(void)
{
    ptm_stacks_clear();
    memset(model, 0, sizeof(model));
    memset(expected, 0, sizeof(expected));
    CHECK_EQ(ptm_test_mapped_bytes, 0);
}

static void
drop_some(void)
{
    for (int i = 0; i < MOST; i++) {
        if (model[i].node != 0 && ptm_test_below(2)) {
            if (ptm_test_below(2)) {
                bury(&model[i]);
            }
            model[i].node = 0;
        }
    }
}

static void
fill(void)
{
    for (int i = 0; i < MOST; i++) {
        if (model[i].node == 0) {
            (void)push(&model[i]);
        }
    }
}

static void
stacks_equal_their_rows(void)
{
    for (int round = 0; round < 40; round++) {
        fill();
        check_all();
        drop_some();
        check_buried();
        CHECK_EQ(ptm_stacks_sweep(mark_all), PTM_OK);
        check_all();
        check_buried();
        if (round % 10 == 9) {
            clear();
        }
    }
}

/* Nothing but the books of the dead may suffer where memory is short, and only where it says so. */
static void
every_map_may_fail(void)
{
    for (int64_t n = 0; n < 12; n++) {
        ptm_mem_fail_after(n);
        for (int round = 0; round < 3; round++) {
            fill();
            check_all();
            drop_some();
            (void)ptm_stacks_sweep(mark_all);
            check_all();
        }
        ptm_mem_fail_after(-1);
        CHECK_EQ(ptm_stacks_sweep(mark_all), PTM_OK);
        fill();
        check_all();
        clear();
    }
}

static void
a_sweep_gives_the_nodes_back(void)
{
    fill();
    uint32_t end = ptm_stacks_end();
    for (int round = 0; round < 50; round++) {
        memset(model, 0, sizeof(model));
        CHECK_EQ(ptm_stacks_sweep(mark_all), PTM_OK);
        fill();
    }
    CHECK(ptm_stacks_end() < 2 * end);
    size_t told = 0;
    ptm_stacks_visit(ptm_test_add_bytes, &told);
    CHECK_EQ(told, ptm_test_mapped_bytes);
    clear();
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    RUN(stacks_equal_their_rows);
    RUN(every_map_may_fail);
    RUN(a_sweep_gives_the_nodes_back);
    return ptm_test_done();
}
