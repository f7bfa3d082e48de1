/* SPDX-License-Identifier: MIT */
#include "snap/ptm_filter.h"

#include "base/ptm_array.h"

#include <string.h>

/* Scratch of the filter under work. */
typedef struct {
    uint8_t *frames; /* 1: the frame matches */
    uint8_t *stacks; /* 1: some frame of the stack matches */
} masks;

static bool
match_string(const uint8_t *matches, ptm_str_id id)
{
    return matches == NULL || (id != PTM_SNAP_NONE && matches[id] != 0);
}

static void
match_frames(const ptm_snap *snap, const ptm_filter *filter, uint8_t *frames)
{
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        const ptm_snap_frame *frame = &snap->frames[i];
        frames[i] = match_string(filter->match_file, frame->file)
                    && match_string(filter->match_name, frame->name)
                    && match_string(filter->match_module, ptm_snap_module(snap, frame->file))
                    && (filter->lineno == PTM_ANY_LINE || filter->lineno == frame->lineno);
    }
}

static void
match_stacks(const ptm_snap *snap, masks *m)
{
    m->stacks[0] = 0;
    for (uint32_t id = 1; id < snap->n_stacks; id++) {
        m->stacks[id] = m->stacks[snap->stacks[id].parent] | m->frames[snap->stacks[id].frame];
    }
}

static bool
match_site(const ptm_snap *snap, const ptm_filter *filter, const masks *m, uint32_t i)
{
    const ptm_snap_site *site = &snap->sites[i];
    if (filter->domain != PTM_ANY_DOMAIN && filter->domain != site->domain) {
        return false;
    }
    if (filter->match_site != NULL) {
        return filter->match_site[i];
    }
    return filter->all_frames ? m->stacks[site->stack] : m->frames[snap->stacks[site->stack].frame];
}

/* `mark` is what a match leaves in keep[i]. */
static void
match_sites(const ptm_snap *snap, const ptm_filter *filter, masks *m, uint8_t *keep, uint8_t mark)
{
    match_frames(snap, filter, m->frames);
    if (filter->all_frames) {
        match_stacks(snap, m);
    }
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        if (match_site(snap, filter, m, i)) {
            keep[i] = mark;
        }
    }
}

ptm_err
ptm_filter_apply(const ptm_snap *snap, const ptm_filter *filters, size_t n_filters, uint8_t *keep)
{
    bool any_inclusive = false;
    for (size_t i = 0; i < n_filters; i++) {
        any_inclusive |= filters[i].inclusive;
    }
    masks m = {ptm_array_new(snap->n_frames + (size_t)1, 1),
               ptm_array_new(snap->n_stacks + (size_t)1, 1)};
    bool ok = m.frames != NULL && m.stacks != NULL;
    if (ok) {
        memset(keep, !any_inclusive, snap->n_sites);
        for (int inclusive = 1; inclusive >= 0; inclusive--) { /* what is excluded stays so */
            for (size_t i = 0; i < n_filters; i++) {
                if (filters[i].inclusive == inclusive) {
                    match_sites(snap, &filters[i], &m, keep, (uint8_t)inclusive);
                }
            }
        }
    }
    ptm_array_free(m.frames);
    ptm_array_free(m.stacks);
    return ok ? PTM_OK : PTM_ENOMEM;
}
