/* SPDX-License-Identifier: MIT */
#include "snap/ptm_merge.h"

#include "base/ptm_array.h"

#include <string.h>

#define NOT_YET UINT32_MAX

/* From ids of the snapshot under work to ids of the merged one. */
typedef struct {
    const ptm_snap *snap;
    ptm_snap_builder *builder;
    ptm_str_id *strings; /* NOT_YET: not met so far; so the frames */
    ptm_frame_id *frames;
    ptm_stack_id *stacks; /* before map_stacks: 1 if some site's stack has this one, else 0 */
} mapping;

static bool
mapping_init(mapping *m, const ptm_snap *snap, ptm_snap_builder *builder)
{
    size_t n_strings = snap->n_strings, n_frames = snap->n_frames;
    *m = (mapping){
        .snap = snap,
        .builder = builder,
        .strings = ptm_array_new(n_strings + 1, sizeof(*m->strings)),
        .frames = ptm_array_new(n_frames + 1, sizeof(*m->frames)),
        .stacks = ptm_array_zeroed(snap->n_stacks, sizeof(*m->stacks)),
    };
    if (m->strings == NULL || m->frames == NULL || m->stacks == NULL) {
        return false;
    }
    memset(m->strings, 0xff, n_strings * sizeof(*m->strings));
    memset(m->frames, 0xff, n_frames * sizeof(*m->frames));
    return true;
}

static void
mapping_fini(mapping *m)
{
    ptm_array_free(m->strings);
    ptm_array_free(m->frames);
    ptm_array_free(m->stacks);
}

static ptm_str_id
map_string(mapping *m, ptm_str_id id)
{
    if (m->strings[id] == NOT_YET) {
        size_t len;
        const char *utf8 = ptm_snap_string(m->snap, id, &len);
        m->strings[id] = ptm_snap_build_string(m->builder, utf8, len);
    }
    return m->strings[id];
}

static ptm_str_id
map_file(mapping *m, ptm_str_id id)
{
    ptm_str_id file = map_string(m, id), module = ptm_snap_module(m->snap, id);
    if (module != PTM_SNAP_NONE) {
        ptm_snap_build_module(m->builder, file, map_string(m, module));
    }
    return file;
}

static ptm_frame_id
map_frame(mapping *m, ptm_frame_id id)
{
    if (m->frames[id] == NOT_YET) {
        ptm_snap_frame frame = m->snap->frames[id];
        frame.file = map_file(m, frame.file);
        frame.name = frame.name == PTM_SNAP_NONE ? PTM_SNAP_NONE : map_string(m, frame.name);
        m->frames[id] = ptm_snap_build_frame(m->builder, &frame);
    }
    return m->frames[id];
}

/* Callees come after their callers: backward to mark the callers, forward to map them first. */
static void
map_stacks(mapping *m)
{
    const ptm_snap *snap = m->snap;
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        m->stacks[snap->sites[i].stack] = 1;
    }
    for (uint32_t id = snap->n_stacks - 1; id > 0; id--) {
        m->stacks[snap->stacks[id].parent] |= m->stacks[id];
    }
    m->stacks[0] = 0; /* the empty one is itself */
    for (uint32_t id = 1; id < snap->n_stacks; id++) {
        if (m->stacks[id]) {
            const ptm_snap_stack *stack = &snap->stacks[id];
            ptm_frame_id frame = map_frame(m, stack->frame);
            m->stacks[id] = ptm_snap_build_stack(m->builder, m->stacks[stack->parent], frame);
        }
    }
}

static void
add_sites(const mapping *m)
{
    for (uint32_t i = 0; i < m->snap->n_sites; i++) {
        ptm_snap_site site = m->snap->sites[i];
        site.stack = m->stacks[site.stack];
        ptm_snap_build_site_sum(m->builder, &site);
    }
}

static bool
add_snap(ptm_snap_builder *builder, const ptm_snap *snap)
{
    mapping m;
    bool ok = mapping_init(&m, snap, builder);
    if (ok) {
        map_stacks(&m);
        add_sites(&m);
    }
    mapping_fini(&m);
    return ok;
}

static uint32_t
greatest_limit(const ptm_snap *const *snaps, size_t n)
{
    uint32_t limit = 0;
    for (size_t i = 0; i < n; i++) {
        limit = snaps[i]->traceback_limit > limit ? snaps[i]->traceback_limit : limit;
    }
    return limit;
}

static void
add_losses_and_lacks(ptm_snap_builder *builder, const ptm_snap *const *snaps, size_t n)
{
    uint64_t blocks = 0, bytes = 0;
    uint32_t lacks = 0;
    for (size_t i = 0; i < n; i++) {
        blocks = ptm_sum_saturated(blocks, snaps[i]->lost_blocks);
        bytes = ptm_sum_saturated(bytes, snaps[i]->lost_bytes);
        lacks |= snaps[i]->lacks;
    }
    ptm_snap_build_losses(builder, blocks, bytes);
    ptm_snap_build_lacks(builder, lacks);
}

ptm_err
ptm_snap_merge(const ptm_snap *const *snaps, size_t n, ptm_snap **out)
{
    ptm_assert(n > 0);
    ptm_snap_builder *builder = ptm_snap_build_new(greatest_limit(snaps, n));
    bool ok = builder != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        ok = add_snap(builder, snaps[i]);
    }
    if (!ok) {
        ptm_snap_build_free(builder);
        return PTM_ENOMEM;
    }
    add_losses_and_lacks(builder, snaps, n);
    return ptm_snap_build_finish(builder, out);
}
