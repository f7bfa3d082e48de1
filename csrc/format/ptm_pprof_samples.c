/* SPDX-License-Identifier: MIT
 *
 * Samples to stacks and sites.
 *
 * Samples of our own files carry the size of a block as a label, so each is one site. Elsewhere a
 * sample says how many objects make how many bytes: the bytes are shared out evenly, q or q + 1 to
 * each, so totals stay exact.
 */
#include "format/ptm_pprof_fields.h"
#include "format/ptm_pprof_in.h"
#include "snap/ptm_group.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(N_METRICS == PTM_METRIC_ALLOCATED + 1, "a count per metric");

typedef struct {
    uint64_t columns[N_COLUMNS + 1]; /* the last is for values that nobody asks for */
    uint64_t n_values;
    int64_t bytes, depth, domain, folded; /* labels */
    bool has_bytes, has_depth, is_full;
    const uint8_t *at;
    uint64_t number; /* of the sample in the file */
    uint32_t n_location_fields;
    ptm_wire_field waiting; /* the first of these, unread */
    ptm_wire packed;        /* the locations, if they are one packed field */
    uint64_t hash;          /* of these */
    size_t first_frame;     /* in the batch's frames */
    uint32_t n_frames;
    ptm_stack_id stack; /* 0: to be made of the frames */
} sample;

/* A stack that was made, and the bytes in the file that say so. */
typedef struct {
    const uint8_t *packed;
    uint64_t hash; /* of the bytes: most that differ are told without looking at them */
    size_t len;
    uint32_t n_frames;
    ptm_stack_id stack; /* 0: empty */
} known_stack;

#define MOST_KNOWN 8192u
#define BYTES_A_STACK 4 /* of samples: a location's id has mostly two, and numbers follow */

/* Samples whose stacks are made at once. */
typedef struct {
    sample samples[PTM_SNAP_PATHS];
    size_t n;
    ptm_buf frames;       /* ptm_frame_id: of each sample, most recent first */
    uint32_t most_frames; /* of a sample so far */
    known_stack *known;   /* by a few bits of a hash of the bytes */
    uint32_t n_known;     /* a power of two */
} batch;

/* -- columns ----------------------------------------------------------------------------------- */

static void
name_columns(ptm_pprof_in *in, const ptm_wire *names, uint8_t *columns, size_t n)
{
    static const char *const words[N_COLUMNS] = {PTM_PPROF_COLUMNS};
    for (size_t i = 0; i < n; i++) {
        columns[i] = N_COLUMNS;
        for (uint8_t c = 0; c < N_COLUMNS; c++) {
            if (!in->has_column[c] && ptm_pprof_text_is(names[i], words[c])) {
                columns[i] = c;
                in->has_column[c] = true;
                break;
            }
        }
    }
}

/* The first unnamed type with one of these units. */
static void
column_by_unit(ptm_pprof_in *in, const ptm_wire *units, uint8_t *columns, size_t n, uint8_t column,
               const char *const unit_words[2])
{
    for (size_t i = 0; i < n; i++) {
        bool fits = ptm_pprof_text_is(units[i], unit_words[0])
                    || ptm_pprof_text_is(units[i], unit_words[1]);
        if (columns[i] == N_COLUMNS && fits) {
            columns[i] = column;
            in->has_column[column] = true;
            return;
        }
    }
}

static bool
has_any_column(const ptm_pprof_in *in)
{
    for (int c = 0; c < N_COLUMNS; c++) {
        if (in->has_column[c]) {
            return true;
        }
    }
    return false;
}

