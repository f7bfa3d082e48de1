/* SPDX-License-Identifier: MIT */
#include "snap/ptm_ids.h"
#include "snap/ptm_snap_box.h"

#include <stdlib.h>
#include <string.h>

/* Most stacks have at most one callee, so only the children of stacks with more than one are in a
 * table: a tree of long chains is built without hashing, and what is added below a new stack is
 * known to be new. */
#define MANY UINT32_MAX

/* A column under construction. Ids stay below UINT32_MAX, which means "none". */
typedef struct {
    void *items;
    size_t len, capacity; /* items */
} column;

struct ptm_snap_builder {
    column str_offset; /* uint64_t; one more than there are strings */
    column str_bytes;
    column frames, stacks, sites;
    column only_child; /* uint32_t per stack: 0 none, MANY: look in stack_ids, else its one child */
    ptm_ids str_ids, frame_ids, line_ids, stack_ids;
    uint32_t traceback_limit;
    uint64_t lost_blocks, lost_bytes;
    bool failed;
};

static bool
column_reserve(column *col, size_t more, size_t item_bytes)
{
    if (PTM_LIKELY(more <= col->capacity - col->len)) {
        return true;
    }
    size_t capacity = col->capacity + col->capacity / 2 + 16;
    if (capacity < col->len + more) {
        capacity = col->len + more;
    }
    if (capacity > (size_t)PTRDIFF_MAX / item_bytes) {
        return false;
    }
    void *items = realloc(col->items, capacity * item_bytes);
    if (items == NULL) {
        return false;
    }
    col->items = items;
    col->capacity = capacity;
    return true;
}

