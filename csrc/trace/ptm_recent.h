/* SPDX-License-Identifier: MIT
 *
 * ptm_recent - the way from a hash to a site without an index: the sites met last.
 *
 * How       For each value of the upper bits of the hash two entries, the one met later first: a
 *           site that is found second goes to the front. An entry is valid in one code age:
 *
 *                63                          24   23        0
 *               +------------------------------+-------------+
 *               | lower bits of the hash ^ age |   site id   |
 *               +------------------------------+-------------+
 *
 *           Of two windows that meet in an entry one is taken for the other with a chance of 1 in
 *           2^40. Site 0: empty, or a window that has to be asked for (ptm_walk). Sites with a
 *           larger id are not kept here.
 *
 *           For each entry is counted how many of its site's blocks began a new life there without
 *           being booked (ptm_journal). That goes with the entry, whatever its age; it stands in
 *           a table of its own, which most events do not touch.
 * Threads   by the writer of the lane that owns the table
 * Failure   none
 * Cost      a line of cache
 */
#ifndef PTM_RECENT_H
#define PTM_RECENT_H

#include "base/ptm_atomic.h"
#include "base/ptm_base.h"

typedef struct {
    uint64_t entries[2];
} __attribute__((aligned(16))) ptm_recent; /* within a line */

typedef struct {
    uint32_t blocks[2];
} __attribute__((aligned(8))) ptm_renewed;

#define PTM_RECENT_SITES (UINT64_C(1) << 24)

/* A thread's own events need less room than those of all threads. */
#ifdef PTM_FREE_THREADED
#define PTM_RECENT_BITS 11 /* 48 kB */
#endif

#ifndef PTM_RECENT_BITS
#define PTM_RECENT_BITS 14 /* 384 kB */
#endif
#define PTM_N_RECENT (1u << PTM_RECENT_BITS)

typedef struct {
    ptm_recent recent[PTM_N_RECENT];
    ptm_renewed renewed[PTM_N_RECENT];
} ptm_recents;

/* Rises before an address at which a code object died can come back; relaxed. */
PTM_EXTERN uint32_t ptm_code_age;

static PTM_ALWAYS_INLINE uint32_t
ptm_recent_place(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - PTM_RECENT_BITS));
}

static PTM_ALWAYS_INLINE ptm_recent *
ptm_recent_at(ptm_recents *table, uint64_t hash)
{
    return &table->recent[ptm_recent_place(hash)];
}

static PTM_ALWAYS_INLINE ptm_renewed *
ptm_renewed_at(ptm_recents *table, uint64_t hash)
{
    return &table->renewed[ptm_recent_place(hash)];
}

/* Two entries for the same hash differ in their sites alone. */
static PTM_ALWAYS_INLINE uint64_t
ptm_recent_entry(uint64_t hash, ptm_site_id id)
{
    return (hash ^ PTM_LOAD(&ptm_code_age)) << 24 ^ id;
}

/* From 1 to PTM_RECENT_SITES - 1 it is a site that was found. */
static PTM_ALWAYS_INLINE bool
ptm_recent_is_site(uint64_t found)
{
    return found - 1 < PTM_RECENT_SITES - 1;
}

/* 0: not the one met last. */
static PTM_ALWAYS_INLINE ptm_site_id
ptm_recent_first(ptm_recents *table, uint64_t hash)
{
    uint64_t found = ptm_recent_at(table, hash)->entries[0] ^ ptm_recent_entry(hash, 0);
    return PTM_LIKELY(ptm_recent_is_site(found)) ? (ptm_site_id)found : 0;
}

/* One block more of the site that was met last, or none: both are written alike. False: there is no
 * room to count it. */
static PTM_ALWAYS_INLINE bool
ptm_recent_renew(ptm_recents *table, uint64_t hash, bool really)
{
    uint32_t *blocks = &ptm_renewed_at(table, hash)->blocks[0];
    if (PTM_UNLIKELY(*blocks == UINT32_MAX)) {
        return false;
    }
    *blocks += really;
    return true;
}

/* 0: not the one met before; it is the one met last then. */
static inline ptm_site_id
ptm_recent_second(ptm_recents *table, uint64_t hash)
{
    ptm_recent *recent = ptm_recent_at(table, hash);
    uint64_t first = recent->entries[0], second = recent->entries[1];
    uint64_t found = second ^ ptm_recent_entry(hash, 0);
    if (!ptm_recent_is_site(found)) {
        return 0;
    }
    *recent = (ptm_recent){{second, first}};
    ptm_renewed *renewed = ptm_renewed_at(table, hash);
    *renewed = (ptm_renewed){{renewed->blocks[1], renewed->blocks[0]}};
    return (ptm_site_id)found;
}

/* 0: not here, or noted as one that has to be asked for. */
static PTM_ALWAYS_INLINE ptm_site_id
ptm_recent_site(ptm_recents *table, uint64_t hash)
{
    ptm_site_id id = ptm_recent_first(table, hash);
    return PTM_LIKELY(id != 0) ? id : ptm_recent_second(table, hash);
}

static inline bool
ptm_recent_is_noted(ptm_recents *table, uint64_t hash)
{
    const ptm_recent *recent = ptm_recent_at(table, hash);
    uint64_t wanted = ptm_recent_entry(hash, 0);
    return recent->entries[0] == wanted || recent->entries[1] == wanted;
}

/* Site 0: a note. What the one that has to go had renewed is booked. */
static inline void
ptm_recent_put(ptm_recents *table, uint64_t hash, ptm_site_id id)
{
    ptm_recent *recent = ptm_recent_at(table, hash);
    ptm_renewed *renewed = ptm_renewed_at(table, hash);
    if (id < PTM_RECENT_SITES) {
        *recent = (ptm_recent){{ptm_recent_entry(hash, id), recent->entries[0]}};
        *renewed = (ptm_renewed){{0, renewed->blocks[0]}};
    }
}

/* All that was renewed is booked. */
static inline void
ptm_recent_forget(ptm_recents *table, uint64_t hash, ptm_site_id id)
{
    ptm_recent *recent = ptm_recent_at(table, hash);
    if (recent->entries[1] % PTM_RECENT_SITES == id) {
        recent->entries[1] = 0;
    }
    if (recent->entries[0] % PTM_RECENT_SITES == id) { /* what is put next goes before the other */
        *recent = (ptm_recent){{recent->entries[1], 0}};
    }
}

#endif