bool
ptm_pprof_choose_columns(ptm_pprof_in *in)
{
    static const char *const counts[2] = {"count", "objects"}, *const bytes[2] = {"bytes", "byte"};
    size_t n = PTM_N_ITEMS(in->types, ptm_pprof_type);
    ptm_buf names = {0}, units = {0};
    bool ok = ptm_buf_reserve(&in->columns, n);
    for (size_t i = 0; ok && i < n; i++) {
        ptm_wire text;
        ok = ptm_pprof_text(in, PTM_ITEMS(in->types, ptm_pprof_type)[i].type, in->data, &text);
        ptm_buf_put(&names, &text, sizeof(text));
        ok =
            ok && ptm_pprof_text(in, PTM_ITEMS(in->types, ptm_pprof_type)[i].unit, in->data, &text);
        ptm_buf_put(&units, &text, sizeof(text));
    }
    ok = ok && !names.failed && !units.failed;
    if (ok) {
        const ptm_wire *unit = PTM_ITEMS(units, ptm_wire);
        in->columns.len = n;
        name_columns(in, PTM_ITEMS(names, ptm_wire), in->columns.data, n);
        if (!in->has_column[COLUMN_INUSE_OBJECTS] && !in->has_column[COLUMN_INUSE_SPACE]) {
            column_by_unit(in, unit, in->columns.data, n, COLUMN_INUSE_OBJECTS, counts);
            column_by_unit(in, unit, in->columns.data, n, COLUMN_INUSE_SPACE, bytes);
        }
        if (!has_any_column(in)) {
            in->columns.data[0] = COLUMN_INUSE_OBJECTS;
            in->has_column[COLUMN_INUSE_OBJECTS] = true;
        }
    }
    ptm_buf_fini(&names);
    ptm_buf_fini(&units);
    return ok;
}

/* -- the parts of a sample --------------------------------------------------------------------- */

/* A stack of the API's greatest length loses the locations that do not fit. */
static bool
add_lines(ptm_pprof_in *in, sample *s, const ptm_pprof_location *location, ptm_buf *frames)
{
    if (location->n > in->frames_left) {
        return ptm_pprof_refuse(
            in, s->at, "sample %llu: the stacks have more frames than a file of this size can mean",
            (unsigned long long)s->number);
    }
    in->frames_left -= location->n;
    s->is_full |= location->n > PTM_NFRAME_MAX - s->n_frames;
    if (!s->is_full) {
        const ptm_frame_id *first = PTM_ITEMS(in->location_frames, ptm_frame_id) + location->first;
        ptm_buf_put(frames, first, location->n * sizeof(*first));
        s->n_frames += location->n;
    }
    return !frames->failed;
}

/* Nearly all locations have one line. */
static bool
add_location(ptm_pprof_in *in, sample *s, const ptm_pprof_location *location, ptm_buf *frames)
{
    bool plain = location->n == 1 && in->frames_left != 0 && s->n_frames < PTM_NFRAME_MAX
                 && !s->is_full && ptm_buf_reserve(frames, sizeof(ptm_frame_id));
    if (PTM_UNLIKELY(!plain)) {
        return add_lines(in, s, location, frames);
    }
    const ptm_frame_id *frame = PTM_ITEMS(in->location_frames, ptm_frame_id) + location->first;
    memcpy(frames->data + frames->len, frame, sizeof(*frame));
    frames->len += sizeof(*frame);
    in->frames_left--;
    s->n_frames++;
    return true;
}

/* Many sites have one stack: block sizes, domains and depths tell them apart. */
static bool
is_known(const batch *b, sample *s)
{
    size_t len = (size_t)(s->packed.end - s->packed.at);
    s->hash = ptm_hash_bytes(s->packed.at, len);
    const known_stack *known = &b->known[s->hash % b->n_known];
    bool same = known->stack != 0 && known->hash == s->hash && known->len == len
                && memcmp(known->packed, s->packed.at, len) == 0;
    if (same) {
        s->stack = known->stack;
        s->n_frames = known->n_frames;
    }
    return same;
}

static bool
read_frames(ptm_pprof_in *in, sample *s, ptm_wire_field field, ptm_buf *frames)
{
    const ptm_pprof_location *locations = PTM_ITEMS(in->locations, ptm_pprof_location);
    uint64_t id;
    while (ptm_wire_repeated(&field, &id)) {
        uint32_t index = ptm_pprof_index(&in->location_ids, id);
        if (index == UINT32_MAX) {
            return ptm_pprof_refuse(in, s->at, "sample %llu: location id %llu is not in the file",
                                    (unsigned long long)s->number, (unsigned long long)id);
        }
        if (!add_location(in, s, &locations[index], frames)) {
            return false;
        }
    }
    return ptm_pprof_ended(in, &field.bytes);
}

