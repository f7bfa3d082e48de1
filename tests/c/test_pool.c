/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_pool.h"

#include <stdlib.h>

#include "ptm_test.h"

#ifdef PTM_HAS_POOLS

/* One class, with pools made as pymalloc makes them. */
#define CLASS 30u
#define BYTES 496u
#define N_POOLS 3u
#define N_BLOCKS ((PTM_POOL_BYTES - sizeof(ptm_pool)) / BYTES)

static ptm_pool_ring rings[PTM_POOL_CLASSES];
const ptm_pool_ring *ptm_pool_rings = rings, *ptm_pool_open_rings = rings;

static ptm_pool *pools[N_POOLS];
static void *taken[N_POOLS * N_BLOCKS];
static size_t n_taken, n_pools;

static ptm_pool *
head(void)
{
    return (ptm_pool *)(void *)((char *)&rings[CLASS] - offsetof(ptm_pool, next));
}

static void *
block_at(ptm_pool *pool, size_t i)
{
    return (char *)pool + sizeof(ptm_pool) + i * BYTES;
}

/* Its first block is given out, its second one is the list. */
static void *
make_pool(void)
{
    ptm_pool *pool = pools[n_pools++] = aligned_alloc(PTM_POOL_BYTES, PTM_POOL_BYTES);
    CHECK(pool != NULL);
    *pool = (ptm_pool){.in_use = 1,
                       .first = block_at(pool, 1),
                       .next = rings[CLASS].next,
                       .previous = head(),
                       .size_class = CLASS,
                       .next_offset = sizeof(ptm_pool) + 2 * BYTES,
                       .last_offset = PTM_POOL_BYTES - BYTES};
    *(void **)pool->first = NULL;
    pool->next->previous = pool;
    rings[CLASS].next = pool;
    return block_at(pool, 0);
}

static bool
is_in_ring(const ptm_pool *pool)
{
    bool found = false;
    for (ptm_pool *p = rings[CLASS].next; p != head(); p = p->next) {
        CHECK(p->next->previous == p && p->previous->next == p);
        found = found || p == pool;
    }
    return found;
}

static size_t
taken_from(const ptm_pool *pool)
{
    size_t n = 0;
    for (size_t i = 0; i < n_taken; i++) {
        n += ptm_pool_of(taken[i]) == pool;
    }
    return n;
}

/* Used, free and virgin blocks are all there are; a pool without free ones is in no ring. */
static void
check_pool(const ptm_pool *pool)
{
    size_t n_free = 0, n_virgin = (PTM_POOL_BYTES - pool->next_offset) / BYTES;
    for (void **block = pool->first; block != NULL; block = *block) {
        CHECK(ptm_pool_of(block) == pool);
        n_free++;
    }
    CHECK(pool->in_use == taken_from(pool));
    CHECK(pool->in_use + n_free + n_virgin == N_BLOCKS);
    CHECK(is_in_ring(pool) == (n_free != 0));
}

static void
take_one(bool quick)
{
    ptm_pool *pool = rings[CLASS].next;
    void *expected = pool != head() ? pool->first : NULL;
    size_t size = BYTES - ptm_test_below(16);
    void *block = quick ? ptm_pools_take_quick(size) : ptm_pools_take(size);
    CHECK(block == expected || (quick && block == NULL && *(void **)expected == NULL));
    block = block == NULL && pool == head() && n_pools < N_POOLS ? make_pool() : block;
    if (block != NULL) {
        taken[n_taken++] = block;
    }
}

static void
give_one(void)
{
    size_t at = ptm_test_below((uint32_t)n_taken);
    void *block = taken[at];
    ptm_pool *pool = ptm_pool_of(block), before = *pool;
    if (ptm_pools_give(block)) {
        CHECK(pool->first == block && *(void **)block == before.first);
        CHECK(before.first != NULL || rings[CLASS].next == pool);
        taken[at] = taken[--n_taken];
    }
    else {
        CHECK(before.in_use == 1 && pool->in_use == 1 && pool->first == before.first);
    }
}

static void
test_against_a_count(void)
{
    for (uint32_t round = 0; round < 20000; round++) {
        bool up = round / 500 % 2 == 0; /* full pools, and nearly empty ones */
        if (n_taken == 0 || ptm_test_below(4) != (up ? 0u : 1u)) {
            up || n_taken == 0 ? take_one(ptm_test_below(2) != 0) : give_one();
        }
        else {
            up ? give_one() : take_one(false);
        }
        for (size_t i = 0; i < n_pools; i++) {
            check_pool(pools[i]);
        }
    }
    CHECK(n_pools == N_POOLS);
}

static void
test_other_sizes(void)
{
    CHECK(ptm_pools_take(0) == NULL && ptm_pools_take_quick(0) == NULL);
    CHECK(ptm_pools_take(513) == NULL && ptm_pools_take_quick(SIZE_MAX) == NULL);
    CHECK(ptm_pools_take(1) == NULL && ptm_pools_take(512) == NULL); /* rings that are empty */
}

int
main(void)
{
    for (uint32_t i = 0; i < PTM_POOL_CLASSES; i++) {
        ptm_pool *nobody = (ptm_pool *)(void *)((char *)&rings[i] - offsetof(ptm_pool, next));
        rings[i] = (ptm_pool_ring){nobody, nobody};
    }
    test_against_a_count();
    test_other_sizes();
    for (size_t i = 0; i < n_pools; i++) {
        free(pools[i]);
    }
    return 0;
}

#else

int
main(void)
{
    CHECK(!ptm_pools_give(NULL)); /* there are none */
    return 0;
}

#endif
