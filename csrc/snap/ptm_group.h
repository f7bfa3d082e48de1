/* SPDX-License-Identifier: MIT
 *
 * ptm_group - statistics of a snapshot: sites summed by file, line, traceback, function, module,
 * size or domain.
 *
 * How       array passes over sites, then stacks, then frames; no Python
 * Threads   reads immutable snapshots only
 * Failure   PTM_ENOMEM; PTM_ERANGE if all that is counted has more bytes or blocks than an int64
 *           holds; nothing is written to *out then
 * Cost      linear in sites + stacks, plus the sort of the groups; with a limit the rest is not
 *           sorted
 *
 * Words: a group's key is the id of its representative in the snapshot it came from: a string (by
 * file), a frame (by line, function or module), a stack (by traceback) or a site (by size or
 * domain). A function is a file and a name, the frames of a file whose name is not known being one
 * group; frames whose file has no module are one group, and so are the sites that have lost their
 * size (ptm_snap_site.folded). Frames that agree in file and line are one
 * group whatever their names, as the API compares frames; so stacks that are equal frame by frame
 * are one group. A name or column the members disagree on must not be shown: see ptm_agree and
 * `merged`.
 */
#ifndef PTM_GROUP_H
#define PTM_GROUP_H

#include "snap/ptm_snap.h"

typedef enum {
    PTM_BY_FILE,
    PTM_BY_LINE,
    PTM_BY_TRACEBACK,
    PTM_BY_FUNCTION,
    PTM_BY_MODULE,
    PTM_BY_SIZE,
    PTM_BY_DOMAIN
} ptm_by;

/* per frame: a block counts once for every frame of its stack, so several times under recursion
 * (what the standard library does); once: once per group. By traceback, size and domain there is
 * no difference. */
typedef enum { PTM_FLAT, PTM_CUMULATIVE_FRAMES, PTM_CUMULATIVE_ONCE } ptm_cumulative;

/* Freed: allocated and not alive when the snapshot was taken. */
typedef enum {
    PTM_METRIC_LIVE,
    PTM_METRIC_PEAK,
    PTM_METRIC_ALLOCATED,
    PTM_METRIC_FREED
} ptm_metric;

/* Which end of a traceback is compared first when sizes and counts tie. */
typedef enum { PTM_ORDER_RECENT_FIRST, PTM_ORDER_OLDEST_FIRST } ptm_order;

typedef struct {
    ptm_by by;
    ptm_cumulative cumulative;
    ptm_metric metric;
    ptm_order order;
    size_t limit;          /* the first so many rows only; 0: all */
    ptm_metric old_metric; /* diffs: of the old snapshot, and `metric` of the new one */
} ptm_group_query;

typedef struct {
    uint32_t key;  /* string, frame, stack or site id, by query.by */
    uint32_t snap; /* diffs: 0 the key is an id of the new snapshot, 1 of the old one */
    /* by traceback: 1 when the group has stacks beside `key` that differ from it in a name: show
     * its frames by ptm_agree's answer; else 0, and the frames of `key` are the truth */
    uint32_t merged;
    int64_t size;                  /* bytes */
    int64_t count;                 /* blocks */
    int64_t size_diff, count_diff; /* diffs only: new minus old */
} ptm_group_row;

typedef struct {
    ptm_group_row *rows;
    size_t n_rows;
} ptm_groups;

/* Sites for which the metric counts no block make no group. Sorted from the biggest to the smallest
 * by size, count, traceback; in the place of the traceback, functions by file and name, modules by
 * name, sizes and domains by number, and what is not known is the smallest. */
ptm_err ptm_group(const ptm_snap *snap, const ptm_group_query *query, ptm_groups *out);

/* Sorted from the biggest to the smallest by |size_diff|, size, |count_diff|, count, traceback (or
 * what stands in its place). A group that only the new snapshot has shows its whole size and count
 * as the difference. Without an old snapshot (NULL) it is ptm_group. */
ptm_err ptm_diff(const ptm_snap *new_snap, const ptm_snap *old_snap, const ptm_group_query *query,
                 ptm_groups *out);

void ptm_groups_free(ptm_groups *groups);

/* -1, 0, 1: two stacks of (maybe) two snapshots as the API compares tracebacks: frames as (file,
 * lineno), by `order`, then the shorter first. Files compare by code point. */
int ptm_stack_compare(const ptm_snap *a, ptm_stack_id sa, const ptm_snap *b, ptm_stack_id sb,
                      ptm_order order);

static inline uint64_t
ptm_site_count(const ptm_snap_site *site, ptm_metric metric)
{
    switch (metric) {
    case PTM_METRIC_LIVE:
        return site->live;
    case PTM_METRIC_PEAK:
        return site->peak;
    case PTM_METRIC_ALLOCATED:
        return site->allocated;
    default: /* a file may say anything */
        return site->allocated > site->live ? site->allocated - site->live : 0;
    }
}

/* Saturated. */
static inline uint64_t
ptm_site_total_bytes(const ptm_snap_site *site, ptm_metric metric)
{
    if (metric == PTM_METRIC_ALLOCATED) {
        return site->allocated_bytes;
    }
    if (metric == PTM_METRIC_FREED) {
        uint64_t live_bytes = ptm_product_saturated(site->size, site->live);
        return site->allocated_bytes > live_bytes ? site->allocated_bytes - live_bytes : 0;
    }
    return ptm_product_saturated(site->size, ptm_site_count(site, metric));
}

/* The count is known, not made up: see ptm_snap.lacks. */
static inline bool
ptm_snap_knows(const ptm_snap *snap, ptm_metric metric)
{
    return (snap->lacks >> metric & 1) == 0;
}

#endif