/* The first field waits until the sample ends: if it is the only one, its bytes may be known. */
static bool
read_locations(ptm_pprof_in *in, sample *s, const ptm_wire_field *field, batch *b)
{
    if (s->n_location_fields++ == 0 && field->type == WIRE_BYTES) {
        s->waiting = *field;
        return true;
    }
    ptm_wire_field first = s->waiting;
    s->waiting = (ptm_wire_field){0};
    return (first.number == 0 || read_frames(in, s, first, &b->frames))
           && read_frames(in, s, *field, &b->frames);
}

static bool
end_locations(ptm_pprof_in *in, sample *s, batch *b)
{
    if (s->waiting.number == 0) {
        return true;
    }
    s->packed = s->waiting.bytes;
    return is_known(b, s) || read_frames(in, s, s->waiting, &b->frames);
}

static bool
read_values(ptm_pprof_in *in, sample *s, ptm_wire_field field)
{
    uint64_t value;
    while (ptm_wire_repeated(&field, &value)) {
        if (s->n_values < in->columns.len) {
            /* differences between profiles are negative; no number of blocks is */
            s->columns[in->columns.data[s->n_values]] = (int64_t)value < 0 ? 0 : value;
        }
        s->n_values++;
    }
    return ptm_pprof_ended(in, &field.bytes);
}

static void
take_label(sample *s, ptm_wire key, int64_t num)
{
    if (ptm_pprof_text_is(key, "bytes")) {
        s->bytes = num;
        s->has_bytes = num >= 0;
    }
    else if (ptm_pprof_text_is(key, "depth")) {
        s->depth = num;
        s->has_depth = true;
    }
    else if (ptm_pprof_text_is(key, "domain")) {
        s->domain = num;
    }
    else if (ptm_pprof_text_is(key, "folded")) {
        s->folded = num;
    }
}

static bool
read_label(ptm_pprof_in *in, sample *s, const ptm_wire_field *field)
{
    ptm_wire message, key;
    ptm_wire_field part;
    uint64_t key_index = 0, str = 0, num = 0, unit;
    if (!ptm_pprof_message(in, field, &message)) {
        return false;
    }
    while (ptm_wire_next(&message, &part)) {
        uint64_t *to = part.number == LABEL_KEY        ? &key_index
                       : part.number == LABEL_STR      ? &str
                       : part.number == LABEL_NUM      ? &num
                       : part.number == LABEL_NUM_UNIT ? &unit
                                                       : NULL;
        if (to != NULL && !ptm_pprof_number(in, &part, to)) {
            return false;
        }
    }
    if (!ptm_pprof_ended(in, &message) || !ptm_pprof_text(in, key_index, field->at, &key)) {
        return false;
    }
    if (str == 0) {
        take_label(s, key, (int64_t)num);
    }
    return true;
}

static bool
read_sample(ptm_pprof_in *in, const ptm_wire_field *field, sample *s, batch *b)
{
    ptm_wire message;
    ptm_wire_field part;
    bool ok = ptm_pprof_message(in, field, &message);
    while (ok && ptm_wire_next(&message, &part)) {
        switch (part.number) {
        case SAMPLE_LOCATION:
            ok = read_locations(in, s, &part, b);
            break;
        case SAMPLE_VALUE:
            ok = read_values(in, s, part);
            break;
        case SAMPLE_LABEL:
            ok = read_label(in, s, &part);
            break;
        default:
            break;
        }
    }
    if (!ok || !ptm_pprof_ended(in, &message) || !end_locations(in, s, b)) {
        return false;
    }
    if (s->n_values != in->columns.len) {
        return ptm_pprof_refuse(
            in, s->at, "sample %llu has %llu values where there are %zu sample types",
            (unsigned long long)s->number, (unsigned long long)s->n_values, in->columns.len);
    }
    return true;
}

/* -- sites ------------------------------------------------------------------------------------- */

/* A file's greatest number is that of int64. */
static uint64_t
saturated(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) || product > INT64_MAX ? INT64_MAX : product;
}

/* The blocks of all sites together are counted in int64: a sequence of traces has that length. */
static void
add_site(ptm_pprof_in *in, const sample *s, const ptm_snap_site *site)
{
    for (int metric = 0; metric < N_METRICS; metric++) {
        in->n_blocks[metric] += ptm_site_count(site, (ptm_metric)metric);
        if (in->n_blocks[metric] > INT64_MAX) {
            ptm_pprof_refuse(in, s->at, "sample %llu: no program has that many blocks",
                             (unsigned long long)s->number);
            return;
        }
    }
    ptm_snap_build_site(in->builder, site);
}

