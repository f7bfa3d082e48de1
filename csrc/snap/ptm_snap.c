/* SPDX-License-Identifier: MIT */
#include "snap/ptm_snap_box.h"

#include "base/ptm_array.h"
#include "base/ptm_atomic.h"

#include <stdlib.h>
#include <string.h>

void
ptm_snap_incref(ptm_snap *snap)
{
    (void)PTM_FETCH_ADD(&snap->refs, 1);
}

void
ptm_snap_decref(ptm_snap *snap)
{
    if (snap != NULL && PTM_FETCH_SUB_ACQ_REL(&snap->refs, 1) == 1) {
        ptm_snap_box *box = (ptm_snap_box *)snap;
        ptm_snap_decref(box->base);
        for (size_t i = 0; i < PTM_ARRAY_LEN(box->owned); i++) {
            ptm_array_free(box->owned[i]);
        }
        free(box);
    }
}

size_t
ptm_snap_memory_bytes(const ptm_snap *snap)
{
    size_t bytes = sizeof(ptm_snap_box) + snap->n_sites * sizeof(ptm_snap_site);
    if (((const ptm_snap_box *)snap)->base != NULL) {
        return bytes; /* the tables are counted where they are owned */
    }
    bytes += snap->modules == NULL ? 0 : snap->n_strings * sizeof(ptm_str_id);
    return bytes + snap->n_frames * sizeof(ptm_snap_frame) + snap->n_stacks * sizeof(ptm_snap_stack)
           + (snap->n_strings + (size_t)1) * sizeof(uint64_t) + snap->str_offset[snap->n_strings];
}

ptm_err
ptm_snap_subset(const ptm_snap *snap, const uint8_t *keep, ptm_snap **out)
{
    ptm_snap *base = ((const ptm_snap_box *)snap)->base;
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        n_kept += keep[i] != 0;
    }
    ptm_snap_box *box = calloc(1, sizeof(*box));
    ptm_snap_site *sites = ptm_array_new(n_kept + (size_t)1, sizeof(*sites));
    if (box == NULL || sites == NULL) {
        free(box);
        ptm_array_free(sites);
        return PTM_ENOMEM;
    }
    box->snap = *snap;
    box->snap.refs = 1;
    box->snap.sites = sites;
    box->snap.n_sites = n_kept;
    box->owned[PTM_OWNED_SITES] = sites;
    /* a subset of a subset holds the tables' owner, so chains of filters keep nothing else alive */
    box->base = base != NULL ? base : (ptm_snap *)snap;
    ptm_snap_incref(box->base);
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        if (keep[i]) {
            *sites++ = snap->sites[i];
        }
    }
    *out = &box->snap;
    return PTM_OK;
}
