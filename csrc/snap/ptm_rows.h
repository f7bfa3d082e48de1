/* SPDX-License-Identifier: MIT
 *
 * ptm_rows - the last step of ptm_group and ptm_diff: sums to rows in order.
 *
 * Failure   PTM_ENOMEM; *out is written on success only
 */
#ifndef PTM_ROWS_H
#define PTM_ROWS_H

#include "snap/ptm_keys.h"

/* A grouping of the new snapshot, or with two sides of both. */
ptm_err ptm_rows_make(const ptm_keys *keys, const ptm_group_query *query, ptm_groups *out);

#endif