/* The column, or what the column of bytes says about blocks of this size. */
static uint64_t
blocks(const ptm_pprof_in *in, const sample *s, int objects, int space)
{
    if (in->has_column[objects]) {
        return s->columns[objects];
    }
    return s->bytes > 0 ? s->columns[space] / (uint64_t)s->bytes : s->columns[space] != 0;
}

static void
add_sized(ptm_pprof_in *in, const sample *s, ptm_snap_site site)
{
    site.allocated = blocks(in, s, COLUMN_ALLOC_OBJECTS, COLUMN_ALLOC_SPACE);
    site.allocated_bytes = in->has_column[COLUMN_ALLOC_SPACE]
                               ? s->columns[COLUMN_ALLOC_SPACE]
                               : saturated(site.allocated, (uint64_t)s->bytes);
    if (s->folded > 0) {
        site.folded = 1;
    }
    else {
        site.size = (uint64_t)s->bytes;
        site.live = blocks(in, s, COLUMN_INUSE_OBJECTS, COLUMN_INUSE_SPACE);
        site.peak = blocks(in, s, COLUMN_PEAK_OBJECTS, COLUMN_PEAK_SPACE);
    }
    add_site(in, s, &site);
}

static void
add_blocks(ptm_pprof_in *in, const sample *s, ptm_snap_site site, ptm_metric metric, uint64_t count,
           uint64_t size)
{
    if (count != 0) {
        site.size = size;
        *(metric == PTM_METRIC_LIVE ? &site.live : &site.peak) = count;
        add_site(in, s, &site);
    }
}

/* `objects` blocks that have `space` bytes together. */
static void
share_out(ptm_pprof_in *in, const sample *s, ptm_snap_site site, ptm_metric metric,
          uint64_t objects, uint64_t space)
{
    if (objects == 0 && space != 0) {
        objects = 1;
    }
    if (objects != 0) {
        add_blocks(in, s, site, metric, space % objects, space / objects + 1);
        add_blocks(in, s, site, metric, objects - space % objects, space / objects);
    }
}

/* Without the label nothing says that these were the same blocks, so each number has sites of its
 * own. */
static void
add_unsized(ptm_pprof_in *in, const sample *s, ptm_snap_site site)
{
    share_out(in, s, site, PTM_METRIC_LIVE, s->columns[COLUMN_INUSE_OBJECTS],
              s->columns[COLUMN_INUSE_SPACE]);
    share_out(in, s, site, PTM_METRIC_PEAK, s->columns[COLUMN_PEAK_OBJECTS],
              s->columns[COLUMN_PEAK_SPACE]);
    site.allocated = blocks(in, s, COLUMN_ALLOC_OBJECTS, COLUMN_ALLOC_SPACE);
    site.allocated_bytes = s->columns[COLUMN_ALLOC_SPACE];
    site.folded = 1;
    if (site.allocated != 0) {
        add_site(in, s, &site);
    }
    in->lacks |= 1u << PTM_METRIC_FREED;
}

/* total_nframe; 0: not known, as elsewhere than in our own files */
static uint32_t
depth_of(const ptm_pprof_in *in, const sample *s, uint32_t n_frames)
{
    if (!s->has_depth) {
        return in->version != 0 ? n_frames : 0;
    }
    return s->depth <= 0 ? 0 : s->depth > PTM_NFRAME_MAX ? PTM_NFRAME_MAX : (uint32_t)s->depth;
}

static void
make_site(ptm_pprof_in *in, const sample *s)
{
    ptm_snap_site site = {
        .stack = s->stack,
        .depth = depth_of(in, s, s->n_frames),
        .domain = s->domain >= 0 && s->domain <= UINT32_MAX ? (uint32_t)s->domain : 0,
    };
    if (s->has_bytes) {
        add_sized(in, s, site);
    }
    else {
        add_unsized(in, s, site);
    }
}

/* -- all of them ------------------------------------------------------------------------------- */

