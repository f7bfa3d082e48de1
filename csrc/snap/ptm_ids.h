/* SPDX-License-Identifier: MIT
 *
 * ptm_ids - an open-addressing table from hashes to ids; what an id stands for is the caller's
 * business.
 *
 * Owns      one malloc'ed array of 8 bytes a slot, at most 3/4 full
 * How       a slot holds the hash's upper 32 bits and the id + 1; the same 32 bits choose the slot,
 *           so growing never looks at what the ids stand for and streams the old array into the new
 *           one
 * Threads   one user
 * Failure   ptm_ids_put answers false and changes nothing
 *
 * Use:  ptm_ids_probe probe = ptm_ids_find(&ids, hash);
 *       while (ptm_ids_next(&ids, &probe)) if (same(probe.id, thing)) return probe.id;
 *       ptm_ids_put(&ids, hash, new_id);
 */
#ifndef PTM_IDS_H
#define PTM_IDS_H

#include "base/ptm_hash.h"

typedef struct {
    uint64_t *slots; /* hash:32 | (id + 1):32; 0 is free */
    size_t mask;     /* slots - 1; a power of two less one */
    size_t count;
} ptm_ids;

typedef struct {
    size_t at;
    uint32_t tag; /* the hash's half that is kept in the slot */
    uint32_t id;
} ptm_ids_probe;

bool ptm_ids_init(ptm_ids *ids, size_t expected); /* false: no memory */
void ptm_ids_fini(ptm_ids *ids);
/* id < UINT32_MAX; whether it is there already is not looked up. */
bool ptm_ids_put(ptm_ids *ids, uint64_t hash, uint32_t id);

/* A 64-bit mix whose every output bit depends on every input bit (splitmix64's finalizer). */
static inline uint64_t
ptm_mix64(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline ptm_ids_probe
ptm_ids_find(const ptm_ids *ids, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    return (ptm_ids_probe){.at = tag & ids->mask, .tag = tag};
}

static inline bool
ptm_ids_next(const ptm_ids *ids, ptm_ids_probe *probe)
{
    uint64_t slot;
    while ((slot = ids->slots[probe->at]) != 0) {
        probe->at = (probe->at + 1) & ids->mask;
        if ((uint32_t)(slot >> 32) == probe->tag) {
            probe->id = (uint32_t)slot - 1;
            return true;
        }
    }
    return false;
}

#endif
