/* SPDX-License-Identifier: MIT
 *
 * ptm_pool - a small block from the interpreter's own allocator, or back to it, without a call.
 *
 * How       pymalloc keeps blocks of one size class in pools of 16 kB, and of each class a ring of
 *           those pools that have some free and some in use. What it does nearly always is one
 *           step on a list, and now and then a pool leaves the ring, or comes back as the first:
 *
 *               rings[class] ──► pool ──► block ──► next ──► …      take: the first one
 *                                  ◄───── block                     give: a new first one
 *
 *           That is done here as pymalloc does it, on its own lists: the program gets the block
 *           that it would have got. A new pool for a class, and one that becomes empty, are left to
 *           pymalloc, with nothing changed.
 * Threads   attached to the main interpreter; give: of a block that lies in a pool of its own
 * Failure   take: NULL, give: false: ask the allocator
 */
#ifndef PTM_POOL_H
#define PTM_POOL_H

#include "base/ptm_base.h"

#ifndef PTM_FREE_THREADED
#define PTM_HAS_POOLS
#endif

#ifndef PTM_HAS_POOLS

/* mimalloc's heaps have no such lists. */
static PTM_ALWAYS_INLINE uint32_t
ptm_pools_block_bytes(const void *block)
{
    (void)block;
    return 0;
}

static PTM_ALWAYS_INLINE bool
ptm_pools_ends_with(const void *block)
{
    (void)block;
    return false;
}

static PTM_ALWAYS_INLINE bool
ptm_pools_give(void *block)
{
    (void)block;
    return false;
}

#else

/* struct pool_header (Objects/obmalloc.c, from 3.12 on Include/internal/pycore_obmalloc.h). */
typedef struct ptm_pool {
    uint32_t in_use; /* blocks that the program has */
    void *first;     /* of the free ones; a list through their first words */
    struct ptm_pool *next, *previous;
    uint32_t arena, size_class, next_offset, last_offset;
} __attribute__((may_alias)) ptm_pool;

#define PTM_POOL_BYTES ((uintptr_t)16 << 10)
#define PTM_POOL_CLASS_BITS 4 /* a class has sizes up to the next multiple of 16 */
#define PTM_POOL_CLASSES 32u

/* Only the links of the rings' heads are there: they are two words, of a pool that is not. */
typedef struct {
    ptm_pool *next, *previous;
} __attribute__((may_alias)) ptm_pool_ring;

/* Those of pymalloc, once they were found; and those to take from: the same, or empty ones. */
PTM_EXTERN const ptm_pool_ring *ptm_pool_rings, *ptm_pool_open_rings;

static inline uint32_t
ptm_pool_class_bytes(uint32_t size_class)
{
    return (size_class + 1) << PTM_POOL_CLASS_BITS;
}

static PTM_ALWAYS_INLINE ptm_pool *
ptm_pool_of(const void *block)
{
    return (ptm_pool *)((uintptr_t)block & ~(PTM_POOL_BYTES - 1));
}

/* The one to take from; NULL: none has a free block, or it is no small size. */
static PTM_ALWAYS_INLINE ptm_pool *
ptm_pool_for(size_t size)
{
    size_t size_class = (size - 1) >> PTM_POOL_CLASS_BITS;
    ptm_pool *pool =
        PTM_LIKELY(size_class < PTM_POOL_CLASSES) ? ptm_pool_open_rings[size_class].next : NULL;
    return PTM_LIKELY(pool != NULL) && PTM_LIKELY(pool != pool->next) ? pool : NULL;
}

/* Makes `next` the first free block in the place of the one that is taken. */
static PTM_ALWAYS_INLINE void *
ptm_pool_step(ptm_pool *pool, void *next)
{
    void *block = pool->first;
    pool->first = next;
    pool->in_use++;
    return block;
}

/* Out of its ring: it has no free block. */
static inline void
ptm_pool_unlink(ptm_pool *pool)
{
    pool->next->previous = pool->previous;
    pool->previous->next = pool->next;
}

/* Back into it, as the first. */
static inline void
ptm_pool_link(ptm_pool *pool)
{
    ptm_pool *next = ptm_pool_rings[pool->size_class].next, *head = next->previous;
    pool->next = next;
    pool->previous = head;
    next->previous = pool;
    head->next = pool;
}

/* What follows the last free block of a list: one that nobody had yet; it ends the list. NULL:
 * there is none. */
static inline void *
ptm_pool_virgin(ptm_pool *pool)
{
    if (pool->next_offset > pool->last_offset) {
        return NULL;
    }
    void **block = (void **)((char *)pool + pool->next_offset);
    pool->next_offset += ptm_pool_class_bytes(pool->size_class);
    *block = NULL;
    return block;
}

/* A block from a list of more than one, which is what nearly all are. */
static PTM_ALWAYS_INLINE void *
ptm_pools_take_quick(size_t size)
{
    ptm_pool *pool = ptm_pool_for(size);
    void *next = PTM_LIKELY(pool != NULL) ? *(void **)pool->first : NULL;
    return PTM_LIKELY(next != NULL) ? ptm_pool_step(pool, next) : NULL;
}

/* From any pool of the ring. */
static inline void *
ptm_pools_take(size_t size)
{
    ptm_pool *pool = ptm_pool_for(size);
    if (pool == NULL) {
        return NULL;
    }
    void *next = *(void **)pool->first;
    next = next != NULL ? next : ptm_pool_virgin(pool);
    if (next == NULL) {
        ptm_pool_unlink(pool);
    }
    return ptm_pool_step(pool, next);
}

/* False: the pool would become empty. */
static PTM_ALWAYS_INLINE bool
ptm_pools_give(void *block)
{
    ptm_pool *pool = ptm_pool_of(block);
    void *first = pool->first;
    if (PTM_UNLIKELY(pool->in_use == 1)) {
        return false;
    }
    *(void **)block = first;
    pool->first = block;
    pool->in_use--;
    if (PTM_UNLIKELY(first == NULL)) {
        ptm_pool_link(pool);
    }
    return true;
}

/* What a block in a pool takes of it. */
static inline uint32_t
ptm_pools_block_bytes(const void *block)
{
    return ptm_pool_class_bytes(ptm_pool_of(block)->size_class);
}

/* Whether the pool ends with this block of it. */
static inline bool
ptm_pools_ends_with(const void *block)
{
    return ptm_pool_of(block)->in_use == 1;
}

#endif

#endif
