/* SPDX-License-Identifier: MIT
 *
 * ptm_snap_box - what lies behind a ptm_snap: who owns its arrays. For ptm_snap.c and
 * ptm_snap_build.c only.
 */
#ifndef PTM_SNAP_BOX_H
#define PTM_SNAP_BOX_H

#include "snap/ptm_snap.h"

typedef struct {
    ptm_snap snap;  /* first: a ptm_snap * is a ptm_snap_box * */
    ptm_snap *base; /* owns strings, frames and stacks; NULL: they are in `owned` */
    void *owned[5]; /* free()d with the snapshot */
} ptm_snap_box;

#endif
