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

#include <string.h>

_Static_assert(N_METRICS == PTM_METRIC_ALLOCATED + 1, "a count per metric");

typedef struct {
    uint64_t columns[N_COLUMNS + 1]; /* the last is for values that nobody asks for */
    uint64_t n_values;
    int64_t bytes, depth, domain, folded; /* labels */
    bool has_bytes, has_depth;
    const uint8_t *at;
    uint64_t number; /* of the sample in the file */
} sample;

/* The stack of the sample before: samples next to each other share callers. */
typedef struct {
    ptm_buf locations; /* uint32_t: of the sample under work, most recent first */
    ptm_buf before;    /* uint32_t: of the one before */
    ptm_buf stacks;    /* ptm_stack_id: `before`'s stack after the i-th location from the oldest */
} path;

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

static bool
read_locations(ptm_pprof_in *in, sample *s, ptm_wire_field field, path *p)
{
    uint64_t id;
    while (ptm_wire_repeated(&field, &id)) {
        uint32_t index = ptm_pprof_index(&in->location_ids, id);
        if (index == UINT32_MAX) {
            return ptm_pprof_refuse(in, s->at, "sample %llu: location id %llu is not in the file",
                                    (unsigned long long)s->number, (unsigned long long)id);
        }
        ptm_buf_put(&p->locations, &index, sizeof(index));
    }
    return ptm_pprof_ended(in, &field.bytes);
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
read_sample(ptm_pprof_in *in, const ptm_wire_field *field, sample *s, path *p)
{
    ptm_wire message;
    ptm_wire_field part;
    bool ok = ptm_pprof_message(in, field, &message);
    p->locations.len = 0;
    while (ok && ptm_wire_next(&message, &part)) {
        switch (part.number) {
        case SAMPLE_LOCATION:
            ok = read_locations(in, s, part, p);
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
    if (!ok || !ptm_pprof_ended(in, &message)) {
        return false;
    }
    if (s->n_values != in->columns.len) {
        return ptm_pprof_refuse(
            in, s->at, "sample %llu has %llu values where there are %zu sample types",
            (unsigned long long)s->number, (unsigned long long)s->n_values, in->columns.len);
    }
    return !p->locations.failed;
}

/* -- stacks ------------------------------------------------------------------------------------ */

static const ptm_pprof_location *
location_at(const ptm_pprof_in *in, uint32_t index)
{
    return &PTM_ITEMS(in->locations, ptm_pprof_location)[index];
}

/* How many of the locations, from the most recent one, a stack of the API's greatest length takes;
 * *n_frames: how many frames these are. */
static size_t
locations_that_fit(const ptm_pprof_in *in, const path *p, uint32_t *n_frames)
{
    const uint32_t *locations = PTM_ITEMS(p->locations, uint32_t);
    size_t n = PTM_N_ITEMS(p->locations, uint32_t), fit = 0;
    for (*n_frames = 0; fit < n; fit++) {
        uint32_t more = location_at(in, locations[fit])->n;
        if (more > PTM_NFRAME_MAX - *n_frames) {
            break;
        }
        *n_frames += more;
    }
    return fit;
}

static ptm_stack_id
add_frames(ptm_pprof_in *in, ptm_stack_id stack, const ptm_pprof_location *location)
{
    const ptm_frame_id *frames = PTM_ITEMS(in->location_frames, ptm_frame_id) + location->first;
    for (uint32_t i = location->n; i > 0; i--) {
        stack = ptm_snap_build_stack(in->builder, stack, frames[i - 1]);
    }
    return stack;
}

/* How many locations from the oldest on are those of the sample before; their stacks are known. */
static size_t
shared_locations(const path *p, size_t n)
{
    const uint32_t *now = PTM_ITEMS(p->locations, uint32_t),
                   *before = PTM_ITEMS(p->before, uint32_t);
    size_t n_before = PTM_N_ITEMS(p->before, uint32_t), shared = 0;
    while (shared < n && shared < n_before
           && now[n - 1 - shared] == before[n_before - 1 - shared]) {
        shared++;
    }
    return shared;
}

static bool
make_stack(ptm_pprof_in *in, const sample *s, path *p, ptm_stack_id *stack, uint32_t *n_frames)
{
    size_t n = locations_that_fit(in, p, n_frames);
    p->locations.len = n * sizeof(uint32_t);
    if (n == 0) {
        *n_frames = 1;
        *stack = ptm_snap_build_stack(in->builder, 0, ptm_pprof_unknown_frame(in));
        return true;
    }
    size_t shared = shared_locations(p, n);
    p->stacks.len = shared * sizeof(ptm_stack_id);
    *stack = shared == 0 ? 0 : PTM_ITEMS(p->stacks, ptm_stack_id)[shared - 1];
    for (size_t i = shared; i < n; i++) {
        const ptm_pprof_location *location =
            location_at(in, PTM_ITEMS(p->locations, uint32_t)[n - 1 - i]);
        if (location->n > in->frames_left) {
            return ptm_pprof_refuse(
                in, s->at,
                "sample %llu: the stacks have more frames than a file of this size can mean",
                (unsigned long long)s->number);
        }
        in->frames_left -= location->n;
        *stack = add_frames(in, *stack, location);
        ptm_buf_put(&p->stacks, stack, sizeof(*stack));
    }
    ptm_buf swap = p->before;
    p->before = p->locations;
    p->locations = swap;
    return !p->stacks.failed;
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
make_site(ptm_pprof_in *in, const sample *s, ptm_stack_id stack, uint32_t n_frames)
{
    ptm_snap_site site = {
        .stack = stack,
        .depth = depth_of(in, s, n_frames),
        .domain = s->domain >= 0 && s->domain <= UINT32_MAX ? (uint32_t)s->domain : 0,
    };
    if (s->has_bytes) {
        add_sized(in, s, site);
    }
    else {
        add_unsized(in, s, site);
    }
}

bool
ptm_pprof_make_sites(ptm_pprof_in *in)
{
    ptm_wire profile = ptm_wire_of(in->data, in->len);
    ptm_wire_field field;
    path p = {0};
    uint64_t number = 0;
    uint32_t most_frames = 1;
    bool ok = true;
    while (ok && ptm_wire_next(&profile, &field)) {
        if (field.number == PROFILE_SAMPLE) {
            sample s = {.at = field.at, .number = number++};
            ptm_stack_id stack;
            uint32_t n_frames;
            ok = read_sample(in, &field, &s, &p) && make_stack(in, &s, &p, &stack, &n_frames);
            if (ok) {
                make_site(in, &s, stack, n_frames);
                ok = in->err == PTM_OK;
                most_frames = n_frames > most_frames ? n_frames : most_frames;
            }
        }
    }
    ptm_buf_fini(&p.locations);
    ptm_buf_fini(&p.before);
    ptm_buf_fini(&p.stacks);
    ptm_snap_build_limit(in->builder, in->limit != 0 ? in->limit : most_frames);
    return ok;
}
