/* SPDX-License-Identifier: MIT
 *
 * The shadow, the blockmap, and the one door to both, against a row of (address, entry).
 */
#include <pthread.h>

#include "ptm_test_mem.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_shadow_rows.h"

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

/* -- pools: rows with an entry per block ------------------------------------------------------ */

#ifdef PTM_HAS_POOLS

#define N_POOLS 6

static char pools[N_POOLS][PTM_POOL_BYTES] __attribute__((aligned(PTM_POOL_BYTES)));

static uint32_t
class_bytes(int pool)
{
    return ptm_pools_block_bytes(pools[pool]);
}

static uint32_t
n_blocks(int pool)
{
    return (uint32_t)((PTM_POOL_BYTES - PTM_SHADOW_POOL_HEAD) / class_bytes(pool));
}

static uintptr_t
pool_block(int pool, uint32_t i)
{
    return (uintptr_t)pools[pool] + PTM_SHADOW_POOL_HEAD + i * class_bytes(pool);
}

static void
begin_pool(int pool, uint32_t size_class)
{
    ptm_pool *head = (ptm_pool *)(void *)pools[pool];
    head->size_class = size_class;
}

static bool
is_packed(int pool)
{
    return ptm_blocks_is_packed(pools[pool]);
}

static void
put_pooled(int pool, uint32_t i)
{
    put(pool_block(pool, i), PTM_ENTRY_POOLED | (1 + ptm_test_below(1000)));
}

/* Every block of every class has an entry of its own, in a row that is as short as can be; the
 * bytes are those of the row for a block, whatever the size. */
static void
every_block_of_a_pool_has_its_entry(void)
{
    for (uint32_t size_class = 0; size_class < PTM_POOL_CLASSES; size_class++) {
        begin_pool(0, size_class);
        for (uint32_t i = 0; i < n_blocks(0); i++) {
            put_pooled(0, i);
        }
        CHECK_EQ(is_packed(0), size_class > 0);
        uint32_t row = 1u << PTM_SHADOW_EXPONENT(ptm_shadow_region((uintptr_t)pools[0]));
        CHECK(row <= class_bytes(0) && class_bytes(0) < 2 * row);
        check_all();
        clear();
        CHECK(!is_packed(0));
    }
}

/* What is no block of a pool has no entry there, and none if it is asked for. */
static void
nothing_is_found_between_blocks(void)
{
    begin_pool(1, 6);
    for (uint32_t i = 0; i < n_blocks(1); i++) {
        put_pooled(1, i);
    }
    for (uintptr_t at = (uintptr_t)pools[1]; at < pool_block(1, n_blocks(1)); at += 16) {
        CHECK_EQ(ptm_blocks_get((const void *)at), in_model(at));
    }
    CHECK(is_packed(1));
    clear();
}

/* An unpacked row believes nobody that he lies in a pool. */
static void
strip_marks(void)
{
    for (uint32_t i = 0; i < n_model; i++) {
        model[i].entry &= ~PTM_ENTRY_POOLED;
    }
}

/* A block that is not known to lie in the pool, or is of another size: all of them keep their
 * entries, in a plain row. */
static void
a_row_that_does_not_suit_is_unpacked(void)
{
    for (uint32_t size_class = 1; size_class < PTM_POOL_CLASSES; size_class++) {
        begin_pool(2, size_class);
        for (uint32_t i = 0; i < n_blocks(2); i += 1 + ptm_test_below(3)) {
            put_pooled(2, i);
        }
        CHECK(is_packed(2));
        strip_marks();
        put(pool_block(2, 0) + (size_class % 2 != 0 ? 16 : 0) + class_bytes(2), 7);
        CHECK(!is_packed(2));
        check_all();
        put(pool_block(2, 1), PTM_ENTRY_POOLED | 8); /* and stays there */
        CHECK(!is_packed(2));
        clear();
        begin_pool(2, size_class);
        put_pooled(2, 3);
        begin_pool(2, size_class - 1);
        strip_marks();
        put(pool_block(2, 9), PTM_ENTRY_POOLED | 9);
        CHECK(!is_packed(2));
        check_all();
        clear();
    }
}

static void
end_pool(int pool)
{
    if (is_packed(pool)) {
        bool left = false;
        for (uint32_t i = 0; i < n_blocks(pool); i++) {
            block *there = find(pool_block(pool, i));
            left = left || there != NULL;
            if (there != NULL) {
                there->entry &= ~PTM_ENTRY_POOLED;
            }
        }
        ptm_shadow_end_pool(pool_block(pool, 0));
        CHECK_EQ(ptm_shadow_region((uintptr_t)pools[pool]) != 0, left);
    }
    CHECK(!is_packed(pool));
    check_all();
}

/* Pools come, have blocks, and go, in any order: with every block taken the row waits for the next
 * one, else the entries stay. */
static void
pools_come_and_go(void)
{
    for (int round = 0; round < 2000; round++) {
        int pool = ptm_test_below(N_POOLS);
        uint32_t some = ptm_test_below(4), n = n_blocks(pool);
        bool all = ptm_test_below(8) != 0;
        for (uint32_t i = 0; i < some; i++) {
            put_pooled(pool, ptm_test_below(n));
        }
        for (uint32_t i = 0; i < n && all; i++) {
            take(pool_block(pool, i));
        }
        end_pool(pool);
        if (all) {
            begin_pool(pool, 1 + ptm_test_below(PTM_POOL_CLASSES - 1));
        }
        if (round % 100 == 99) {
            clear();
        }
    }
    clear();
}

/* No memory for a packed row: a plain one does as well. */
static void
a_packed_row_may_fail(void)
{
    begin_pool(3, 3);
    put((uintptr_t)pools[4], 1); /* there is a wing, and a leaf */
    ptm_mem_fail_after(0);
    put_pooled(3, 5);
    CHECK(!is_packed(3));
    ptm_mem_fail_after(-1);
    put_pooled(3, 6);
    CHECK(!is_packed(3));
    check_all();
    clear();
    put_pooled(3, 5);
    CHECK(is_packed(3));
    clear();
}

/* Rows of all sizes, more than one slab of them, every one for itself. */
static void
rows_do_not_meet(void)
{
    enum { N = 3000 };
    static uint32_t *rows[N], bytes[N];
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < N; i++) {
            bytes[i] = 128u << ptm_test_below(5);
            rows[i] = ptm_shadow_rows_new(bytes[i]);
            NEED(rows[i] != NULL);
            for (uint32_t k = 0; k < bytes[i] / 4; k++) {
                CHECK_EQ(rows[i][k], 0);
                rows[i][k] = i + 1;
            }
        }
        for (uint32_t i = 0; i < N; i++) {
            for (uint32_t k = 0; k < bytes[i] / 4; k++) {
                CHECK_EQ(rows[i][k], i + 1);
            }
            memset(rows[i], 0, bytes[i]);
            ptm_shadow_rows_drop(rows[i], bytes[i]);
        }
    }
    ptm_shadow_rows_clear();
}

#endif

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
    void *pages = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    return pages == NULL ? NULL : memset(pages, 0, bytes);
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
#ifdef PTM_HAS_POOLS
    RUN(a_packed_row_may_fail); /* while there is no slab yet */
    RUN(every_block_of_a_pool_has_its_entry);
    RUN(nothing_is_found_between_blocks);
    RUN(a_row_that_does_not_suit_is_unpacked);
    RUN(pools_come_and_go);
    RUN(rows_do_not_meet);
#endif
    RUN(threads_meet_in_new_leaves);
    return ptm_test_done();
}
