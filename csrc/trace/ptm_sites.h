/* SPDX-License-Identifier: MIT
 *
 * ptm_sites - sites and their books, and the lanes that keep them.
 *
 * Owns      the table of sites (one line of cache each), and per lane an index: hash of a walked
 *           stack -> site
 * How       A site is found by a 64-bit hash of the instruction pointers of its window, the size
 *           and the depth. Two sites may stand for the same (stack, depth, size, domain), seen
 *           through different instructions of one line: snapshots add them up.
 * Threads   A lane has one writer at a time: the holder of the main interpreter's GIL, or of the
 *           raw lane's lock. Only a site's own lane writes its books. The main lane may take the
 *           raw lock to settle a block of the raw lane; a block of the main lane that is freed in
 *           the raw lane goes to `freed_elsewhere`. New sites come and go under the intern lock.
 * Failure   no memory: no site, and the caller counts a loss
 * Cost      a hit: one slot, one site
 */
#ifndef PTM_SITES_H
#define PTM_SITES_H

#include "base/ptm_index.h"
#include "base/ptm_table.h"
#include "os/ptm_lock.h"
#include "trace/ptm_peak.h"

typedef enum { PTM_LANE_MAIN, PTM_LANE_RAW, PTM_N_LANES } ptm_lane_id;

typedef struct {
    uint64_t hash;      /* of the walked window, size and depth */
    uint64_t size;      /* requested bytes of a block */
    uint64_t live;      /* blocks alive; writer: the lane */
    uint64_t allocated; /* blocks ever allocated; writer: the lane */
    uint64_t at_peak;   /* valid if epoch is the current one; writer: the lane */
    uint32_t epoch;     /* of the last touch; writer: the lane */
    /* ptm_code_age when the window was last known to be the same; writer: the lane */
    uint32_t code_age;
    uint32_t node; /* the stack; guarded: intern lock */
    /* blocks of a main lane's site freed in the raw lane; writer: the raw lane */
    uint32_t freed_elsewhere;
    uint16_t depth; /* total_nframe */
    uint8_t lane;
    uint8_t state;   /* ptm_site_state */
    uint16_t swept;  /* low bits of `allocated` at the last sweep: unchanged means idle since */
    uint16_t domain; /* 0: Python's three allocators; others come with Track */
} ptm_site;

typedef enum { PTM_SITE_FREE, PTM_SITE_INDEXED, PTM_SITE_UNINDEXED } ptm_site_state;

_Static_assert(sizeof(ptm_site) == 64, "a site is meant to be one line of cache");

/* The way to a site without its index: the ones met last, one for each value of a few bits of the
 * hash. */
typedef struct {
    uint64_t hash;
    ptm_site_id site;  /* 0: empty */
    uint32_t code_age; /* valid only in this age */
} ptm_recent;

#ifndef PTM_N_RECENT
#define PTM_N_RECENT 4096u
#endif

/* A sweep of the young ones follows so many new sites: their records stay in the second-level
 * cache. */
#define PTM_N_YOUNG 4096u

typedef struct {
    ptm_index sites;
    ptm_lock lock;          /* the raw lane's; the main lane's is the GIL */
    uint64_t bytes, blocks; /* alive; relaxed, read by other lanes */
    /* the lane's share of the peak, if epoch is the current one */
    uint64_t peak_bytes, peak_blocks;
    uint32_t epoch;
    uint32_t n_sites, sweep_at; /* sites of this lane; how many call for a sweep */
    uint64_t lost_blocks, lost_bytes;
    ptm_recent recent[PTM_N_RECENT];
    uint32_t n_young;
    /* the sites made since the last sweep; guarded: intern lock */
    ptm_site_id young[PTM_N_YOUNG];
} __attribute__((aligned(64))) ptm_lane;

PTM_EXTERN ptm_lane ptm_lanes[PTM_N_LANES];
PTM_EXTERN ptm_table ptm_site_table;
PTM_EXTERN uint32_t ptm_code_age; /* rises when a code object dies; relaxed */

#define PTM_SITE_CHUNK_BITS 15 /* two megabytes */
#define PTM_FIRST_SWEEP 32768u /* sites of a lane before the first sweep */

static PTM_ALWAYS_INLINE ptm_site *
ptm_site_at(ptm_site_id id)
{
    return ptm_table_at(&ptm_site_table, id, sizeof(ptm_site), PTM_SITE_CHUNK_BITS);
}

