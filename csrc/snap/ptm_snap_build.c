/* SPDX-License-Identifier: MIT */
#include "base/ptm_array.h"
#include "snap/ptm_ids.h"
#include "snap/ptm_snap_box.h"
#include "snap/ptm_tree.h"

#include <stdlib.h>
#include <string.h>

struct ptm_snap_builder {
    ptm_column str_offset; /* uint64_t; one more than there are strings */
    ptm_column str_bytes;
    ptm_column frames, sites;
    ptm_column modules; /* ptm_str_id by file, as far as the last file that has one */
    ptm_tree tree;      /* of the stacks */
    ptm_ids str_ids, frame_ids, line_ids;
    ptm_ids site_ids; /* of the sites added by ptm_snap_build_site_sum */
    uint32_t traceback_limit;
    uint64_t lost_blocks, lost_bytes;
    uint32_t lacks;
    bool failed;
};

/* Room for one more id's item; false marks the builder as failed. */
static bool
room_for_id(ptm_snap_builder *b, ptm_column *col, size_t item_bytes)
{
    if (col->len >= PTM_SNAP_NONE - 1 || !ptm_column_reserve(col, 1, item_bytes)) {
        b->failed = true;
    }
    return !b->failed;
}

ptm_snap_builder *
ptm_snap_build_new(uint32_t traceback_limit)
{
    ptm_snap_builder *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return NULL;
    }
    b->traceback_limit = traceback_limit;
    bool ok = ptm_ids_init(&b->str_ids, 64) && ptm_ids_init(&b->frame_ids, 64)
              && ptm_ids_init(&b->line_ids, 64) && ptm_tree_init(&b->tree)
              && ptm_ids_init(&b->site_ids, 0)
              && ptm_column_reserve(&b->str_offset, 64, sizeof(uint64_t))
              && ptm_column_reserve(&b->str_bytes, 1024, 1)
              && ptm_column_reserve(&b->frames, 64, sizeof(ptm_snap_frame))
              && ptm_column_reserve(&b->sites, 64, sizeof(ptm_snap_site));
    if (!ok) {
        ptm_snap_build_free(b);
        return NULL;
    }
    ((uint64_t *)b->str_offset.items)[b->str_offset.len++] = 0;
    return b;
}

void
ptm_snap_build_free(ptm_snap_builder *b)
{
    if (b == NULL) {
        return;
    }
    ptm_column *columns[] = {&b->str_offset, &b->str_bytes, &b->frames, &b->sites, &b->modules};
    for (size_t i = 0; i < PTM_ARRAY_LEN(columns); i++) {
        ptm_array_free(columns[i]->items);
    }
    ptm_ids_fini(&b->str_ids);
    ptm_ids_fini(&b->frame_ids);
    ptm_ids_fini(&b->line_ids);
    ptm_tree_fini(&b->tree);
    ptm_ids_fini(&b->site_ids);
    free(b);
}

/* Without the memory for them the columns grow as they are filled. */
void
ptm_snap_build_expect(ptm_snap_builder *b, size_t n_stacks, size_t n_sites)
{
    (void)(ptm_column_reserve(&b->tree.stacks, n_stacks, sizeof(ptm_snap_stack))
           && ptm_column_reserve(&b->sites, n_sites, sizeof(ptm_snap_site)));
}

static bool
string_is(const ptm_snap_builder *b, ptm_str_id id, const char *utf8, size_t len)
{
    const uint64_t *offset = b->str_offset.items;
    const char *bytes = b->str_bytes.items;
    return offset[id + 1] - offset[id] == len
           && (len == 0 || memcmp(bytes + offset[id], utf8, len) == 0);
}

static ptm_str_id
add_string(ptm_snap_builder *b, uint64_t hash, const char *utf8, size_t len)
{
    ptm_str_id id = (ptm_str_id)(b->str_offset.len - 1);
    if (!room_for_id(b, &b->str_offset, sizeof(uint64_t))) {
        return 0;
    }
    if (!ptm_column_reserve(&b->str_bytes, len, 1) || !ptm_ids_put(&b->str_ids, hash, id)) {
        b->failed = true;
        return 0;
    }
    if (len != 0) {
        memcpy((char *)b->str_bytes.items + b->str_bytes.len, utf8, len);
    }
    b->str_bytes.len += len;
    ((uint64_t *)b->str_offset.items)[b->str_offset.len++] = b->str_bytes.len;
    return id;
}

ptm_str_id
ptm_snap_build_string(ptm_snap_builder *b, const char *utf8, size_t len)
{
    if (b->failed) {
        return 0;
    }
    utf8 = len == 0 ? "" : utf8; /* NULL is a fine empty string */
    uint64_t hash = ptm_ids_hash_bytes(&b->str_ids, utf8, len);
    ptm_ids_probe probe = ptm_ids_find(&b->str_ids, hash);
    while (ptm_ids_next(&b->str_ids, &probe)) {
        if (string_is(b, probe.id, utf8, len)) {
            return probe.id;
        }
    }
    return add_string(b, hash, utf8, len);
}

