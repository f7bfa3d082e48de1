/* SPDX-License-Identifier: MIT
 *
 * ptm_snap_box - what lies behind a ptm_snap: who owns its arrays. For ptm_snap.c,
 * ptm_snap_build.c and ptm_modules.c only.
 */
#ifndef PTM_SNAP_BOX_H
#define PTM_SNAP_BOX_H

#include "snap/ptm_snap.h"

enum {
    PTM_OWNED_OFFSETS,
    PTM_OWNED_BYTES,
    PTM_OWNED_FRAMES,
    PTM_OWNED_STACKS,
    PTM_OWNED_SITES,
    PTM_OWNED_MODULES,
    PTM_N_OWNED
};

typedef struct {
    ptm_snap snap;            /* first: a ptm_snap * is a ptm_snap_box * */
    ptm_snap *base;           /* of a subset: it owns all but the sites; else NULL */
    void *owned[PTM_N_OWNED]; /* arrays that go with the snapshot; NULL: not its own, or none */
} ptm_snap_box;

#endif