static PTM_ALWAYS_INLINE ptm_site_id
ptm_sites_find(const ptm_lane *lane, uint64_t hash)
{
    ptm_site_id id;
    for (ptm_probe probe = ptm_probe_start(&lane->sites, (uint32_t)hash);
         (id = ptm_probe_next(&lane->sites, &probe));) {
        if (PTM_LIKELY(ptm_site_at(id)->hash == hash)) {
            return id;
        }
    }
    return 0;
}

static PTM_ALWAYS_INLINE ptm_recent *
ptm_sites_recent(ptm_lane *lane, uint64_t hash)
{
    return &lane->recent[hash >> 32 & (PTM_N_RECENT - 1)];
}

/* Under the intern lock. A new site with empty books, in the index unless `indexed` is false; 0: no
 * memory. */
ptm_site_id ptm_sites_new(ptm_lane_id lane, const ptm_site *like, bool indexed);
/* Under the intern lock. The window it was found by is gone: its blocks stay, no event finds it
 * again. */
void ptm_sites_unindex(ptm_site_id id);
/* Under the intern lock, by the lane's writer: gives back the new sites that are dead and were
 * hardly used: most sites of a program with many stacks see one block and no other. The rest is
 * young no more. */
void ptm_sites_sweep_young(ptm_lane_id lane, void (*bury)(const ptm_site *site));
/* Under the intern lock, by the lane's writer: gives back the sites that are dead and were idle
 * since the last call. False: no memory, nothing was done. */
bool ptm_sites_sweep(ptm_lane_id lane, void (*bury)(const ptm_site *site));
void ptm_sites_clear(void);
void ptm_sites_visit(ptm_mem_visit visit, void *arg);

/* What of a site's blocks is alive, and what was at the peak. By the lane's writer who holds the
 * raw lane's lock as well if blocks of the site were freed elsewhere. */
uint64_t ptm_site_live(const ptm_site *site);
uint64_t ptm_site_share(ptm_site_id id);
/* By the raw lane's writer: a block of a site of the main lane was freed in the raw lane. */
void ptm_site_leave_elsewhere(ptm_site_id id);

uint64_t ptm_lanes_bytes(void);
uint64_t ptm_lanes_blocks(void);
void ptm_lanes_peak(uint64_t *bytes, uint64_t *blocks);

/* -- books: by the lane's writer --------------------------------------------------------------- */

void ptm_site_first_touch(ptm_lane *lane, ptm_site *site, uint32_t epoch);

static PTM_ALWAYS_INLINE void
ptm_site_touch(ptm_lane *lane, ptm_site *site)
{
#ifndef PTM_NO_BOOKS
    uint32_t epoch = PTM_LOAD(&ptm_the_peak.epoch);
    if (PTM_UNLIKELY(site->epoch != epoch)) {
        ptm_site_first_touch(lane, site, epoch);
    }
#else
    (void)lane;
    (void)site;
#endif
}

/* What the total of all lanes becomes when this lane's changes by `delta` (modulo 2^64). */
static PTM_ALWAYS_INLINE void
ptm_lane_judge(const ptm_lane *lane, uint64_t delta)
{
    const ptm_lane *other =
        &ptm_lanes[lane == &ptm_lanes[PTM_LANE_MAIN] ? PTM_LANE_RAW : PTM_LANE_MAIN];
    ptm_peak_judge(PTM_LOAD(&lane->bytes) + PTM_LOAD(&other->bytes) + delta);
}

static PTM_ALWAYS_INLINE void
ptm_site_enter(ptm_lane *lane, ptm_site *site)
{
    ptm_site_touch(lane, site);
    site->live++;
#ifndef PTM_NO_BOOKS
    site->allocated++;
#endif
    PTM_STORE(&lane->bytes, lane->bytes + site->size);
    PTM_STORE(&lane->blocks, lane->blocks + 1);
}

static PTM_ALWAYS_INLINE void
ptm_site_leave(ptm_lane *lane, ptm_site *site)
{
    ptm_site_touch(lane, site);
    site->live--;
    PTM_STORE(&lane->bytes, lane->bytes - site->size);
    PTM_STORE(&lane->blocks, lane->blocks - 1);
}

#endif
