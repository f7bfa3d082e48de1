/* SPDX-License-Identifier: MIT
 *
 * What is written in which order matters for one thing: the string table comes last and the
 * comments point to its end, so a file that lacks any of its end has an index to a string that is
 * not there, and cannot be read.
 */
#include "format/ptm_pprof.h"

#include "base/ptm_array.h"
#include "format/ptm_pprof_fields.h"
#include "format/ptm_pprof_text.h"
#include "snap/ptm_group.h"
#include "snap/ptm_ids.h"

#include <stdio.h>
#include <string.h>

/* The first strings of the table. Their places are their names here. */
enum {
    TEXT_EMPTY,
    TEXT_COLUMNS, /* N_COLUMNS of them */
    TEXT_COUNT = TEXT_COLUMNS + N_COLUMNS,
    TEXT_BYTES,
    TEXT_SPACE,
    TEXT_DEPTH,
    TEXT_DOMAIN,
    TEXT_FOLDED,
    TEXT_UNKNOWN,
    TEXT_NAMELESS,
    N_TEXTS
};
static const char *const texts[] = {
    "",      PTM_PPROF_COLUMNS, "count",  "bytes",           "space",
    "depth", "domain",          "folded", PTM_PPROF_UNKNOWN, PTM_PPROF_NAMELESS,
};
_Static_assert(PTM_ARRAY_LEN(texts) == N_TEXTS, "texts and their names");

typedef struct {
    ptm_str_id file, name;
} function;

#define AT_ONCE 32u /* samples */

/* The packed locations of a stack, where they stand in the output already. */
typedef struct {
    ptm_stack_id stack; /* 0: of none */
    uint32_t len;
    size_t at;
} written_stack;

#define N_WRITTEN 4096u

typedef struct {
    const ptm_snap *snap;
    ptm_buf *out;
    ptm_buf message, packed;    /* scratch: the message under work, a packed field in it */
    ptm_buf locations[AT_ONCE]; /* scratch: of the samples under work */
    written_stack *written;     /* by a few bits of the stack's id */
    ptm_buf strings;            /* the string table, written last */
    uint32_t n_strings;
    uint8_t *used_stack;
    uint32_t *location_of; /* frame -> id; 0: no site has it */
    uint32_t *function_of; /* frame -> id */
    uint32_t *string_of;   /* snapshot's string -> place in the table; 0: not in it yet */
    function *functions;   /* by id - 1 */
    uint32_t n_functions;
} writing;

/* -- protobuf ---------------------------------------------------------------------------------- */

/* Zero is left out. */
static uint8_t *
number_at(uint8_t *at, uint32_t field, uint64_t value)
{
    if (value == 0) {
        return at;
    }
    *at++ = (uint8_t)(field << 3 | WIRE_VARINT); /* fields here are below 16 */
    return ptm_varint_at(at, value);
}

static void
put_number(ptm_buf *to, uint32_t field, uint64_t value)
{
    if (ptm_buf_reserve(to, 1 + PTM_VARINT_BYTES)) {
        to->len = (size_t)(number_at(to->data + to->len, field, value) - to->data);
    }
}

