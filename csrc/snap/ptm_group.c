/* SPDX-License-Identifier: MIT */
#include "snap/ptm_group.h"

#include "snap/ptm_rows.h"

ptm_err
ptm_diff(const ptm_snap *new_snap, const ptm_snap *old_snap, const ptm_group_query *query,
         ptm_groups *out)
{
    ptm_keys keys;
    ptm_err err = ptm_keys_init(&keys, new_snap, old_snap);
    if (err == PTM_OK) {
        err = ptm_rows_make(&keys, query, out);
        ptm_keys_fini(&keys);
    }
    return err;
}

ptm_err
ptm_group(const ptm_snap *snap, const ptm_group_query *query, ptm_groups *out)
{
    return ptm_diff(snap, NULL, query, out);
}
