/* SPDX-License-Identifier: MIT
 *
 * A snapshot as a profile; ptm_pprof_write_samples.c writes the samples.
 *
 * What is written in which order matters for one thing: the string table comes last and the
 * comments point to its end, so a file that lacks any of its end has an index to a string that is
 * not there, and cannot be read.
 */
#include "format/ptm_pprof_out.h"

#include "base/ptm_array.h"
#include "format/ptm_format_text.h"
#include "snap/ptm_group.h"
#include "snap/ptm_ids.h"

#include <stdio.h>
#include <string.h>

static const char *const texts[] = {
    "",      PTM_PPROF_COLUMNS, "count",  "bytes",           "space",
    "depth", "domain",          "folded", PTM_PPROF_UNKNOWN, PTM_PPROF_NAMELESS,
};
_Static_assert(PTM_ARRAY_LEN(texts) == PTM_PPROF_N_TEXTS, "texts and their names");

/* -- protobuf ---------------------------------------------------------------------------------- */

static void
put_number(ptm_buf *to, uint32_t field, uint64_t value)
{
    if (ptm_buf_reserve(to, 1 + PTM_VARINT_BYTES)) {
        to->len = (size_t)(ptm_pprof_number_at(to->data + to->len, field, value) - to->data);
    }
}

static void
put_bytes(ptm_buf *to, uint32_t field, const void *bytes, size_t len)
{
    ptm_buf_put_varint(to, field << 3 | PTM_WIRE_BYTES);
    ptm_buf_put_varint(to, len);
    ptm_buf_put(to, bytes, len);
}

/* Moves what is in `from` to a field of `to`. */
static void
put_message(ptm_buf *to, uint32_t field, ptm_buf *from)
{
    put_bytes(to, field, from->data, from->len);
    to->failed |= from->failed;
    from->len = 0;
}

/* -- strings ----------------------------------------------------------------------------------- */

static uint32_t
add_text(ptm_pprof_out *w, const char *text, size_t len)
{
    put_bytes(&w->strings, PTM_PPROF_PROFILE_STRING, text, len);
    return w->n_strings++;
}

static uint32_t
add_string(ptm_pprof_out *w, ptm_str_id id)
{
    if (w->string_of[id] == 0) {
        size_t len;
        const char *bytes = ptm_snap_string(w->snap, id, &len);
        ptm_format_escape(bytes, len, &w->packed);
        w->string_of[id] = w->n_strings++;
        put_message(&w->strings, PTM_PPROF_PROFILE_STRING, &w->packed);
    }
    return w->string_of[id];
}

/* -- what is in use ---------------------------------------------------------------------------- */

static void
mark_used(ptm_pprof_out *w)
{
    const ptm_snap *snap = w->snap;
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        w->used_stack[snap->sites[i].stack] = 1;
    }
    for (uint32_t id = snap->n_stacks - 1; id > 0; id--) {
        if (w->used_stack[id]) {
            w->used_stack[snap->stacks[id].parent] = 1;
            w->location_of[snap->stacks[id].frame] = 1;
        }
    }
}

/* One function per name and file. False: no memory. */
static bool
function_of_frame(ptm_pprof_out *w, ptm_ids *known, const ptm_snap_frame *frame, uint32_t *id)
{
    uint64_t hash = ptm_mix64((uint64_t)frame->file << 32 | frame->name);
    ptm_ids_probe probe = ptm_ids_find(known, hash);
    while (ptm_ids_next(known, &probe)) {
        const ptm_pprof_named *f = &w->functions[probe.id];
        if (f->file == frame->file && f->name == frame->name) {
            *id = probe.id + 1;
            return true;
        }
    }
    w->functions[w->n_functions] = (ptm_pprof_named){frame->file, frame->name};
    *id = ++w->n_functions;
    return ptm_ids_put(known, hash, *id - 1);
}

static bool
number_frames(ptm_pprof_out *w)
{
    ptm_ids known;
    uint32_t n_locations = 0;
    bool ok = ptm_ids_init(&known, 256);
    for (uint32_t i = 0; ok && i < w->snap->n_frames; i++) {
        if (w->location_of[i] != 0) {
            w->location_of[i] = ++n_locations;
            ok = function_of_frame(w, &known, &w->snap->frames[i], &w->function_of[i]);
        }
    }
    ptm_ids_fini(&known);
    return ok;
}

/* -- the messages ------------------------------------------------------------------------------ */

static void
put_value_type(ptm_pprof_out *w, uint32_t field, uint32_t type, uint32_t unit)
{
    put_number(&w->message, PTM_PPROF_VALUE_TYPE_TYPE, type);
    put_number(&w->message, PTM_PPROF_VALUE_TYPE_UNIT, unit);
    put_message(w->out, field, &w->message);
}

