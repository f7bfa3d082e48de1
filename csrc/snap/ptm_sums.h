/* SPDX-License-Identifier: MIT
 *
 * ptm_sums - bytes and blocks of a snapshot's sites, summed by traceback or by whatever
 * ptm_numbers knows.
 *
 * Threads   reads immutable snapshots only
 * Failure   PTM_ENOMEM; what was passed in is in no defined state then
 * Cost      flat: linear in sites. Cumulative: linear in sites and stacks, whatever the depth (see
 *           ptm_sums.c)
 */
#ifndef PTM_SUMS_H
#define PTM_SUMS_H

#include "snap/ptm_numbers.h"

typedef struct {
    uint64_t size;  /* bytes */
    uint64_t count; /* blocks; 0: there is no such group */
} ptm_sum;

/* Which count the query asks a side for. */
static inline ptm_metric
ptm_metric_of_side(const ptm_group_query *query, int side)
{
    return side == 0 ? query->metric : query->old_metric;
}

/* Not by traceback: adds to sums[number]. */
ptm_err ptm_sums_add(const ptm_snap *snap, int side, const ptm_numbers *numbers,
                     const ptm_group_query *query, ptm_sum *sums);

/* By traceback. */
typedef struct {
    ptm_stack_id stack; /* one of the equal stacks, of side `side` */
    uint8_t side;       /* 0 if the new snapshot has the group */
    uint8_t merged;     /* side `side` has other stacks in this group */
    ptm_sum sum[2];     /* by side */
} ptm_bag;

typedef struct {
    ptm_bag *items;
    size_t len;
} ptm_bags;

/* Of both sides, if there are two. The items are an array, which the caller frees. */
ptm_err ptm_bags_fill(const ptm_keys *keys, const ptm_group_query *query, ptm_bags *bags);

#endif