static void
make_stacks(ptm_pprof_in *in, batch *b)
{
    ptm_snap_path paths[PTM_SNAP_PATHS];
    for (size_t i = 0; i < b->n; i++) {
        const sample *s = &b->samples[i];
        uint32_t n = s->stack != 0 ? 0 : s->n_frames;
        const ptm_frame_id *frames = PTM_ITEMS(b->frames, ptm_frame_id);
        paths[i] = (ptm_snap_path){frames + s->first_frame, n, s->stack};
    }
    ptm_snap_build_paths(in->builder, paths, b->n);
    for (size_t i = 0; i < b->n; i++) {
        sample *s = &b->samples[i];
        if (s->stack == 0 && s->packed.at != NULL) {
            b->known[s->hash % b->n_known] =
                (known_stack){s->packed.at, s->hash, (size_t)(s->packed.end - s->packed.at),
                              s->n_frames, paths[i].stack};
        }
        s->stack = paths[i].stack;
    }
}

static bool
make_batch(ptm_pprof_in *in, batch *b)
{
    make_stacks(in, b);
    for (size_t i = 0; i < b->n && in->err == PTM_OK; i++) {
        make_site(in, &b->samples[i]);
    }
    b->n = 0;
    b->frames.len = 0;
    return in->err == PTM_OK;
}

static bool
add_sample(ptm_pprof_in *in, const ptm_wire_field *field, uint64_t number, batch *b)
{
    sample *s = &b->samples[b->n];
    *s = (sample){
        .at = field->at, .number = number, .first_frame = PTM_N_ITEMS(b->frames, ptm_frame_id)};
    if (!read_sample(in, field, s, b)) {
        return false;
    }
    if (s->n_frames == 0) {
        ptm_frame_id unknown = ptm_pprof_unknown_frame(in);
        ptm_buf_put(&b->frames, &unknown, sizeof(unknown));
        s->n_frames = 1;
    }
    b->most_frames = s->n_frames > b->most_frames ? s->n_frames : b->most_frames;
    if (b->frames.failed) {
        return false;
    }
    return ++b->n < PTM_SNAP_PATHS || make_batch(in, b);
}

/* The metrics that no column tells, and freed, which takes two of them. */
static uint32_t
lacking_columns(const ptm_pprof_in *in)
{
    static const struct {
        int objects, space;
        uint32_t metrics;
    } needs[] = {
        {COLUMN_INUSE_OBJECTS, COLUMN_INUSE_SPACE, 1u << PTM_METRIC_LIVE | 1u << PTM_METRIC_FREED},
        {COLUMN_PEAK_OBJECTS, COLUMN_PEAK_SPACE, 1u << PTM_METRIC_PEAK},
        {COLUMN_ALLOC_OBJECTS, COLUMN_ALLOC_SPACE,
         1u << PTM_METRIC_ALLOCATED | 1u << PTM_METRIC_FREED},
    };
    uint32_t lacks = 0;
    for (size_t i = 0; i < PTM_ARRAY_LEN(needs); i++) {
        if (!in->has_column[needs[i].objects] && !in->has_column[needs[i].space]) {
            lacks |= needs[i].metrics;
        }
    }
    return lacks;
}

/* A small file asks for little. */
static uint32_t
n_known_of(size_t file_bytes)
{
    uint32_t n = 16;
    while (n < MOST_KNOWN && n * sizeof(known_stack) < file_bytes) {
        n *= 2;
    }
    return n;
}

bool
ptm_pprof_make_sites(ptm_pprof_in *in)
{
    ptm_wire profile = ptm_wire_of(in->data, in->len);
    ptm_wire_field field;
    batch b = {.most_frames = 1, .n_known = n_known_of(in->len)};
    b.known = calloc(b.n_known, sizeof(*b.known));
    uint64_t number = 0;
    bool ok = b.known != NULL;
    ptm_snap_build_expect(in->builder, in->sample_bytes / BYTES_A_STACK, in->n_samples);
    while (ok && ptm_wire_next(&profile, &field)) {
        if (field.number == PROFILE_SAMPLE) {
            ok = add_sample(in, &field, number++, &b);
        }
    }
    ok = ok && make_batch(in, &b);
    free(b.known);
    ptm_buf_fini(&b.frames);
    ptm_snap_build_limit(in->builder, in->limit != 0 ? in->limit : b.most_frames);
    ptm_snap_build_lacks(in->builder, in->lacks | lacking_columns(in));
    return ok;
}