static void
put_sample_types(ptm_pprof_out *w)
{
    for (uint32_t i = 0; i < PTM_PPROF_N_COLUMNS; i++) {
        put_value_type(w, PTM_PPROF_PROFILE_SAMPLE_TYPE, PTM_PPROF_TEXT_COLUMNS + i,
                       i % 2 == 0 ? PTM_PPROF_TEXT_COUNT : PTM_PPROF_TEXT_BYTES);
    }
}

/* -- tables ------------------------------------------------------------------------------------ */

/* One mapping that claims names, files and lines, so that pprof looks for no binary to find them
 * in. */
static void
put_mapping(ptm_pprof_out *w)
{
    put_number(&w->message, PTM_PPROF_MAPPING_ID, 1);
    for (uint32_t field = PTM_PPROF_MAPPING_HAS_FUNCTIONS; field <= PTM_PPROF_MAPPING_HAS_INLINE;
         field++) {
        put_number(&w->message, field, 1);
    }
    put_message(w->out, PTM_PPROF_PROFILE_MAPPING, &w->message);
}

static void
put_location(ptm_pprof_out *w, uint32_t frame_id)
{
    const ptm_snap_frame *frame = &w->snap->frames[frame_id];
    put_number(&w->packed, PTM_PPROF_LINE_FUNCTION, w->function_of[frame_id]);
    put_number(&w->packed, PTM_PPROF_LINE_LINE, (uint64_t)(int64_t)frame->lineno);
    put_number(&w->packed, PTM_PPROF_LINE_COLUMN, (uint64_t)((int64_t)frame->colno + 1));
    put_number(&w->message, PTM_PPROF_LOCATION_ID, w->location_of[frame_id]);
    put_number(&w->message, PTM_PPROF_LOCATION_MAPPING, 1);
    put_number(&w->message, PTM_PPROF_LOCATION_ADDRESS,
               ptm_pprof_address(frame->lineno, frame->end_lineno, frame->end_colno));
    put_message(&w->message, PTM_PPROF_LOCATION_LINE, &w->packed);
    put_message(w->out, PTM_PPROF_PROFILE_LOCATION, &w->message);
}

static void
put_function(ptm_pprof_out *w, uint32_t id)
{
    const ptm_pprof_named *f = &w->functions[id - 1];
    bool nameless = f->name == PTM_SNAP_NONE;
    put_number(&w->message, PTM_PPROF_FUNCTION_ID, id);
    put_number(&w->message, PTM_PPROF_FUNCTION_NAME,
               nameless ? (uint32_t)PTM_PPROF_TEXT_UNKNOWN : add_string(w, f->name));
    put_number(&w->message, PTM_PPROF_FUNCTION_SYSTEM_NAME,
               nameless ? PTM_PPROF_TEXT_NAMELESS : PTM_PPROF_TEXT_EMPTY);
    put_number(&w->message, PTM_PPROF_FUNCTION_FILE, add_string(w, f->file));
    put_message(w->out, PTM_PPROF_PROFILE_FUNCTION, &w->message);
}

static void
put_tables(ptm_pprof_out *w)
{
    put_mapping(w);
    for (uint32_t i = 0; i < w->snap->n_frames; i++) {
        if (w->location_of[i] != 0) {
            put_location(w, i);
        }
    }
    for (uint32_t id = 1; id <= w->n_functions; id++) {
        put_function(w, id);
    }
}

static void
put_comment(ptm_pprof_out *w, const char *text)
{
    put_number(w->out, PTM_PPROF_PROFILE_COMMENT, add_text(w, text, strlen(text)));
}

static void
put_string(ptm_pprof_out *w, ptm_str_id id)
{
    size_t len;
    const char *bytes = ptm_snap_string(w->snap, id, &len);
    ptm_format_escape(bytes, len, &w->packed);
}

/* A comment per file that has a module and is in the table. */
static void
put_modules(ptm_pprof_out *w)
{
    for (ptm_str_id file = 0; file < w->snap->n_strings; file++) {
        ptm_str_id module = ptm_snap_module(w->snap, file);
        if (module != PTM_SNAP_NONE && w->string_of[file] != 0) {
            ptm_buf_put(&w->packed, PTM_PPROF_MODULE, strlen(PTM_PPROF_MODULE));
            put_string(w, module);
            ptm_buf_put_byte(&w->packed, ' ');
            put_string(w, file);
            put_number(w->out, PTM_PPROF_PROFILE_COMMENT, w->n_strings++);
            put_message(&w->strings, PTM_PPROF_PROFILE_STRING, &w->packed);
        }
    }
}

