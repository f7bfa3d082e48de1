/* SPDX-License-Identifier: MIT
 *
 * ptm_sums - bytes and blocks of a snapshot's sites, summed by whatever ptm_numbers knows. By
 * traceback: see ptm_bags.
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

/* Adds to sums[number]. */
ptm_err ptm_sums_add(const ptm_snap *snap, int side, const ptm_numbers *numbers,
                     const ptm_group_query *query, ptm_sum *sums);

#endif
