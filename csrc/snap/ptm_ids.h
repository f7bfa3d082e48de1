/* SPDX-License-Identifier: MIT
 *
 * ptm_ids - an open-addressing table from hashes to ids; what an id stands for is the caller's
 * business.
 *
 * Owns      one array of 8 bytes a slot, at most 3/4 full
 * How       a slot holds 32 bits of the salted hash and the id + 1; the same bits choose the slot,
 *           so growing never looks at what the ids stand for and streams the old array into the new
 *           one
 * Hostile   what is put in may come from a file made to collide: every table has a salt of its own,
 *           which the layout of the address space decides, and mixes it in. A hash must not be
 *           known to be equal for different things: whole words are their own, or go through
 *           ptm_mix64, bytes through ptm_ids_hash_bytes
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
    uint64_t salt;
} ptm_ids;

typedef struct {
    size_t at;
    uint32_t tag; /* the hash's half that is kept in the slot */
    uint32_t id;
} ptm_ids_probe;

/* False: no memory. */
bool ptm_ids_init(ptm_ids *ids, size_t expected);
void ptm_ids_fini(ptm_ids *ids);
/* id < UINT32_MAX; whether it is there already is not looked up. */
bool ptm_ids_put(ptm_ids *ids, uint64_t hash, uint32_t id);
bool ptm_ids_put_tag(ptm_ids *ids, uint32_t tag, uint32_t id);
/* For this table only. */
uint64_t ptm_ids_hash_bytes(const ptm_ids *ids, const void *bytes, size_t len);

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

/* The half of the hash that is kept in the slot. */
static inline uint32_t
ptm_ids_tag(const ptm_ids *ids, uint64_t hash)
{
    return (uint32_t)(ptm_mix64(hash ^ ids->salt) >> 32);
}

/* By a tag: it outlives the growth of the table, as a probe does not. */
static inline ptm_ids_probe
ptm_ids_find_tag(const ptm_ids *ids, uint32_t tag)
{
    return (ptm_ids_probe){.at = tag & ids->mask, .tag = tag};
}

static inline ptm_ids_probe
ptm_ids_find(const ptm_ids *ids, uint64_t hash)
{
    return ptm_ids_find_tag(ids, ptm_ids_tag(ids, hash));
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
