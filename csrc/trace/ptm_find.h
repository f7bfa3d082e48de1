/* SPDX-License-Identifier: MIT
 *
 * ptm_find - from the calling thread's stack, and a size, to a site.
 *
 * How       The window's hash is looked up among the recent sites of the lane, then among all of
 *           them; if it is not there, the window is walked frame by frame and a site is made.
 *
 *               hash ──► recent ──► young ──► index ──► exact walk, new site
 *                        (here)     (ptm_sites)         (under the intern lock)
 *
 * Threads   by the lane's writer
 * Failure   site 0: no memory
 * Cost      a recent one: a walk and a line of cache
 */
#ifndef PTM_FIND_H
#define PTM_FIND_H

#include "trace/ptm_record.h"
#include "trace/ptm_walk.h"

/* An event on its way to a site. */
typedef struct {
    ptm_lane *lane;
    const PyThreadState *tstate; /* NULL: no stack to be had */
    size_t size;
    ptm_domain_id domain;
    uint64_t key;
    ptm_walk_manner manner;
} ptm_search;

/* The site of a search that is not among the recent ones, or is there with the remark that its
 * manner is wrong. */
ptm_site_id ptm_find_older(const ptm_search *s);

#define PTM_UNKNOWN_HASH UINT64_C(0x756e6b6e6f776e00)

static PTM_ALWAYS_INLINE ptm_window
ptm_find_window(const PyThreadState *tstate, ptm_walk_manner manner)
{
    if (PTM_UNLIKELY(tstate == NULL)) {
        return (ptm_window){PTM_UNKNOWN_HASH, 0};
    }
    uint32_t limit = PTM_LOAD(&ptm_recording.limit);
    return limit == 1 ? ptm_walk_hash(tstate, 1, manner) : ptm_walk_hash(tstate, limit, manner);
}

static PTM_ALWAYS_INLINE uint64_t
ptm_find_key(ptm_window window, size_t size, ptm_domain_id domain)
{
    window.hash += domain * PTM_HASH_SEED;
    return ptm_walk_key(window, size);
}

/* key: ptm_find_key(); 0: not known yet. */
static PTM_ALWAYS_INLINE ptm_site_id
ptm_find_site_in(ptm_domain_id domain, ptm_lane *lane, const PyThreadState *tstate, size_t size,
                 uint64_t key)
{
    if (key == 0) {
        key = ptm_find_key(ptm_find_window(tstate, PTM_WALK_TRUST), size, domain);
    }
    ptm_site_id id = ptm_recent_site(&lane->recents, key);
    if (PTM_LIKELY(id != 0)) {
        return id;
    }
    ptm_search s = {lane, tstate, size, domain, key, PTM_WALK_TRUST};
    return ptm_find_older(&s);
}

static PTM_ALWAYS_INLINE ptm_site_id
ptm_find_site(ptm_lane *lane, const PyThreadState *tstate, size_t size, uint64_t key)
{
    return ptm_find_site_in(0, lane, tstate, size, key);
}

#endif
