/* SPDX-License-Identifier: MIT
 *
 * The shadow, the blockmap, and the one door to both, against a row of (address, entry).
 */
#include <pthread.h>

#include "ptm_test_mem.h"
#include "trace/ptm_blocks.h"

#define MOST 4000
#define LEAF_BYTES ((uintptr_t)PTM_SHADOW_GRANULE << PTM_SHADOW_LEAF_BITS) /* of heap */

typedef struct {
    uintptr_t address;
    uint32_t entry;
} block;

static block model[MOST];
static uint32_t n_model;

/* Of the shadow: leaves that differ in the first or the last bit of their number, the last one of
 * 47 bits, and where leaves and wings meet; of the blockmap: odd, or beyond. */
static uintptr_t
some_address(void)
{
    static const uintptr_t bases[] = {
        0, LEAF_BYTES, (uintptr_t)1 << 33, 0x5555557a0000, 0x7ffffff00000, 0x3ffffff80000};
    uintptr_t base = bases[ptm_test_below(PTM_ARRAY_LEN(bases))];
    uintptr_t address = base + (uintptr_t)ptm_test_below(0x3000) * 16;
    switch (ptm_test_below(8)) {
    case 0:
        return address + 1 + ptm_test_below(15);
    case 1:
        return address | (uintptr_t)1 << (47 + ptm_test_below(17));
    default:
        return address;
    }
}

static block *
find(uintptr_t address)
{
    for (uint32_t i = 0; i < n_model; i++) {
        if (model[i].address == address) {
            return &model[i];
        }
    }
    return NULL;
}

static uint32_t
in_model(uintptr_t address)
{
    block *there = find(address);
    return there == NULL ? 0 : there->entry;
}

static void
set_model(uintptr_t address, uint32_t entry)
{
    block *there = find(address);
    if (there == NULL && n_model < MOST) {
        there = &model[n_model++];
    }
    NEED(there != NULL);
    *there = (block){address, entry};
}

static void
put(uintptr_t address, uint32_t entry)
{
    uint32_t old = 0, before = in_model(address);
    CHECK(ptm_blocks_put((const void *)address, entry, &old));
    CHECK_EQ(old, before);
    set_model(address, entry);
}

static void
take(uintptr_t address)
{
    CHECK_EQ(ptm_blocks_take((const void *)address), in_model(address));
    block *there = find(address);
    if (there != NULL) {
        *there = model[--n_model];
    }
    CHECK_EQ(ptm_blocks_get((const void *)address), 0);
}

static void
check_all(void)
{
    for (uint32_t i = 0; i < n_model; i++) {
        CHECK_EQ(ptm_blocks_get((const void *)model[i].address), model[i].entry);
    }
}

/* The shadow keeps its maps for good, the blockmap gives them back. */
static void
clear(void)
{
    ptm_shadow_clear();
    ptm_blockmap_clear();
    for (uint32_t i = 0; i < n_model; i++) {
        CHECK_EQ(ptm_blocks_get((const void *)model[i].address), 0);
    }
    n_model = 0;
}

static void
one_event(void)
{
    uintptr_t address =
        n_model > 0 && ptm_test_below(2) ? model[ptm_test_below(n_model)].address : some_address();
    uint32_t entry = 1 + ptm_test_below(PTM_ENTRY_SITE - 1);
    switch (ptm_test_below(8)) {
    case 0:
    case 1:
    case 2:
        take(address);
        break;
    case 3:
        if (in_model(address) != 0) {
            ptm_blocks_move((const void *)address, entry);
            find(address)->entry = (find(address)->entry & PTM_ENTRY_CODE) | entry;
        }
        break;
    case 4:
        CHECK(ptm_blocks_mark_code((const void *)address));
        set_model(address, in_model(address) | PTM_ENTRY_CODE);
        break;
    default:
        put(address, entry);
    }
    CHECK_EQ(ptm_blocks_get((const void *)address), in_model(address));
}

static void
equals_a_row_of_blocks(void)
{
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 3000 && n_model < MOST; i++) {
            one_event();
        }
        check_all();
        if (round % 3 == 2) {
            clear();
        }
    }
    clear();
}

/* The same address in two domains is two blocks; the one in domain 0 may lie in the shadow. */
static void
domains_are_apart(void)
{
    uint32_t old, far = 389047;
    for (uintptr_t address = 4096; address < 4100; address++) {
        CHECK(ptm_blocks_put((const void *)address, 1, &old));
        CHECK(ptm_blockmap_put(far, address, 2, &old));
        CHECK_EQ(old, 0);
        CHECK(ptm_blockmap_put(far + 1, address, 3, &old));
        CHECK(ptm_blockmap_put(far, address, 4, &old));
        CHECK_EQ(old, 2);
        CHECK_EQ(ptm_blockmap_get(far + 2, address), 0);
        CHECK_EQ(ptm_blockmap_take(far, address), 4);
        CHECK_EQ(ptm_blockmap_take(far, address), 0);
        CHECK_EQ(ptm_blockmap_get(far + 1, address), 3);
        CHECK_EQ(ptm_blocks_get((const void *)address), 1);
    }
    clear();
    CHECK_EQ(ptm_blockmap_get(far + 1, 4096), 0);
}