/* Room for one more id's item; false marks the builder as failed. */
static bool
room_for_id(ptm_snap_builder *b, column *col, size_t item_bytes)
{
    if (col->len >= PTM_SNAP_NONE - 1 || !column_reserve(col, 1, item_bytes)) {
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
              && ptm_ids_init(&b->line_ids, 64) && ptm_ids_init(&b->stack_ids, 64)
              && column_reserve(&b->str_offset, 64, sizeof(uint64_t))
              && column_reserve(&b->str_bytes, 1024, 1)
              && column_reserve(&b->frames, 64, sizeof(ptm_snap_frame))
              && column_reserve(&b->stacks, 64, sizeof(ptm_snap_stack))
              && column_reserve(&b->only_child, 64, sizeof(uint32_t))
              && column_reserve(&b->sites, 64, sizeof(ptm_snap_site));
    if (!ok) {
        ptm_snap_build_free(b);
        return NULL;
    }
    ((uint64_t *)b->str_offset.items)[b->str_offset.len++] = 0;
    ((ptm_snap_stack *)b->stacks.items)[b->stacks.len++] = (ptm_snap_stack){.frame = PTM_SNAP_NONE};
    ((uint32_t *)b->only_child.items)[b->only_child.len++] = 0;
    return b;
}

void
ptm_snap_build_free(ptm_snap_builder *b)
{
    if (b == NULL) {
        return;
    }
    column *columns[] = {&b->str_offset, &b->str_bytes,  &b->frames,
                         &b->stacks,     &b->only_child, &b->sites};
    for (size_t i = 0; i < PTM_ARRAY_LEN(columns); i++) {
        free(columns[i]->items);
    }
    ptm_ids_fini(&b->str_ids);
    ptm_ids_fini(&b->frame_ids);
    ptm_ids_fini(&b->line_ids);
    ptm_ids_fini(&b->stack_ids);
    free(b);
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
    if (!column_reserve(&b->str_bytes, len, 1) || !ptm_ids_put(&b->str_ids, hash, id)) {
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

static void
merge_positions(ptm_snap_frame *into, const ptm_snap_frame *frame)
{
    if (into->end_lineno != frame->end_lineno) {
        into->end_lineno = -1;
    }
    if (into->colno != frame->colno) {
        into->colno = -1;
    }
    if (into->end_colno != frame->end_colno) {
        into->end_colno = -1;
    }
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
            merge_positions(other, &tidied);
            return probe.id;
        }
    }
    return add_frame(b, hash, &tidied);
}

static uint64_t
stack_hash(ptm_stack_id parent, ptm_frame_id frame)
{
    return ptm_mix64((uint64_t)parent << 32 | frame);
}

static ptm_stack_id
add_stack(ptm_snap_builder *b, ptm_stack_id parent, ptm_frame_id frame)
{
    ptm_stack_id id = (ptm_stack_id)b->stacks.len;
    if (!room_for_id(b, &b->stacks, sizeof(ptm_snap_stack))
        || !room_for_id(b, &b->only_child, sizeof(uint32_t))) {
        return 0;
    }
    ptm_snap_stack *stacks = b->stacks.items;
    stacks[id] = (ptm_snap_stack){parent, frame, stacks[parent].nframe + 1};
    ((uint32_t *)b->only_child.items)[id] = 0;
    b->stacks.len++;
    b->only_child.len++;
    return id;
}

static bool
list_child(ptm_snap_builder *b, ptm_stack_id child)
{
    const ptm_snap_stack *stack = (ptm_snap_stack *)b->stacks.items + child;
    if (!ptm_ids_put(&b->stack_ids, stack_hash(stack->parent, stack->frame), child)) {
        b->failed = true;
    }
    return !b->failed;
}

/* A parent's second child: the first one goes to the table with it. */
static ptm_stack_id
add_second_child(ptm_snap_builder *b, ptm_stack_id first, ptm_stack_id parent, ptm_frame_id frame)
{
    ptm_stack_id id = add_stack(b, parent, frame);
    if (b->failed || !list_child(b, first) || !list_child(b, id)) {
        return 0;
    }
    ((uint32_t *)b->only_child.items)[parent] = MANY;
    return id;
}

static ptm_stack_id
one_of_many(ptm_snap_builder *b, ptm_stack_id parent, ptm_frame_id frame)
{
    ptm_ids_probe probe = ptm_ids_find(&b->stack_ids, stack_hash(parent, frame));
    while (ptm_ids_next(&b->stack_ids, &probe)) {
        const ptm_snap_stack *other = (ptm_snap_stack *)b->stacks.items + probe.id;
        if (other->parent == parent && other->frame == frame) {
            return probe.id;
        }
    }
    ptm_stack_id id = add_stack(b, parent, frame);
    return !b->failed && list_child(b, id) ? id : 0;
}

ptm_stack_id
ptm_snap_build_stack(ptm_snap_builder *b, ptm_stack_id parent, ptm_frame_id frame)
{
    if (b->failed) {
        return 0;
    }
    ptm_assert(parent < b->stacks.len && frame < b->frames.len);
    uint32_t child = ((uint32_t *)b->only_child.items)[parent];
    if (child == MANY) {
        return one_of_many(b, parent, frame);
    }
    if (child != 0) {
        bool same = ((ptm_snap_stack *)b->stacks.items)[child].frame == frame;
        return same ? child : add_second_child(b, child, parent, frame);
    }
    ptm_stack_id id = add_stack(b, parent, frame);
    ((uint32_t *)b->only_child.items)[parent] = id; /* 0 after a failure: still none */
    return id;
}

void
ptm_snap_build_site(ptm_snap_builder *b, const ptm_snap_site *site)
{
    if (!b->failed && room_for_id(b, &b->sites, sizeof(*site))) {
        ptm_assert(site->stack != 0 && site->stack < b->stacks.len);
        ((ptm_snap_site *)b->sites.items)[b->sites.len++] = *site;
    }
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

/* Takes the column out of the builder, without the room it did not use. */
static void *
take(column *col, size_t item_bytes)
{
    void *items = realloc(col->items, (col->len + (col->len == 0)) * item_bytes);
    if (items == NULL) {
        items = col->items;
    }
    col->items = NULL;
    return items;
}

ptm_err
ptm_snap_build_finish(ptm_snap_builder *b, ptm_snap **out)
{
    ptm_snap_box *box = b->failed ? NULL : calloc(1, sizeof(*box));
    if (box == NULL) {
        ptm_snap_build_free(b);
        return PTM_ENOMEM;
    }
    box->snap = (ptm_snap){
        .refs = 1,
        .traceback_limit = b->traceback_limit,
        .n_strings = (uint32_t)(b->str_offset.len - 1),
        .n_frames = (uint32_t)b->frames.len,
        .n_stacks = (uint32_t)b->stacks.len,
        .n_sites = (uint32_t)b->sites.len,
        .str_offset = box->owned[0] = take(&b->str_offset, sizeof(uint64_t)),
        .str_bytes = box->owned[1] = take(&b->str_bytes, 1),
        .frames = box->owned[2] = take(&b->frames, sizeof(ptm_snap_frame)),
        .stacks = box->owned[3] = take(&b->stacks, sizeof(ptm_snap_stack)),
        .sites = box->owned[4] = take(&b->sites, sizeof(ptm_snap_site)),
        .lost_blocks = b->lost_blocks,
        .lost_bytes = b->lost_bytes,
    };
    ptm_snap_build_free(b);
    *out = &box->snap;
    return PTM_OK;
}
