/* SPDX-License-Identifier: MIT
 *
 * ptm_order - puts the rows of a grouping into the API's order, the biggest first.
 *
 * Threads   reads immutable snapshots only
 * Failure   PTM_ENOMEM; the rows are in no defined order then
 * Cost      a radix sort by each number in turn; tracebacks are looked at only among rows whose
 *           numbers tie. With a limit only the rows that come into question are sorted
 */
#ifndef PTM_ORDER_H
#define PTM_ORDER_H

#include "snap/ptm_numbers.h"

/* By |size_diff|, size, |count_diff|, count, traceback; with all differences 0, as ptm_group needs
 * it, that is by size, count, traceback. No two rows may have equal tracebacks. In the place of
 * tracebacks stand the orders of `numbers`, where it has some (by traceback it is NULL). Leaves the
 * first query->limit rows. */
ptm_err ptm_order_rows(const ptm_keys *keys, const ptm_numbers *numbers,
                       const ptm_group_query *query, ptm_groups *groups);

#endif
