/* SPDX-License-Identifier: MIT
 *
 * ptm_index - a hash index over record ids: open addressing, linear probing, eight bytes a slot.
 *
 * How       a slot is (hash, id); the hash alone gives the home slot, so growing and removing never
 *           look at the records. Equality is the caller's:
 *               for (ptm_probe p = ptm_probe_start(ix, hash); (id = ptm_probe_next(ix, &p)) != 0;)
 *                   if (equal(id)) ...
 *           A removal moves later slots back (Knuth, TAOCP vol. 3, 6.4, algorithm R): no
 *           tombstones. Beside the slots lies a filter, four bits a slot: a hash whose bit is not
 *           set is not there, and the filter stays in a nearer cache than the slots.
 * Threads   one user at a time
 * Failure   `ptm_index_put` answers false: no memory; the index is as before
 * Cost      at most 3/4 full: about two slots looked at for a hit, in one cache line; if nothing
 *           was removed, at most one miss of five passes the filter
 */
#ifndef PTM_INDEX_H
#define PTM_INDEX_H

#include "base/ptm_mem.h"

typedef struct {
    uint32_t hash;
    uint32_t id; /* 0: empty */
} ptm_slot;

typedef struct {
    ptm_slot *slots;  /* NULL: nothing was put yet */
    uint32_t *filter; /* behind the slots; a removal leaves its bit */
    uint32_t mask;    /* number of slots - 1 */
    uint32_t used;
} ptm_index;

typedef struct {
    uint32_t hash, at;
} ptm_probe;

bool ptm_index_put(ptm_index *index, uint32_t hash, uint32_t id);
void ptm_index_remove(ptm_index *index, uint32_t hash, uint32_t id); /* absent: nothing */
void ptm_index_clear(ptm_index *index);
/* An empty index with room for `n` ids before it grows. False: no memory, and the index is as
 * before. */
bool ptm_index_restart(ptm_index *index, uint32_t n);
void ptm_index_visit(const ptm_index *index, ptm_mem_visit visit, void *arg);

/* Other bits of the hash than the home slot takes, and as many more. */
static PTM_ALWAYS_INLINE uint32_t
ptm_index_bit(const ptm_index *index, uint32_t hash)
{
    uint32_t mixed = (hash ^ hash >> 15) * UINT32_C(0x9e3779b1);
    return (mixed ^ mixed >> 16) & (index->mask << 2 | 3);
}

/* False: no id was put under this hash. */
static PTM_ALWAYS_INLINE bool
ptm_index_may_have(const ptm_index *index, uint32_t hash)
{
    uint32_t bit = ptm_index_bit(index, hash);
    return index->slots != NULL && (index->filter[bit >> 5] >> (bit & 31) & 1) != 0;
}

/* Asks for the memory that a put under this hash will write. */
static PTM_ALWAYS_INLINE void
ptm_index_prefetch(const ptm_index *index, uint32_t hash)
{
    if (index->slots != NULL) {
        __builtin_prefetch(&index->slots[hash & index->mask], 1);
        __builtin_prefetch(&index->filter[ptm_index_bit(index, hash) >> 5], 1);
    }
}

static PTM_ALWAYS_INLINE ptm_probe
ptm_probe_start(const ptm_index *index, uint32_t hash)
{
    return (ptm_probe){hash, hash & index->mask};
}

/* The next id under this hash; 0: no more. */
static PTM_ALWAYS_INLINE uint32_t
ptm_probe_next(const ptm_index *index, ptm_probe *probe)
{
    if (PTM_UNLIKELY(index->slots == NULL)) {
        return 0;
    }
    for (;;) {
        ptm_slot slot = index->slots[probe->at];
        probe->at = (probe->at + 1) & index->mask;
        if (slot.id == 0 || slot.hash == probe->hash) {
            return slot.id;
        }
    }
}

#endif