/* Positions obey: an end line is not before the line of a known line, a column is not negative and
 * not the greatest number there is (the file format keeps end_colno + 1 in 31 bits). What breaks
 * this becomes -1. */
static ptm_snap_frame
tidy(const ptm_snap_frame *frame)
{
    ptm_snap_frame tidied = *frame;
    if (frame->lineno <= 0 || frame->end_lineno < frame->lineno) {
        tidied.end_lineno = -1;
    }
    if (frame->colno < 0) {
        tidied.colno = -1;
    }
    if (frame->end_colno < 0 || frame->end_colno == INT32_MAX) {
        tidied.end_colno = -1;
    }
    return tidied;
}

static uint64_t
line_hash(const ptm_snap_frame *frame)
{
    return ptm_mix64((uint64_t)frame->file << 32 | (uint32_t)frame->lineno);
}

/* The first frame with this file and line: one that is there, or `id`, which is being added. */
static uint32_t
line_key_of(ptm_snap_builder *b, const ptm_snap_frame *frame, ptm_frame_id id)
{
    const ptm_snap_frame *frames = b->frames.items;
    uint64_t hash = line_hash(frame);
    ptm_ids_probe probe = ptm_ids_find(&b->line_ids, hash);
    while (ptm_ids_next(&b->line_ids, &probe)) {
        const ptm_snap_frame *other = &frames[probe.id];
        if (other->file == frame->file && other->lineno == frame->lineno) {
            return probe.id;
        }
    }
    if (!ptm_ids_put(&b->line_ids, hash, id)) {
        b->failed = true;
    }
    return id;
}

static ptm_frame_id
add_frame(ptm_snap_builder *b, uint64_t hash, const ptm_snap_frame *frame)
{
    ptm_frame_id id = (ptm_frame_id)b->frames.len;
    if (!room_for_id(b, &b->frames, sizeof(*frame)) || !ptm_ids_put(&b->frame_ids, hash, id)) {
        b->failed = true;
        return 0;
    }
    ptm_snap_frame *added = (ptm_snap_frame *)b->frames.items + id;
    *added = *frame;
    added->line_key = line_key_of(b, frame, id);
    b->frames.len++;
    return b->failed ? 0 : id;
}

ptm_frame_id
ptm_snap_build_frame(ptm_snap_builder *b, const ptm_snap_frame *frame)
{
    if (b->failed) {
        return 0;
    }
    ptm_snap_frame tidied = tidy(frame);
    uint64_t hash = ptm_mix64(line_hash(frame) + frame->name);
    ptm_ids_probe probe = ptm_ids_find(&b->frame_ids, hash);
    while (ptm_ids_next(&b->frame_ids, &probe)) {
        ptm_snap_frame *other = (ptm_snap_frame *)b->frames.items + probe.id;
        if (other->file == frame->file && other->name == frame->name
            && other->lineno == frame->lineno) {
            ptm_snap_frame_agree(other, &tidied);
            return probe.id;
        }
    }
    return add_frame(b, hash, &tidied);
}

ptm_stack_id
ptm_snap_build_stack(ptm_snap_builder *b, ptm_stack_id parent, ptm_frame_id frame)
{
    if (b->failed) {
        return 0;
    }
    ptm_assert(parent < b->tree.stacks.len && frame < b->frames.len);
    ptm_stack_id id = ptm_tree_push(&b->tree, parent, frame);
    b->failed = id == 0;
    return id;
}

const ptm_snap_stack *
ptm_snap_build_stack_at(const ptm_snap_builder *b, ptm_stack_id id)
{
    return (const ptm_snap_stack *)b->tree.stacks.items + id;
}

void
ptm_snap_build_paths(ptm_snap_builder *b, ptm_snap_path *paths, size_t n_paths)
{
    b->failed = b->failed || !ptm_tree_push_paths(&b->tree, paths, n_paths);
}

void
ptm_snap_build_site(ptm_snap_builder *b, const ptm_snap_site *site)
{
    if (!b->failed && room_for_id(b, &b->sites, sizeof(*site))) {
        ptm_assert(site->stack != 0 && site->stack < b->tree.stacks.len);
        ((ptm_snap_site *)b->sites.items)[b->sites.len++] = *site;
    }
}

static uint64_t
site_hash(const ptm_snap_site *site)
{
    uint64_t kind = ptm_mix64((uint64_t)site->domain << 32 | site->depth << 1 | site->folded);
    return ptm_mix64(ptm_mix64(site->size + kind) + site->stack);
}

static bool
same_blocks(const ptm_snap_site *a, const ptm_snap_site *b)
{
    return a->stack == b->stack && a->size == b->size && a->domain == b->domain
           && a->depth == b->depth && a->folded == b->folded;
}

static void
add_counts(ptm_snap_site *into, const ptm_snap_site *site)
{
    into->live = ptm_sum_saturated(into->live, site->live);
    into->peak = ptm_sum_saturated(into->peak, site->peak);
    into->allocated = ptm_sum_saturated(into->allocated, site->allocated);
    into->allocated_bytes = ptm_sum_saturated(into->allocated_bytes, site->allocated_bytes);
}

