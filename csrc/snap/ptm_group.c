/* SPDX-License-Identifier: MIT */
#include "snap/ptm_group.h"

#include "base/ptm_array.h"
#include "snap/ptm_rows.h"

#include <string.h>

ptm_err
ptm_group(const ptm_snap *snap, const ptm_group_query *query, ptm_groups *out)
{
    ptm_keys keys;
    ptm_err err = ptm_keys_init(&keys, snap, NULL);
    if (err == PTM_OK) {
        err = ptm_rows_make(&keys, query, out);
        ptm_keys_fini(&keys);
    }
    return err;
}

/* -- what the frames of a line agree on -------------------------------------------------------- */

enum { UNSEEN = 0, USED = 1, WRITTEN = 2 };

static void
mark_recent_frames(const ptm_snap *snap, ptm_metric metric, uint8_t *marks)
{
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        if (ptm_site_count(&snap->sites[i], metric) != 0) {
            marks[snap->stacks[snap->sites[i].stack].frame] = USED;
        }
    }
}

static bool
mark_all_frames(const ptm_snap *snap, ptm_metric metric, uint8_t *marks)
{
    uint8_t *used = ptm_array_zeroed(snap->n_stacks, 1);
    if (used == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        used[snap->sites[i].stack] |= ptm_site_count(&snap->sites[i], metric) != 0;
    }
    for (uint32_t id = snap->n_stacks - 1; id > 0; id--) {
        if (used[id]) {
            used[snap->stacks[id].parent] = 1;
            marks[snap->stacks[id].frame] = USED;
        }
    }
    ptm_array_free(used);
    return true;
}

static void
agree_with(ptm_snap_frame *merged, const ptm_snap_frame *frame)
{
    if (merged->name != frame->name) {
        merged->name = PTM_SNAP_NONE;
    }
    if (merged->end_lineno != frame->end_lineno) {
        merged->end_lineno = -1;
    }
    if (merged->colno != frame->colno) {
        merged->colno = -1;
    }
    if (merged->end_colno != frame->end_colno) {
        merged->end_colno = -1;
    }
}

ptm_err
ptm_group_agree(const ptm_snap *snap, const ptm_group_query *query, ptm_snap_frame *merged)
{
    /* first half: which frames count; second half: which lines have been written */
    uint8_t *marks = ptm_array_zeroed((size_t)snap->n_frames * 2 + 1, 1),
            *lines = marks + snap->n_frames;
    if (marks == NULL) {
        return PTM_ENOMEM;
    }
    if (query->cumulative == PTM_FLAT && query->by != PTM_BY_TRACEBACK) {
        mark_recent_frames(snap, query->metric, marks);
    }
    else if (!mark_all_frames(snap, query->metric, marks)) {
        ptm_array_free(marks);
        return PTM_ENOMEM;
    }
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        const ptm_snap_frame *frame = &snap->frames[i];
        if (marks[i] == USED && lines[frame->line_key] != WRITTEN) {
            merged[frame->line_key] = *frame;
            lines[frame->line_key] = WRITTEN;
        }
        else if (marks[i] == USED) {
            agree_with(&merged[frame->line_key], frame);
        }
    }
    ptm_array_free(marks);
    return PTM_OK;
}
