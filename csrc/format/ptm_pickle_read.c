/* SPDX-License-Identifier: MIT
 *
 * What ptm_pickle_machine left, as a snapshot: an object with a list of traces
 * (domain, size, frames, total_nframe), frames being (filename, lineno), most recent first.
 */
#include "format/ptm_pickle_machine.h"
#include "format/ptm_format_text.h"
#include "snap/ptm_group.h"

#include <stdlib.h>

typedef struct {
    ptm_pickle machine;
    ptm_snap_builder *builder;
} reading;

/* -- attributes -------------------------------------------------------------------------------- */

static const ptm_pickle_value *
items_of(const ptm_pickle *p, const ptm_pickle_value *container, size_t *n)
{
    const ptm_buf *items = &p->containers[container->as.place];
    *n = items->len / sizeof(ptm_pickle_value);
    return (const ptm_pickle_value *)(const void *)items->data;
}

/* The last one of that name, as in a dict; NULL: there is none. */
static const ptm_pickle_value *
attribute(const ptm_pickle *p, const ptm_pickle_value *object, const char *name)
{
    size_t n;
    const ptm_pickle_value *state = items_of(p, object, &n);
    const ptm_pickle_value *pairs = n == 0 ? NULL : items_of(p, state, &n);
    for (size_t i = n; pairs != NULL && i >= 2; i -= 2) {
        if (ptm_pickle_str_is(p, &pairs[i - 2], name)) {
            return &pairs[i - 1];
        }
    }
    return NULL;
}

static bool
is_object(const ptm_pickle_value *value, ptm_pickle_name cls)
{
    return value != NULL && value->kind == PTM_PICKLE_OBJECT && value->n == cls;
}

/* The attribute, of that kind; else an error. */
static const ptm_pickle_value *
need(ptm_pickle *p, const ptm_pickle_value *object, const char *name, ptm_pickle_kind kind)
{
    const ptm_pickle_value *value = attribute(p, object, name), like = {.kind = kind};
    if (value == NULL) {
        ptm_pickle_refuse(p, "the pickle's Snapshot has no %s", name);
    }
    else if (value->kind != kind) {
        ptm_pickle_refuse(p, "the pickle's %s is %s, not %s", name, ptm_pickle_kind_text(value),
                          ptm_pickle_kind_text(&like));
        value = NULL;
    }
    return value;
}

/* -- frames and stacks ------------------------------------------------------------------------- */

/* The tuple, with its items; NULL if it is none or has not that many. */
static ptm_pickle_tuple *
tuple_of(ptm_pickle *p, const ptm_pickle_value *value, uint32_t least, uint32_t most,
         const ptm_pickle_value **items)
{
    if (value->kind != PTM_PICKLE_TUPLE) {
        return NULL;
    }
    ptm_pickle_tuple *tuple = &PTM_PICKLE_TUPLES(p)[value->as.place];
    *items = PTM_PICKLE_ITEMS(p) + tuple->first;
    return tuple->n < least || tuple->n > most ? NULL : tuple;
}

static void
become(ptm_pickle_tuple *tuple, ptm_pickle_role role, uint32_t id)
{
    tuple->role = role;
    tuple->id = id;
}

static bool
is_int(const ptm_pickle_value *value, int64_t max)
{
    return value->kind == PTM_PICKLE_INT && value->as.number >= 0 && value->as.number <= max;
}

static bool
read_frame(reading *r, const ptm_pickle_value *value, ptm_frame_id *out)
{
    ptm_pickle *p = &r->machine;
    const ptm_pickle_value *items;
    ptm_pickle_tuple *tuple = tuple_of(p, value, 2, 2, &items);
    if (tuple == NULL || items[0].kind != PTM_PICKLE_STR || !is_int(&items[1], INT32_MAX)) {
        return ptm_pickle_refuse(p, "a frame of the pickle is not (filename, lineno)");
    }
    if (tuple->role != PTM_PICKLE_FRAME) {
        const char *text = (const char *)p->data + items[0].as.place;
        if (!ptm_format_is_text(text, items[0].n)) {
            return ptm_pickle_refuse(p, "a file name in the pickle is not UTF-8");
        }
        ptm_snap_frame frame = {.file = ptm_snap_build_string(r->builder, text, items[0].n),
                                .name = PTM_SNAP_NONE,
                                .lineno = (int32_t)items[1].as.number,
                                .end_lineno = -1,
                                .colno = -1,
                                .end_colno = -1};
        become(tuple, PTM_PICKLE_FRAME, ptm_snap_build_frame(r->builder, &frame));
    }
    *out = tuple->id;
    return true;
}

/* What is unknown has a frame of its own: no stack is empty. */
static ptm_stack_id
unknown_stack(reading *r)
{
    static const char unknown[] = "<unknown>";
    ptm_snap_frame frame = {.file = ptm_snap_build_string(r->builder, unknown, sizeof(unknown) - 1),
                            .name = PTM_SNAP_NONE,
                            .end_lineno = -1,
                            .colno = -1,
                            .end_colno = -1};
    return ptm_snap_build_stack(r->builder, 0, ptm_snap_build_frame(r->builder, &frame));
}