static ptm_snap_site *
add_site(ptm_snap_builder *b, uint64_t hash, const ptm_snap_site *site)
{
    ptm_site_id id = (ptm_site_id)b->sites.len;
    ptm_snap_build_site(b, site);
    if (!b->failed && !ptm_ids_put(&b->site_ids, hash, id)) {
        b->failed = true;
    }
    return b->failed ? NULL : (ptm_snap_site *)b->sites.items + id;
}

const ptm_snap_site *
ptm_snap_build_site_sum(ptm_snap_builder *b, const ptm_snap_site *site)
{
    if (b->failed) {
        return NULL;
    }
    uint64_t hash = site_hash(site);
    ptm_ids_probe probe = ptm_ids_find(&b->site_ids, hash);
    while (ptm_ids_next(&b->site_ids, &probe)) {
        ptm_snap_site *other = (ptm_snap_site *)b->sites.items + probe.id;
        if (same_blocks(other, site)) {
            add_counts(other, site);
            return other;
        }
    }
    return add_site(b, hash, site);
}

void
ptm_snap_build_limit(ptm_snap_builder *b, uint32_t traceback_limit)
{
    b->traceback_limit = traceback_limit;
}

void
ptm_snap_build_losses(ptm_snap_builder *b, uint64_t blocks, uint64_t bytes)
{
    b->lost_blocks = blocks;
    b->lost_bytes = bytes;
}

void
ptm_snap_build_lacks(ptm_snap_builder *b, uint32_t metrics)
{
    b->lacks = metrics;
}

/* The column of modules as long as `n` files need it, those without one being PTM_SNAP_NONE. */
static bool
lengthen_modules(ptm_snap_builder *b, size_t n)
{
    ptm_column *modules = &b->modules;
    if (n > modules->len) {
        if (!ptm_column_reserve(modules, n - modules->len, sizeof(ptm_str_id))) {
            b->failed = true;
            return false;
        }
        memset((ptm_str_id *)modules->items + modules->len, 0xff,
               (n - modules->len) * sizeof(ptm_str_id));
        modules->len = n;
    }
    return true;
}

void
ptm_snap_build_module(ptm_snap_builder *b, ptm_str_id file, ptm_str_id module)
{
    if (!b->failed && lengthen_modules(b, (size_t)file + 1)) {
        ptm_str_id *of_file = (ptm_str_id *)b->modules.items + file;
        *of_file = *of_file == PTM_SNAP_NONE ? module : *of_file;
    }
}

static uint64_t
greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* See ptm_snap.sums_fit. Of freed blocks there are no more than allocated ones. */
static bool
sums_fit(const ptm_snap *snap)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        const ptm_snap_site *site = &snap->sites[i];
        uint64_t blocks = greater(site->live, site->peak);
        uint64_t bytes = greater(site->allocated_bytes, ptm_product_saturated(site->size, blocks));
        uint64_t most = greater(greater(blocks, site->allocated), bytes);
        most = ptm_product_saturated(most, snap->stacks[site->stack].nframe);
        sum = ptm_sum_saturated(sum, most);
    }
    return sum <= INT64_MAX;
}

ptm_err
ptm_snap_build_finish(ptm_snap_builder *b, ptm_snap **out)
{
    bool ready = !b->failed && (b->modules.len == 0 || lengthen_modules(b, b->str_offset.len - 1));
    ptm_snap_box *box = ready ? calloc(1, sizeof(*box)) : NULL;
    if (box == NULL) {
        ptm_snap_build_free(b);
        return PTM_ENOMEM;
    }
    box->snap = (ptm_snap){
        .refs = 1,
        .traceback_limit = b->traceback_limit,
        .n_strings = (uint32_t)(b->str_offset.len - 1),
        .n_frames = (uint32_t)b->frames.len,
        .n_stacks = (uint32_t)b->tree.stacks.len,
        .n_sites = (uint32_t)b->sites.len,
        .str_offset = box->owned[PTM_OWNED_OFFSETS] =
            ptm_column_take(&b->str_offset, sizeof(uint64_t)),
        .str_bytes = box->owned[PTM_OWNED_BYTES] = ptm_column_take(&b->str_bytes, 1),
        .frames = box->owned[PTM_OWNED_FRAMES] =
            ptm_column_take(&b->frames, sizeof(ptm_snap_frame)),
        .stacks = box->owned[PTM_OWNED_STACKS] =
            ptm_column_take(&b->tree.stacks, sizeof(ptm_snap_stack)),
        .sites = box->owned[PTM_OWNED_SITES] = ptm_column_take(&b->sites, sizeof(ptm_snap_site)),
        .lost_blocks = b->lost_blocks,
        .lost_bytes = b->lost_bytes,
        .lacks = b->lacks,
    };
    if (b->modules.len != 0) {
        box->snap.modules = box->owned[PTM_OWNED_MODULES] =
            ptm_column_take(&b->modules, sizeof(ptm_str_id));
    }
    box->snap.sums_fit = sums_fit(&box->snap);
    ptm_snap_build_free(b);
    *out = &box->snap;
    return PTM_OK;
}