/* A refused put leaves the neighbours alone and is possible again later. */
static void
every_map_may_fail(void)
{
    for (int64_t n = 0; n < 14; n++) {
        ptm_mem_fail_after(n);
        uintptr_t odd = (uintptr_t)n << 30 | 1, beyond = (uintptr_t)(n + 1) << 48;
        uintptr_t fresh = (uintptr_t)(100 + n) << 34, next = fresh + 16;
        uint32_t old;
        bool done[4] = {ptm_blocks_put((const void *)fresh, 5, &old),
                        ptm_blocks_put((const void *)next, 6, &old),
                        ptm_blocks_put((const void *)odd, 7, &old),
                        ptm_blocks_put((const void *)beyond, 8, &old)};
        CHECK_EQ(done[0], n >= 2);
        CHECK_EQ(ptm_blocks_get((const void *)fresh), done[0] ? 5 : 0);
        CHECK_EQ(ptm_blocks_get((const void *)next), done[1] ? 6 : 0);
        CHECK_EQ(ptm_blocks_take((const void *)odd), done[2] ? 7 : 0);
        CHECK_EQ(ptm_blocks_take((const void *)beyond), done[3] ? 8 : 0);
        ptm_mem_fail_after(-1);
        CHECK(ptm_blocks_put((const void *)fresh, 9, &old));
        CHECK_EQ(old, done[0] ? 5 : 0);
        CHECK(ptm_blocks_put((const void *)odd, 9, &old));
        CHECK_EQ(old, 0);
        clear();
    }
}

static void
tells_the_maps_it_owns(void)
{
    uint32_t old;
    size_t told = 0;
    uintptr_t odd = 1 + PTM_SHADOW_GRANULE * (1 + (uintptr_t)ptm_test_below(1000));
    CHECK(ptm_blocks_put((const void *)odd, 3, &old));
    ptm_shadow_visit(ptm_test_add_bytes, &told);
    ptm_blockmap_visit(ptm_test_add_bytes, &told);
    CHECK_EQ(told, ptm_test_mapped_bytes);
    size_t discards = ptm_test_discards;
    clear();
    CHECK(ptm_test_discards > discards);
}

/* -- threads: each its own blocks, all the same new leaves ------------------------------------- */

#define N_THREADS 4
#define N_BLOCKS 20000
#define SHARED_BASE ((uintptr_t)0x123400000000)
#define STRIDE ((uintptr_t)16 * 37 * 8)
#define N_LEAVES (N_THREADS * N_BLOCKS * STRIDE / LEAF_BYTES)

/* Odd ones are the blockmap's. */
static uintptr_t
shared_address(uintptr_t i, uintptr_t me)
{
    return SHARED_BASE + (i * N_THREADS + me) * STRIDE + (i % 64 == 0);
}

static void *
work(void *arg)
{
    uintptr_t me = (uintptr_t)arg, wrong = 0;
    uint32_t old;
    for (uintptr_t i = 0; i < N_BLOCKS; i++) {
        uintptr_t address = shared_address(i, me);
        wrong += !ptm_blocks_put((const void *)address, (uint32_t)(me + 1), &old) || old != 0;
    }
    for (uintptr_t i = 0; i < N_BLOCKS; i++) {
        uintptr_t address = shared_address(i, me);
        wrong += ptm_blocks_take((const void *)address) != me + 1;
    }
    return (void *)wrong;
}

static size_t race_maps;

static void *
race_map(size_t bytes)
{
    PTM_FETCH_ADD(&race_maps, 1);
    return calloc(1, bytes);
}

static void
race_unmap(void *pages, size_t bytes)
{
    (void)bytes;
    free(pages);
}

static void
threads_meet_in_new_leaves(void)
{
    pthread_t threads[N_THREADS];
    ptm_mem_use((ptm_mem_ops){
        .map = race_map, .map_large = race_map, .unmap = race_unmap, .discard = ptm_test_discard});
    for (uintptr_t i = 0; i < N_THREADS; i++) {
        NEED(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK_EQ((uintptr_t)wrong, 0);
    }
    CHECK(race_maps >= N_LEAVES);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    RUN(equals_a_row_of_blocks);
    RUN(domains_are_apart);
    RUN(every_map_may_fail);
    RUN(tells_the_maps_it_owns);
    RUN(threads_meet_in_new_leaves);
    return ptm_test_done();
}
