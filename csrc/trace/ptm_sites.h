/* SPDX-License-Identifier: MIT
 *
 * ptm_sites - sites and their books, and how a lane finds them.
 *
 * Owns      the table of sites (one line of cache each), and per lane an index: hash of a walked
 *           stack -> site
 * How       A site is found by a 64-bit hash of the marks of its window's frames, the size
 *           and the depth. Most sites of a program with many stacks see one block and no other, so
 *           a new site is young first: found through a small index of its lane's young ones, which
 *           stays in the second-level cache. When they are many, those that died are given back and
 *           the others go into the large index. Two sites may stand for the same (stack, depth,
 *           size, domain), seen through different instructions of one line: snapshots add them up.
 * Threads   A site is found by its lane's writer. The books of all sites are guarded by the books
 *           lock. New sites come and go under the intern lock.
 * Failure   no memory: no site, and the caller counts a loss
 * Cost      a hit: one slot
 */
#ifndef PTM_SITES_H
#define PTM_SITES_H

#include "base/ptm_table.h"
#include "trace/ptm_domains.h"
#include "trace/ptm_lanes.h"
#include "trace/ptm_peak.h"

/* What a site counts of its blocks. */
enum { PTM_LEFT, PTM_CAME };

typedef struct {
    uint64_t hash;     /* of the walked window, size and depth */
    uint64_t size;     /* requested bytes of a block */
    uint64_t moved[2]; /* blocks that ever left, and that ever came; guarded: books lock */
    uint64_t at_peak;  /* valid if epoch is the current one; guarded: books lock */
    uint32_t epoch;    /* of the last touch; guarded: books lock */
    /* ptm_code_age when the window was last known to be the same; writer: the lane */
    uint32_t code_age;
    uint32_t node; /* the stack, less the tail; guarded: intern lock */
    /* young: its place among the lane's young ones; else low bits of what had come at the last
     * sweep: unchanged means idle since */
    uint32_t swept;
    uint16_t depth;       /* total_nframe */
    ptm_domain_id domain; /* 0: Python's three allocators */
    uint16_t lane;
    uint8_t state;  /* ptm_site_state */
    uint8_t n_tail; /* young ones only; guarded: intern lock */
} ptm_site;

/* Unknown: the window it was found by is gone. Its blocks stay, no event finds it again. */
typedef enum { PTM_SITE_FREE, PTM_SITE_YOUNG, PTM_SITE_INDEXED, PTM_SITE_UNKNOWN } ptm_site_state;

_Static_assert(sizeof(ptm_site) == 64, "a site is meant to be one line of cache");

PTM_EXTERN ptm_table ptm_site_table;
PTM_EXTERN ptm_table_directory ptm_site_chunks;

#define PTM_SITE_CHUNK_BITS 15 /* two megabytes */
#define PTM_FIRST_SWEEP 32768u /* sites of a lane before the first sweep */

static PTM_ALWAYS_INLINE ptm_site *
ptm_site_at(ptm_site_id id)
{
    return ptm_table_at(ptm_site_chunks, id, sizeof(ptm_site), PTM_SITE_CHUNK_BITS);
}

/* By the lane's writer; 0: not there. */
ptm_site_id ptm_sites_find(const ptm_lane *lane, uint64_t hash);

/* Under the intern lock. A new site with empty books; 0: no memory. A tail needs room among the
 * young. */
ptm_site_id ptm_sites_new(ptm_lane *lane, const ptm_site *like, const ptm_tail *tail);
/* Under the intern lock. */
void ptm_sites_forget(ptm_site_id id);
/* What a sweep asks for. Both take the site's tail away. */
typedef struct {
    void (*bury)(ptm_site *site); /* it goes: what it allocated is kept elsewhere */
    bool (*keep)(ptm_site *site); /* it is young no more; false: no memory, it stays young */
} ptm_sweep;

/* Under both locks, by the lane's writer, with an empty journal: gives back the young sites that
 * are dead and were hardly used. The rest is young no more. */
void ptm_sites_sweep_young(ptm_lane *lane, const ptm_sweep *sweep);
/* Likewise, of all sites: those that are dead and were idle since the last call. False: no memory,
 * and only the young ones were swept. */
bool ptm_sites_sweep(ptm_lane *lane, const ptm_sweep *sweep);
void ptm_sites_clear(void);
void ptm_sites_visit(ptm_mem_visit visit, void *arg);

static inline bool
ptm_sites_want_sweep(const ptm_lane *lane)
{
    return lane->n_young == PTM_N_YOUNG;
}

/* Blocks alive. Below 0: they left in a lane that was booked earlier. Under the books lock. */
static PTM_ALWAYS_INLINE int64_t
ptm_site_live(const ptm_site *site)
{
    return (int64_t)(site->moved[PTM_CAME] - site->moved[PTM_LEFT]);
}

/* What of a site's blocks was alive at the peak. Under the books lock. */
static inline uint64_t
ptm_site_share(const ptm_site *site)
{
    bool saved = !ptm_peak_is_now() && site->epoch == ptm_the_peak.epoch;
    return saved ? site->at_peak : (uint64_t)ptm_site_live(site);
}

#endif