/* Beyond the API's limit a stack loses its oldest frames, which come last. */
static bool
read_stack(reading *r, const ptm_pickle_value *value, ptm_stack_id *out)
{
    const ptm_pickle_value *items;
    ptm_pickle_tuple *tuple = tuple_of(&r->machine, value, 0, UINT32_MAX, &items);
    if (tuple == NULL) {
        return ptm_pickle_refuse(&r->machine, "the frames of a trace in the pickle are %s",
                                 ptm_pickle_kind_text(value));
    }
    if (tuple->role != PTM_PICKLE_STACK) {
        ptm_stack_id stack = tuple->n == 0 ? unknown_stack(r) : 0;
        for (uint32_t i = tuple->n < PTM_NFRAME_MAX ? tuple->n : PTM_NFRAME_MAX; i-- > 0;) {
            ptm_frame_id frame = 0;
            if (!read_frame(r, &items[i], &frame)) {
                return false;
            }
            stack = ptm_snap_build_stack(r->builder, stack, frame);
        }
        become(tuple, PTM_PICKLE_STACK, stack);
    }
    *out = tuple->id;
    return true;
}

/* -- traces ------------------------------------------------------------------------------------ */

/* One block more of its site, as far as their bytes can be told. */
static bool
add_block(reading *r, ptm_snap_site site)
{
    uint64_t bytes;
    site.live = site.peak = site.allocated = 1;
    site.allocated_bytes = site.size;
    const ptm_snap_site *sum = ptm_snap_build_site_sum(r->builder, &site);
    return sum == NULL || !__builtin_mul_overflow(sum->size, sum->live, &bytes)
           || ptm_pickle_refuse(&r->machine, "the pickle tells of more bytes than there are");
}

/* Old traces have no fourth part. */
static bool
read_trace(reading *r, const ptm_pickle_value *value)
{
    ptm_pickle *p = &r->machine;
    const ptm_pickle_value *items;
    const ptm_pickle_tuple *tuple = tuple_of(p, value, 3, 4, &items);
    if (tuple == NULL || !is_int(&items[0], UINT32_MAX) || !is_int(&items[1], INT64_MAX)
        || !(tuple->n == 3 || items[3].kind == PTM_PICKLE_NONE || is_int(&items[3], INT64_MAX))) {
        return ptm_pickle_refuse(p, "a trace of the pickle is not "
                                    "(domain, size, frames, total_nframe)");
    }
    int64_t depth = tuple->n == 4 && items[3].kind == PTM_PICKLE_INT ? items[3].as.number : 0;
    ptm_snap_site site = {
        .domain = (uint32_t)items[0].as.number,
        .size = (uint64_t)items[1].as.number,
        .depth = (uint32_t)(depth < PTM_NFRAME_MAX ? depth : PTM_NFRAME_MAX),
    };
    return read_stack(r, &items[2], &site.stack) && add_block(r, site);
}

static bool
read_traces(reading *r, const ptm_pickle_value *list)
{
    size_t n;
    const ptm_pickle_value *traces = items_of(&r->machine, list, &n);
    for (size_t i = 0; i < n; i++) {
        if (!read_trace(r, &traces[i])) {
            return false;
        }
    }
    return true;
}

static bool
read_snapshot(reading *r)
{
    ptm_pickle *p = &r->machine;
    ptm_pickle_value top;
    if (!ptm_pickle_run(p, &top)) {
        return false;
    }
    if (!is_object(&top, PTM_PICKLE_SNAPSHOT)) {
        return ptm_pickle_refuse(p, "the pickle holds %s, not a Snapshot",
                                 ptm_pickle_kind_text(&top));
    }
    const ptm_pickle_value *limit = need(p, &top, "traceback_limit", PTM_PICKLE_INT);
    const ptm_pickle_value *traces = need(p, &top, "traces", PTM_PICKLE_OBJECT);
    const ptm_pickle_value *list =
        traces == NULL ? NULL : need(p, traces, "_traces", PTM_PICKLE_LIST);
    if (limit == NULL || list == NULL) {
        return false;
    }
    if (!is_int(limit, PTM_NFRAME_MAX) || limit->as.number == 0) {
        return ptm_pickle_refuse(p, "the pickle's traceback_limit is not from 1 to %d",
                                 PTM_NFRAME_MAX);
    }
    ptm_snap_build_limit(r->builder, (uint32_t)limit->as.number);
    ptm_snap_build_lacks(r->builder, 1u << PTM_METRIC_PEAK | 1u << PTM_METRIC_ALLOCATED
                                         | 1u << PTM_METRIC_FREED);
    return read_traces(r, list);
}

ptm_err
ptm_pickle_read(const uint8_t *data, size_t len, ptm_snap **out, ptm_format_why *why)
{
    reading *r = malloc(sizeof(*r)); /* 50 kB: too much for a thread's stack */
    ptm_snap_builder *builder = r == NULL ? NULL : ptm_snap_build_new(1);
    if (builder == NULL) {
        free(r);
        return PTM_ENOMEM;
    }
    ptm_pickle_init(&r->machine, data, len, why);
    r->builder = builder;
    bool ok = read_snapshot(r);
    ptm_err err = ok ? PTM_OK : r->machine.err;
    if (ptm_pickle_failed(&r->machine) || (!ok && err == PTM_OK)) {
        err = PTM_ENOMEM;
    }
    ptm_pickle_fini(&r->machine);
    free(r);
    if (err != PTM_OK) {
        ptm_snap_build_free(builder);
        return err;
    }
    return ptm_snap_build_finish(builder, out);
}