static void
put_lacks(ptm_pprof_out *w)
{
    static const char *const metrics[] = {PTM_PPROF_METRICS};
    char text[80] = PTM_PPROF_LACKS;
    size_t len = strlen(text);
    for (uint32_t i = 0; i < PTM_ARRAY_LEN(metrics); i++) {
        if (!ptm_snap_knows(w->snap, (ptm_metric)i)) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", metrics[i]);
        }
    }
    if (w->snap->lacks != 0) {
        put_comment(w, text);
    }
}

static void
put_comments(ptm_pprof_out *w, const ptm_pprof_extra *extra)
{
    char text[80];
    snprintf(text, sizeof(text), PTM_PPROF_MARK "%d", PTM_PPROF_VERSION);
    put_comment(w, text);
    if (extra != NULL && extra->json != NULL) {
        ptm_buf_put(&w->packed, PTM_PPROF_JSON, strlen(PTM_PPROF_JSON));
        ptm_buf_put(&w->packed, extra->json, extra->json_len);
        put_number(w->out, PTM_PPROF_PROFILE_COMMENT, w->n_strings++);
        put_message(&w->strings, PTM_PPROF_PROFILE_STRING, &w->packed);
    }
    if (w->snap->lost_blocks != 0 || w->snap->lost_bytes != 0) {
        snprintf(text, sizeof(text), PTM_PPROF_LOST "%llu %llu",
                 (unsigned long long)w->snap->lost_blocks, (unsigned long long)w->snap->lost_bytes);
        put_comment(w, text);
    }
    put_modules(w);
    put_lacks(w);
    snprintf(text, sizeof(text), PTM_PPROF_LIMIT "%u", (unsigned)w->snap->traceback_limit);
    put_comment(w, text);
}

static void
put_profile(ptm_pprof_out *w, const ptm_pprof_extra *extra)
{
    for (uint32_t i = 0; i < PTM_PPROF_N_TEXTS; i++) {
        add_text(w, texts[i], strlen(texts[i]));
    }
    put_sample_types(w);
    ptm_pprof_put_samples(w);
    put_tables(w);
    put_number(w->out, PTM_PPROF_PROFILE_TIME_NANOS,
               extra == NULL ? 0 : (uint64_t)extra->time_nanos);
    put_value_type(w, PTM_PPROF_PROFILE_PERIOD_TYPE, PTM_PPROF_TEXT_SPACE, PTM_PPROF_TEXT_BYTES);
    put_number(w->out, PTM_PPROF_PROFILE_PERIOD, 1);
    put_number(w->out, PTM_PPROF_PROFILE_DEFAULT_SAMPLE_TYPE,
               PTM_PPROF_TEXT_COLUMNS + PTM_PPROF_COLUMN_INUSE_SPACE);
    put_comments(w, extra);
    ptm_buf_put(w->out, w->strings.data, w->strings.len);
}

static bool
prepare(ptm_pprof_out *w)
{
    const ptm_snap *snap = w->snap;
    w->used_stack = ptm_array_zeroed(snap->n_stacks, 1);
    w->location_of = ptm_array_zeroed(snap->n_frames + (size_t)1, sizeof(*w->location_of));
    w->function_of = ptm_array_zeroed(snap->n_frames + (size_t)1, sizeof(*w->function_of));
    w->string_of = ptm_array_zeroed(snap->n_strings + (size_t)1, sizeof(*w->string_of));
    w->functions = ptm_array_zeroed(snap->n_frames + (size_t)1, sizeof(*w->functions));
    w->written = ptm_array_zeroed(PTM_PPROF_N_WRITTEN, sizeof(*w->written));
    if (!w->used_stack || !w->location_of || !w->function_of || !w->string_of || !w->functions
        || !w->written) {
        return false;
    }
    mark_used(w);
    return number_frames(w);
}

static void
fini(ptm_pprof_out *w)
{
    ptm_buf_fini(&w->message);
    ptm_buf_fini(&w->packed);
    ptm_buf_fini(&w->strings);
    for (size_t i = 0; i < PTM_PPROF_AT_ONCE; i++) {
        ptm_buf_fini(&w->locations[i]);
    }
    ptm_array_free(w->used_stack);
    ptm_array_free(w->location_of);
    ptm_array_free(w->function_of);
    ptm_array_free(w->string_of);
    ptm_array_free(w->functions);
    ptm_array_free(w->written);
}

ptm_err
ptm_pprof_write(const ptm_snap *snap, const ptm_pprof_extra *extra, ptm_buf *out)
{
    ptm_pprof_out w = {.snap = snap, .out = out};
    bool ok = prepare(&w);
    if (ok) {
        put_profile(&w, extra);
        ok = !out->failed && !w.message.failed && !w.packed.failed && !w.strings.failed;
    }
    fini(&w);
    return ok ? PTM_OK : PTM_ENOMEM;
}
