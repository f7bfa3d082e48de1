/* SPDX-License-Identifier: MIT */
#include "snap/ptm_agree.h"

#include "base/ptm_array.h"
#include "snap/ptm_sums.h"

ptm_counted
ptm_counted_by(const ptm_group_query *query, int side)
{
    bool all = query->cumulative != PTM_FLAT || query->by == PTM_BY_TRACEBACK;
    return (ptm_counted)(ptm_metric_of_side(query, side) << 1 | all);
}

uint8_t *
ptm_agree_shared(const ptm_snap *snap)
{
    uint8_t *shared = ptm_array_zeroed((size_t)snap->n_frames + 1, 1);
    for (uint32_t i = 0; shared != NULL && i < snap->n_frames; i++) {
        shared[snap->frames[i].line_key] |= snap->frames[i].line_key != i;
    }
    return shared;
}

/* -- which frames count ------------------------------------------------------------------------ */

static void
mark_recent_frames(const ptm_snap *snap, ptm_metric metric, uint8_t *counts)
{
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        if (ptm_site_count(&snap->sites[i], metric) != 0) {
            counts[snap->stacks[snap->sites[i].stack].frame] = 1;
        }
    }
}

static bool
mark_all_frames(const ptm_snap *snap, ptm_metric metric, uint8_t *counts)
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
            counts[snap->stacks[id].frame] = 1;
        }
    }
    ptm_array_free(used);
    return true;
}

/* By frame, with room for as many lines behind it; NULL: no memory. */
static uint8_t *
marks_of(const ptm_snap *snap, ptm_counted counted)
{
    ptm_metric metric = (ptm_metric)(counted >> 1);
    uint8_t *marks = ptm_array_zeroed((size_t)snap->n_frames * 2 + 1, 1);
    if (marks != NULL && (counted & 1) == 0) {
        mark_recent_frames(snap, metric, marks);
    }
    else if (marks != NULL && !mark_all_frames(snap, metric, marks)) {
        ptm_array_free(marks);
        marks = NULL;
    }
    return marks;
}

/* -- what they agree on ------------------------------------------------------------------------ */

static void
merge_lines(const ptm_snap *snap, const uint8_t *counts, uint8_t *begun, ptm_snap_frame *agreed)
{
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        const ptm_snap_frame *frame = &snap->frames[i];
        agreed[i] = *frame;
        if (counts[i] && begun[frame->line_key]) {
            ptm_snap_frame_agree(&agreed[frame->line_key], frame);
        }
        else if (counts[i]) {
            agreed[frame->line_key] = *frame;
            begun[frame->line_key] = 1;
        }
    }
}

ptm_snap_frame *
ptm_agree(const ptm_snap *snap, ptm_counted counted)
{
    ptm_snap_frame *agreed = ptm_array_new((size_t)snap->n_frames + 1, sizeof(*agreed));
    uint8_t *marks = agreed == NULL ? NULL : marks_of(snap, counted);
    if (marks != NULL) {
        merge_lines(snap, marks, marks + snap->n_frames, agreed);
    }
    else {
        ptm_array_free(agreed);
        agreed = NULL;
    }
    ptm_array_free(marks);
    return agreed;
}
