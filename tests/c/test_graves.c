/* SPDX-License-Identifier: MIT
 *
 * Sums of recycled sites by domain and frame, against a table; sweeps of the stacks; no memory.
 */
#include "ptm_test_mem.h"
#include "trace/ptm_graves.h"
#include "trace/ptm_stacks.h"

#define DOMAINS 5
#define FRAMES 2000

static uint64_t blocks[DOMAINS][FRAMES], bytes[DOMAINS][FRAMES];

static void
bury_some(int n)
{
    for (int i = 0; i < n; i++) {
        uint32_t domain = 1 + ptm_test_below(DOMAINS - 1), frame = 1 + ptm_test_below(FRAMES - 1);
        uint64_t size = ptm_test_below(1000);
        ptm_graves_bury((ptm_domain_id)domain, frame, 2, 2 * size);
        blocks[domain][frame] += 2;
        bytes[domain][frame] += 2 * size;
    }
}

/* Each place has one grave, with its sums. */
static void
check_graves(void)
{
    uint32_t expected = 0;
    for (uint32_t id = 1; id < ptm_graves_end(); id++) {
        const ptm_grave *grave = ptm_graves_at(id);
        const ptm_node *node = ptm_stacks_at(grave->node);
        CHECK(node->caller == 0 && node->frame != 0);
        CHECK_EQ(grave->blocks, blocks[grave->domain][node->frame]);
        CHECK_EQ(grave->bytes, bytes[grave->domain][node->frame]);
    }
    for (uint32_t i = 0; i < DOMAINS * FRAMES; i++) {
        expected += blocks[i / FRAMES][i % FRAMES] != 0;
    }
    CHECK_EQ(ptm_graves_end() - 1, expected);
}

static void
clear(void)
{
    ptm_graves_clear();
    ptm_stacks_clear();
    memset(blocks, 0, sizeof(blocks));
    memset(bytes, 0, sizeof(bytes));
    CHECK_EQ(ptm_test_mapped_bytes, 0);
}

static void
sums_by_domain_and_frame(void)
{
    bury_some(20000);
    check_graves();
    size_t told = 0;
    ptm_graves_visit(ptm_test_add_bytes, &told);
    ptm_stacks_visit(ptm_test_add_bytes, &told);
    CHECK_EQ(told, ptm_test_mapped_bytes);
    clear();
}

/* Their nodes stay, others go. */
static void
stacks_are_swept(void)
{
    bury_some(300);
    uint32_t before = ptm_stacks_end();
    CHECK(ptm_stacks_push(ptm_stacks_push(0, FRAMES + 1), 1) == before + 1);
    CHECK_EQ(ptm_stacks_sweep(ptm_graves_mark), PTM_OK);
    check_graves();
    CHECK(ptm_stacks_at(before)->frame == 0 && ptm_stacks_at(before + 1)->frame == 0);
    bury_some(300);
    check_graves();
    clear();
}

/* Of graves of frames that only this test has: what they hold of one, in whole burials. */
static uint64_t
held_of(uint32_t frame, uint64_t each)
{
    uint64_t sum = 0;
    for (uint32_t id = 1; id < ptm_graves_end(); id++) {
        const ptm_grave *grave = ptm_graves_at(id);
        CHECK(grave->node != 0);
        if (ptm_stacks_at(grave->node)->frame == frame) {
            CHECK_EQ(grave->blocks % each, 0);
            CHECK_EQ(grave->bytes, grave->blocks * 4);
            sum += grave->blocks;
        }
    }
    return sum;
}

/* What cannot be kept is lost as a whole; what is there stays. */
static void
every_map_may_fail(void)
{
    enum { MAPS = 12, LOST = FRAMES + 7, LATE };
    for (int64_t n = 0; n < MAPS; n++) {
        bury_some(n % 2 ? 100 : 0);
        ptm_mem_fail_after(n / 2);
        ptm_graves_bury(2, LOST, 3, 12);
        ptm_mem_fail_after(-1);
        uint64_t kept = held_of(LOST, 3);
        CHECK(kept == 3 || (kept == 0 && n < MAPS - 2));
        ptm_graves_bury(2, LOST, 3, 12);
        ptm_graves_bury(3, LATE, 5, 20);
        CHECK_EQ(held_of(LOST, 3), kept + 3);
        CHECK_EQ(held_of(LATE, 5), 5);
        clear();
    }
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    RUN(sums_by_domain_and_frame);
    RUN(stacks_are_swept);
    RUN(every_map_may_fail);
    return ptm_test_done();
}
