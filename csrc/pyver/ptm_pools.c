/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_pools.h"

#include <string.h>

#include "os/ptm_os.h"

#ifndef PTM_HAS_POOLS

void
ptm_pools_find(void)
{
}

void
ptm_pools_use(const PyMemAllocatorEx *mem, const PyMemAllocatorEx *obj)
{
    (void)mem;
    (void)obj;
}

bool
ptm_pools_used(void)
{
    return false;
}

#else

PTM_OFFSET_IS(ptm_pool, first, 8);
PTM_OFFSET_IS(ptm_pool, next, 16);
PTM_OFFSET_IS(ptm_pool, size_class, 36);

/* Follows itself, as the head of an empty ring does. */
static ptm_pool no_pool = {.next = &no_pool};
static const ptm_pool_ring empty_rings[PTM_POOL_CLASSES] = {
    [0 ... PTM_POOL_CLASSES - 1] = {.next = &no_pool},
};
const ptm_pool_ring *ptm_pool_rings = empty_rings;
const ptm_pool_ring *ptm_pool_open_rings = empty_rings;

/* What was watched last, and whether it did as foreseen. */
static PyMemAllocatorEx pymalloc;
static bool is_found;

/* The interpreter's own name for what the three domains have now. */
__attribute__((weak)) PyAPI_FUNC(const char *) _PyMem_GetCurrentAllocatorName(void);

static bool
is_pymalloc_on_top(void)
{
    const char *name =
        _PyMem_GetCurrentAllocatorName != NULL ? _PyMem_GetCurrentAllocatorName() : NULL;
    return name != NULL && strcmp(name, "pymalloc") == 0;
}

/* Another one may have pools of its own. */
static bool
is_main_interpreter(void)
{
    return PyInterpreterState_Get() == PyInterpreterState_Main();
}

/* What a pool of this class says of itself and of its blocks. It is read where there may be none:
 * its memory is mapped, and no more is known of it. */
__attribute__((no_sanitize_address)) static bool
is_laid_out(const ptm_pool *pool, const void *block, uint32_t size_class)
{
    uint32_t bytes = ptm_pool_class_bytes(size_class);
    uintptr_t at = (uintptr_t)block - (uintptr_t)pool - sizeof(*pool);
    return pool->size_class == size_class && at < PTM_POOL_BYTES && at % bytes == 0
           && pool->last_offset == PTM_POOL_BYTES - bytes
           && (pool->next_offset - sizeof(*pool)) % bytes == 0;
}

/* What will be the first free block when the first one is taken; NULL: none, the pool is full. */
static void *
foreseen_next(const ptm_pool *pool)
{
    void *next = *(void **)pool->first;
    bool virgin = next == NULL && pool->next_offset <= pool->last_offset;
    return virgin ? (char *)(uintptr_t)pool + pool->next_offset : next;
}

/* One block more, and back: each time all is as it was foreseen. */
static bool
does_as_foreseen(const ptm_pool_ring *ring, size_t size)
{
    ptm_pool *pool = ring->next, *second = pool->next, *head = pool->previous;
    void *first = pool->first, *next = foreseen_next(pool);
    uint32_t in_use = pool->in_use;
    void **block = pymalloc.malloc(pymalloc.ctx, size);
    bool right = block == first && pool->first == next && pool->in_use == in_use + 1
                 && ring->next == (next != NULL ? pool : second);
    pymalloc.free(pymalloc.ctx, block);
    return right && pool->first == block && *block == next && pool->in_use == in_use
           && ring->next == pool && pool->next == second && pool->previous == head;
}

/* The same until the pool has become full once. */
static bool
fills_as_foreseen(const ptm_pool_ring *ring, size_t size)
{
    bool is_last = foreseen_next(ring->next) == NULL;
    if (!does_as_foreseen(ring, size)) {
        return false;
    }
    if (is_last) {
        return true;
    }
    void *block = pymalloc.malloc(pymalloc.ctx, size);
    bool right = fills_as_foreseen(ring, size);
    pymalloc.free(pymalloc.ctx, block);
    return right;
}

/* The ring of the pool that was taken from last: it is the first there. */
static const ptm_pool_ring *
ring_of(const ptm_pool *pool)
{
    const void *head = pool->previous; /* of which only the links are there */
    const ptm_pool_ring *ring = (const void *)((const char *)head + offsetof(ptm_pool, next));
    return ptm_os_is_readable(ring) && ring->next == pool ? ring : NULL;
}

/* The block is kept so that its pool does not become empty; but a pool that has given its last one
 * is in no ring until that comes back. */
static const ptm_pool_ring *
find_ring(uint32_t size_class)
{
    size_t size = ptm_pool_class_bytes(size_class);
    void *block = pymalloc.malloc(pymalloc.ctx, size);
    ptm_pool *pool = ptm_pool_of(block);
    bool right = ptm_os_is_readable(pool) && is_laid_out(pool, block, size_class);
    if (right && pool->first == NULL) {
        pymalloc.free(pymalloc.ctx, block);
        block = NULL;
    }
    const ptm_pool_ring *ring = right ? ring_of(pool) : NULL;
    right = ring != NULL && does_as_foreseen(ring, size);
    pymalloc.free(pymalloc.ctx, block);
    return right ? ring : NULL;
}

#define LARGEST (PTM_POOL_CLASSES - 1) /* 31 blocks fill a pool */

/* NULL: they are not in a row, or one of them was not found. */
static const ptm_pool_ring *
find_rings(void)
{
    const ptm_pool_ring *rings = find_ring(0);
    for (uint32_t i = 1; i < PTM_POOL_CLASSES && rings != NULL; i++) {
        rings = find_ring(i) == &rings[i] ? rings : NULL;
    }
    return rings;
}

/* A pool of the largest blocks is filled: there is one in the ring while a block is kept. */
static bool
watch_one_fill(const ptm_pool_ring *rings)
{
    size_t size = ptm_pool_class_bytes(LARGEST);
    void *block = pymalloc.malloc(pymalloc.ctx, size);
    void *other = pymalloc.malloc(pymalloc.ctx, size);
    bool right = fills_as_foreseen(&rings[LARGEST], size);
    pymalloc.free(pymalloc.ctx, other);
    pymalloc.free(pymalloc.ctx, block);
    return right;
}

void
ptm_pools_find(void)
{
    if (is_pymalloc_on_top()) {
        PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &pymalloc);
        const ptm_pool_ring *rings = is_main_interpreter() ? find_rings() : NULL;
        is_found = rings != NULL && watch_one_fill(rings);
        ptm_pool_rings = is_found ? rings : ptm_pool_rings;
    }
}

static bool
is_pymalloc(const PyMemAllocatorEx *below)
{
    return memcmp(below, &pymalloc, sizeof(pymalloc)) == 0;
}

void
ptm_pools_use(const PyMemAllocatorEx *mem, const PyMemAllocatorEx *obj)
{
    bool usable = is_found && is_pymalloc(mem) && is_pymalloc(obj);
    ptm_pool_open_rings = usable ? ptm_pool_rings : empty_rings;
}

bool
ptm_pools_used(void)
{
    return ptm_pool_open_rings != empty_rings;
}

#endif
