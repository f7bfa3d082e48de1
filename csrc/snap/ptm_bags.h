/* SPDX-License-Identifier: MIT
 *
 * ptm_bags - bytes and blocks of one or two snapshots' sites, summed by traceback.
 *
 * Owns      nothing: the items are an array, which the caller frees with ptm_array_free
 * How       equal ids are equal tracebacks, but for those with lines that several frames share:
 *           these meet by a hash of their path. Two snapshots are matched stack by stack
 * Threads   reads immutable snapshots only
 * Failure   PTM_ENOMEM; there are no items then
 * Cost      linear in sites, stacks and frames, and in the lengths of stacks that meet by a hash
 */
#ifndef PTM_BAGS_H
#define PTM_BAGS_H

#include "snap/ptm_sums.h"

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

/* Of both sides, if there are two. */
ptm_err ptm_bags_fill(const ptm_keys *keys, const ptm_group_query *query, ptm_bags *bags);

#endif
