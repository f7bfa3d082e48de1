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

/* What was found: pymalloc, and where its rings begin. NULL: nothing yet. */
static PyMemAllocatorEx pymalloc;
static const ptm_pool_ring *its_rings;

/* The interpreter's own name for what the three domains have now. */
PyAPI_FUNC(const char *) _PyMem_GetCurrentAllocatorName(void);

static bool
is_pymalloc_on_top(void)
{
    const char *name = _PyMem_GetCurrentAllocatorName();
    return name != NULL && strcmp(name, "pymalloc") == 0;
}

/* NULL: the allocator has not taken it from where it should. */
static ptm_pool *
pool_it_came_from(const void *block, size_t size_class)
{
    ptm_pool *pool = ptm_pool_of(block);
    uintptr_t at = (uintptr_t)block - (uintptr_t)pool;
    bool right = ptm_os_is_mapped(pool) && pool->size_class == size_class && at >= sizeof(*pool)
                 && (at - sizeof(*pool)) % ptm_pool_class_bytes(size_class) == 0;
    return right ? pool : NULL;
}

/* One block more, and back: each time the list is as it was foreseen. */
static bool
does_as_foreseen(ptm_pool *pool, size_t size)
{
    void *first = pool->first;
    uint32_t in_use = pool->in_use;
    void **block = pymalloc.malloc(pymalloc.ctx, size);
    void *second = pool->first;
    bool right = block == first && pool->in_use == in_use + 1;
    pymalloc.free(pymalloc.ctx, block);
    return right && pool->first == block && *block == second && pool->in_use == in_use;
}

/* The ring of the pool that was taken from last, if it still is in one: it is the first there. */
static const ptm_pool_ring *
ring_of(const ptm_pool *pool)
{
    const void *head = pool->previous; /* of which only the links are there */
    const ptm_pool_ring *ring = (const void *)((const char *)head + offsetof(ptm_pool, next));
    return ptm_os_is_mapped(ring) && ring->next == pool ? ring : NULL;
}

/* The block is kept so that its pool does not become empty; but a pool that has given its last one
 * is in no ring, until that comes back. */
static const ptm_pool_ring *
find_ring(size_t size_class)
{
    size_t size = ptm_pool_class_bytes(size_class);
    void *block = pymalloc.malloc(pymalloc.ctx, size);
    ptm_pool *pool = block != NULL ? pool_it_came_from(block, size_class) : NULL;
    if (pool != NULL && pool->first == NULL) {
        pymalloc.free(pymalloc.ctx, block);
        block = NULL;
    }
    bool right = pool != NULL && does_as_foreseen(pool, size);
    const ptm_pool_ring *ring = right ? ring_of(pool) : NULL;
    pymalloc.free(pymalloc.ctx, block);
    return ring;
}

/* NULL: they are not in a row, or one of them was not found. */
static const ptm_pool_ring *
find_rings(void)
{
    const ptm_pool_ring *rings = find_ring(0);
    for (size_t i = 1; i < PTM_POOL_CLASSES && rings != NULL; i++) {
        rings = find_ring(i) == &rings[i] ? rings : NULL;
    }
    return rings;
}

void
ptm_pools_find(void)
{
    if (is_pymalloc_on_top()) {
        PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &pymalloc);
        its_rings = find_rings();
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
    bool usable = its_rings != NULL && is_pymalloc(mem) && is_pymalloc(obj);
    ptm_pool_rings = usable ? its_rings : empty_rings;
}

bool
ptm_pools_used(void)
{
    return ptm_pool_rings != empty_rings;
}

#endif
