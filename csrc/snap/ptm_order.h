/* SPDX-License-Identifier: MIT
 *
 * ptm_order - puts the rows of a grouping into the API's order, the biggest first.
 *
 * Threads   reads immutable snapshots only
 * Failure   PTM_ENOMEM; the rows are in no defined order then
 * Cost      a radix sort by each number in turn; tracebacks are looked at only among rows whose
 *           numbers tie
 */
#ifndef PTM_ORDER_H
#define PTM_ORDER_H

#include "snap/ptm_keys.h"

/* By |size_diff|, size, |count_diff|, count, traceback; with all differences 0, as ptm_group needs
 * it, that is by size, count, traceback. No two rows may have equal tracebacks. */
ptm_err ptm_order_rows(const ptm_keys *keys, const ptm_group_query *query, ptm_group_row *rows,
                       size_t n_rows);

#endif