static void
put_bytes(ptm_buf *to, uint32_t field, const void *bytes, size_t len)
{
    ptm_buf_put_varint(to, field << 3 | WIRE_BYTES);
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
add_text(writing *w, const char *text, size_t len)
{
    put_bytes(&w->strings, PROFILE_STRING, text, len);
    return w->n_strings++;
}

static uint32_t
add_string(writing *w, ptm_str_id id)
{
    if (w->string_of[id] == 0) {
        size_t len;
        const char *bytes = ptm_snap_string(w->snap, id, &len);
        ptm_pprof_escape(bytes, len, &w->packed);
        w->string_of[id] = w->n_strings++;
        put_message(&w->strings, PROFILE_STRING, &w->packed);
    }
    return w->string_of[id];
}

/* -- what is in use ---------------------------------------------------------------------------- */

static void
mark_used(writing *w)
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
function_of_frame(writing *w, ptm_ids *known, const ptm_snap_frame *frame, uint32_t *id)
{
    uint64_t hash = ptm_mix64((uint64_t)frame->file << 32 | frame->name);
    ptm_ids_probe probe = ptm_ids_find(known, hash);
    while (ptm_ids_next(known, &probe)) {
        const function *f = &w->functions[probe.id];
        if (f->file == frame->file && f->name == frame->name) {
            *id = probe.id + 1;
            return true;
        }
    }
    w->functions[w->n_functions] = (function){frame->file, frame->name};
    *id = ++w->n_functions;
    return ptm_ids_put(known, hash, *id - 1);
}

static bool
number_frames(writing *w)
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
put_value_type(writing *w, uint32_t field, uint32_t type, uint32_t unit)
{
    put_number(&w->message, VALUE_TYPE_TYPE, type);
    put_number(&w->message, VALUE_TYPE_UNIT, unit);
    put_message(w->out, field, &w->message);
}

static void
put_sample_types(writing *w)
{
    for (uint32_t i = 0; i < N_COLUMNS; i++) {
        put_value_type(w, PROFILE_SAMPLE_TYPE, TEXT_COLUMNS + i,
                       i % 2 == 0 ? TEXT_COUNT : TEXT_BYTES);
    }
}

/* -- samples: they are many, so no buffers lie between ----------------------------------------- */

/* Room at the start, so that not all is copied again and again: what is not used is not touched. */
#define SAMPLE_BYTES 96

/* Values and labels of a sample: six numbers and four times two, and what is around them. */
#define REST_BYTES 256

/* A count that is no int64 cannot be said in a profile; there is no such program. */
static uint8_t *
values_at(uint8_t *at, const ptm_snap_site *site)
{
    const uint64_t values[N_COLUMNS] = {
        site->allocated, site->allocated_bytes,   site->live, site->live * site->size,
        site->peak,      site->peak * site->size,
    };
    *at++ = SAMPLE_VALUE << 3 | WIRE_BYTES;
    uint8_t *len = at++; /* below 128, as of a label */
    for (int i = 0; i < N_COLUMNS; i++) {
        at = ptm_varint_at(at, values[i] <= INT64_MAX ? values[i] : INT64_MAX);
    }
    *len = (uint8_t)(at - len - 1);
    return at;
}

static uint8_t *
label_at(uint8_t *at, uint32_t key, int64_t num)
{
    *at++ = SAMPLE_LABEL << 3 | WIRE_BYTES;
    uint8_t *len = at++;
    at = number_at(at, LABEL_KEY, key);
    at = number_at(at, LABEL_NUM, (uint64_t)num);
    *len = (uint8_t)(at - len - 1);
    return at;
}

static uint8_t *
labels_at(uint8_t *at, const ptm_snap_site *site, uint32_t nframe)
{
    at = label_at(at, TEXT_BYTES, (int64_t)site->size);
    if (site->depth != nframe) {
        int64_t depth = site->depth == 0 ? PTM_PPROF_DEPTH_UNKNOWN : (int64_t)site->depth;
        at = label_at(at, TEXT_DEPTH, depth);
    }
    if (site->domain != 0) {
        at = label_at(at, TEXT_DOMAIN, site->domain);
    }
    return site->folded != 0 ? label_at(at, TEXT_FOLDED, site->folded) : at;
}

static written_stack *
place_of(const writing *w, ptm_stack_id stack)
{
    return &w->written[stack % N_WRITTEN];
}

/* Of several: the one before has the same stack. */
static bool
is_twin(const ptm_snap_site *sites, size_t i)
{
    return i != 0 && sites[i - 1].stack == sites[i].stack;
}

/* The locations of several samples, each most recent first and packed: where they have been written
 * before (many sites have one stack), or into a buffer. The stacks are followed side by side: each
 * step waits for cold memory, and so they wait together. */
static void
pack_locations(writing *w, const ptm_snap_site *sites, size_t n, written_stack *written)
{
    const ptm_snap_stack *stacks = w->snap->stacks;
    ptm_stack_id at[AT_ONCE];
    size_t going = 0;
    for (size_t i = 0; i < n; i++) {
        written[i] = *place_of(w, sites[i].stack);
        bool again = written[i].stack == sites[i].stack || is_twin(sites, i);
        at[i] = again ? 0 : sites[i].stack;
        w->locations[i].len = 0;
        __builtin_prefetch(&stacks[at[i]]);
        going += at[i] != 0;
    }
    while (going != 0) {
        for (size_t i = 0; i < n; i++) {
            if (at[i] != 0) {
                ptm_snap_stack stack = stacks[at[i]];
                __builtin_prefetch(&stacks[stack.parent]);
                ptm_buf_put_varint(&w->locations[i], w->location_of[stack.frame]);
                at[i] = stack.parent;
                going -= stack.parent == 0;
            }
        }
    }
}

static void
put_sample(writing *w, const ptm_snap_site *site, const ptm_buf *locations, written_stack written)
{
    uint8_t rest[REST_BYTES];
    uint8_t *end = labels_at(values_at(rest, site), site, w->snap->stacks[site->stack].nframe);
    bool again = written.stack == site->stack;
    size_t rest_len = (size_t)(end - rest), stack_len = again ? written.len : locations->len;
    size_t len = 1 + ptm_varint_bytes(stack_len) + stack_len + rest_len;
    w->out->failed |= locations->failed || stack_len > UINT32_MAX;
    if (!ptm_buf_reserve(w->out, 1 + PTM_VARINT_BYTES + len)) {
        return;
    }
    uint8_t *at = w->out->data + w->out->len;
    *at++ = PROFILE_SAMPLE << 3 | WIRE_BYTES;
    at = ptm_varint_at(at, len);
    *at++ = SAMPLE_LOCATION << 3 | WIRE_BYTES;
    at = ptm_varint_at(at, stack_len);
    if (stack_len != 0) {
        memcpy(at, again ? w->out->data + written.at : locations->data, stack_len);
    }
    *place_of(w, site->stack) =
        (written_stack){site->stack, (uint32_t)stack_len, (size_t)(at - w->out->data)};
    memcpy(at + stack_len, rest, rest_len);
    w->out->len = (size_t)(at + stack_len + rest_len - w->out->data);
}

static void
put_samples(writing *w)
{
    const ptm_snap_site *sites = w->snap->sites;
    written_stack written[AT_ONCE];
    (void)ptm_buf_reserve(w->out, (size_t)w->snap->n_sites * SAMPLE_BYTES);
    for (uint32_t first = 0, n; first < w->snap->n_sites; first += n) {
        n = w->snap->n_sites - first < AT_ONCE ? w->snap->n_sites - first : AT_ONCE;
        pack_locations(w, &sites[first], n, written);
        for (uint32_t i = 0; i < n; i++) {
            const ptm_snap_site *site = &sites[first + i];
            bool twin = is_twin(&sites[first], i);
            put_sample(w, site, &w->locations[i], twin ? *place_of(w, site->stack) : written[i]);
        }
    }
}

/* -- tables ------------------------------------------------------------------------------------ */

/* One mapping that claims names, files and lines, so that pprof looks for no binary to find them
 * in. */
static void
put_mapping(writing *w)
{
    put_number(&w->message, MAPPING_ID, 1);
    for (uint32_t field = MAPPING_HAS_FUNCTIONS; field <= MAPPING_HAS_INLINE; field++) {
        put_number(&w->message, field, 1);
    }
    put_message(w->out, PROFILE_MAPPING, &w->message);
}

static void
put_location(writing *w, uint32_t frame_id)
{
    const ptm_snap_frame *frame = &w->snap->frames[frame_id];
    put_number(&w->packed, LINE_FUNCTION, w->function_of[frame_id]);
    put_number(&w->packed, LINE_LINE, (uint64_t)(int64_t)frame->lineno);
    put_number(&w->packed, LINE_COLUMN, (uint64_t)((int64_t)frame->colno + 1));
    put_number(&w->message, LOCATION_ID, w->location_of[frame_id]);
    put_number(&w->message, LOCATION_MAPPING, 1);
    put_number(&w->message, LOCATION_ADDRESS,
               ptm_pprof_address(frame->lineno, frame->end_lineno, frame->end_colno));
    put_message(&w->message, LOCATION_LINE, &w->packed);
    put_message(w->out, PROFILE_LOCATION, &w->message);
}

static void
put_function(writing *w, uint32_t id)
{
    const function *f = &w->functions[id - 1];
    bool nameless = f->name == PTM_SNAP_NONE;
    put_number(&w->message, FUNCTION_ID, id);
    put_number(&w->message, FUNCTION_NAME,
               nameless ? (uint32_t)TEXT_UNKNOWN : add_string(w, f->name));
    put_number(&w->message, FUNCTION_SYSTEM_NAME, nameless ? TEXT_NAMELESS : TEXT_EMPTY);
    put_number(&w->message, FUNCTION_FILE, add_string(w, f->file));
    put_message(w->out, PROFILE_FUNCTION, &w->message);
}

static void
put_tables(writing *w)
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
put_comment(writing *w, const char *text)
{
    put_number(w->out, PROFILE_COMMENT, add_text(w, text, strlen(text)));
}

static void
put_string(writing *w, ptm_str_id id)
{
    size_t len;
    const char *bytes = ptm_snap_string(w->snap, id, &len);
    ptm_pprof_escape(bytes, len, &w->packed);
}

/* A comment per file that has a module and is in the table. */
static void
put_modules(writing *w)
{
    for (ptm_str_id file = 0; file < w->snap->n_strings; file++) {
        ptm_str_id module = ptm_snap_module(w->snap, file);
        if (module != PTM_SNAP_NONE && w->string_of[file] != 0) {
            ptm_buf_put(&w->packed, PTM_PPROF_MODULE, strlen(PTM_PPROF_MODULE));
            put_string(w, module);
            ptm_buf_put_byte(&w->packed, ' ');
            put_string(w, file);
            put_number(w->out, PROFILE_COMMENT, w->n_strings++);
            put_message(&w->strings, PROFILE_STRING, &w->packed);
        }
    }
}

static void
put_lacks(writing *w)
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
put_comments(writing *w, const ptm_pprof_extra *extra)
{
    char text[80];
    snprintf(text, sizeof(text), PTM_PPROF_MARK "%d", PTM_PPROF_VERSION);
    put_comment(w, text);
    if (extra != NULL && extra->json != NULL) {
        ptm_buf_put(&w->packed, PTM_PPROF_JSON, strlen(PTM_PPROF_JSON));
        ptm_buf_put(&w->packed, extra->json, extra->json_len);
        put_number(w->out, PROFILE_COMMENT, w->n_strings++);
        put_message(&w->strings, PROFILE_STRING, &w->packed);
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
put_profile(writing *w, const ptm_pprof_extra *extra)
{
    for (uint32_t i = 0; i < N_TEXTS; i++) {
        add_text(w, texts[i], strlen(texts[i]));
    }
    put_sample_types(w);
    put_samples(w);
    put_tables(w);
    put_number(w->out, PROFILE_TIME_NANOS, extra == NULL ? 0 : (uint64_t)extra->time_nanos);
    put_value_type(w, PROFILE_PERIOD_TYPE, TEXT_SPACE, TEXT_BYTES);
    put_number(w->out, PROFILE_PERIOD, 1);
    put_number(w->out, PROFILE_DEFAULT_SAMPLE_TYPE, TEXT_COLUMNS + COLUMN_INUSE_SPACE);
    put_comments(w, extra);
    ptm_buf_put(w->out, w->strings.data, w->strings.len);
}

static bool
prepare(writing *w)
{
    const ptm_snap *snap = w->snap;
    w->used_stack = ptm_array_zeroed(snap->n_stacks, 1);
    w->location_of = ptm_array_zeroed(snap->n_frames + (size_t)1, sizeof(*w->location_of));
    w->function_of = ptm_array_zeroed(snap->n_frames + (size_t)1, sizeof(*w->function_of));
    w->string_of = ptm_array_zeroed(snap->n_strings + (size_t)1, sizeof(*w->string_of));
    w->functions = ptm_array_zeroed(snap->n_frames + (size_t)1, sizeof(*w->functions));
    w->written = ptm_array_zeroed(N_WRITTEN, sizeof(*w->written));
    if (!w->used_stack || !w->location_of || !w->function_of || !w->string_of || !w->functions
        || !w->written) {
        return false;
    }
    mark_used(w);
    return number_frames(w);
}

static void
fini(writing *w)
{
    ptm_buf_fini(&w->message);
    ptm_buf_fini(&w->packed);
    ptm_buf_fini(&w->strings);
    for (size_t i = 0; i < AT_ONCE; i++) {
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
    writing w = {.snap = snap, .out = out};
    bool ok = prepare(&w);
    if (ok) {
        put_profile(&w, extra);
        ok = !out->failed && !w.message.failed && !w.packed.failed && !w.strings.failed;
    }
    fini(&w);
    return ok ? PTM_OK : PTM_ENOMEM;
}
