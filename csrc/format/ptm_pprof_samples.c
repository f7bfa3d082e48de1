/* SPDX-License-Identifier: MIT
 *
 * Samples to stacks; ptm_pprof_sites.c makes sites of them.
 */
#include "format/ptm_pprof_sample.h"

#include "base/ptm_array.h"

#include <string.h>

/* A stack that was made, and the bytes in the file that say so. */
typedef struct {
    uint32_t hash; /* of the bytes: most that differ are told without looking at them */
    uint32_t at, len;
    ptm_stack_id stack; /* 0: empty */
} known_stack;

/* The newest first; as long as a line of cache. */
#define WAYS 4
typedef struct {
    known_stack of[WAYS];
} known_set;

#define MOST_SETS 4096u
#define MOST_KEYS 128   /* strings whose ids have one byte */
#define BYTES_A_STACK 4 /* of samples: a location's id has mostly two, and numbers follow */

/* Samples whose stacks are made at once. */
typedef struct {
    ptm_pprof_sample samples[PTM_SNAP_PATHS];
    size_t n;
    ptm_buf frames;          /* ptm_frame_id: of each sample, most recent first */
    uint32_t most_frames;    /* of a sample so far */
    ptm_buf lines;           /* ptm_frame_id: see list_lines() */
    known_set *known;        /* by a few bits of a hash of the bytes */
    uint32_t n_sets;         /* a power of two */
    uint8_t keys[MOST_KEYS]; /* by string: KEY_..., N_KEYS: of no use */
    uint8_t n_keys;
} batch;

static known_set *
set_of(const batch *b, const ptm_pprof_sample *s)
{
    return &b->known[s->hash & (b->n_sets - 1)];
}

/* -- the parts of a sample --------------------------------------------------------------------- */

/* A stack of the API's greatest length loses the locations that do not fit. */
static bool
add_lines(ptm_pprof_in *in, ptm_pprof_sample *s, const ptm_pprof_location *location,
          ptm_buf *frames)
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

static size_t
packed_bytes(const ptm_pprof_sample *s)
{
    return (size_t)(s->waiting.bytes.end - s->waiting.bytes.at);
}

static bool
is_of(const ptm_pprof_in *in, const known_stack *known, const ptm_pprof_sample *s)
{
    size_t len = packed_bytes(s);
    return known->stack != 0 && known->hash == (uint32_t)(s->hash >> 32) && known->len == len
           && memcmp(in->data + known->at, s->waiting.bytes.at, len) == 0;
}

/* Many sites have one stack: block sizes, domains and depths tell them apart. */
static bool
is_known(const ptm_pprof_in *in, const batch *b, ptm_pprof_sample *s)
{
    const known_stack *known = set_of(b, s)->of, *end = known + WAYS;
    while (known != end && !is_of(in, known, s)) {
        known++;
    }
    if (known != end) {
        s->stack = known->stack;
        s->n_frames = ptm_snap_build_stack_at(in->builder, s->stack)->nframe;
    }
    return known != end;
}

/* The sample before has the same stack, which is not made yet. */
static bool
is_twin(const batch *b, const ptm_pprof_sample *s)
{
    const ptm_pprof_sample *before = s - 1;
    return s != b->samples && before->waiting.number != 0 && before->hash == s->hash
           && packed_bytes(before) == packed_bytes(s)
           && memcmp(before->waiting.bytes.at, s->waiting.bytes.at, packed_bytes(s)) == 0;
}

/* In a file whose places have 32 bits. */
static void
remember(const ptm_pprof_in *in, batch *b, const ptm_pprof_sample *s, ptm_stack_id stack)
{
    if (in->len <= UINT32_MAX) {
        known_stack *known = set_of(b, s)->of;
        memmove(known + 1, known, (WAYS - 1) * sizeof(*known));
        known[0] =
            (known_stack){(uint32_t)(s->hash >> 32), (uint32_t)(s->waiting.bytes.at - in->data),
                          (uint32_t)packed_bytes(s), stack};
    }
}

/* By a location's place in a table without gaps: its frame, PTM_SNAP_NONE if it is not one line. */
static bool
list_lines(const ptm_pprof_in *in, ptm_buf *lines)
{
    size_t n = in->location_ids.sparse ? 0 : PTM_N_ITEMS(in->locations, ptm_pprof_location);
    for (size_t i = 0; i < n; i++) {
        const ptm_pprof_location *location = PTM_ITEMS(in->locations, ptm_pprof_location) + i;
        ptm_frame_id line = location->n == 1
                                ? PTM_ITEMS(in->location_frames, ptm_frame_id)[location->first]
                                : PTM_SNAP_NONE;
        ptm_buf_put(lines, &line, sizeof(line));
    }
    return !lines->failed;
}

/* The first of packed locations, as far as each is one line and its id has one byte or two. Which
 * of the two cannot be foretold, so both are read at once; there is a byte behind nearly every
 * piece, too. Answers how many, and moves on. */
static uint32_t
plain_frames(const ptm_pprof_in *in, ptm_wire *packed, const ptm_buf *lines, ptm_frame_id *to)
{
    const ptm_frame_id *line = PTM_ITEMS(*lines, ptm_frame_id);
    size_t n_lines = PTM_N_ITEMS(*lines, ptm_frame_id);
    const uint8_t *at = packed->at, *end = packed->end, *last = end - (end == in->data + in->len);
    uint32_t n = 0;
    while (at < last) {
        uint32_t two = at[0] >> 7, id = (at[0] & 0x7fu) | (at[1] & 0x7fu & -two) << 7;
        bool short_id = (at[0] & at[1] & 0x80) == 0 && at + two < end;
        if (!short_id || id - 1 >= n_lines || line[id - 1] == PTM_SNAP_NONE) {
            break;
        }
        to[n++] = line[id - 1];
        at += 1 + two;
    }
    packed->at = at;
    return n;
}

/* There are at most as many as bytes. */
static void
read_plain_frames(ptm_pprof_in *in, ptm_pprof_sample *s, ptm_wire *packed, batch *b)
{
    size_t most = (size_t)(packed->end - packed->at);
    if (most != 0 && most <= in->frames_left && !s->is_full && most <= PTM_NFRAME_MAX - s->n_frames
        && ptm_buf_reserve(&b->frames, most * sizeof(ptm_frame_id))) {
        ptm_frame_id *to = (ptm_frame_id *)(void *)(b->frames.data + b->frames.len);
        uint32_t n = plain_frames(in, packed, &b->lines, to);
        b->frames.len += n * sizeof(*to);
        in->frames_left -= n;
        s->n_frames += n;
    }
}

static bool
read_frames(ptm_pprof_in *in, ptm_pprof_sample *s, ptm_wire_field field, batch *b)
{
    if (field.type == WIRE_BYTES) {
        read_plain_frames(in, s, &field.bytes, b);
    }
    const ptm_pprof_location *locations = PTM_ITEMS(in->locations, ptm_pprof_location);
    uint64_t id;
    while (ptm_wire_repeated(&field, &id)) {
        uint32_t index = ptm_pprof_index(&in->location_ids, id);
        if (index == UINT32_MAX) {
            return ptm_pprof_refuse(in, s->at, "sample %llu: location id %llu is not in the file",
                                    (unsigned long long)s->number, (unsigned long long)id);
        }
        if (!add_lines(in, s, &locations[index], &b->frames)) {
            return false;
        }
    }
    return ptm_pprof_ended(in, &field.bytes);
}

/* Until a batch is read: what may know these bytes is cold memory, and all of it comes together. */
static void
hold_back(ptm_pprof_sample *s, const uint8_t *at, ptm_wire bytes, const batch *b)
{
    s->waiting.number = SAMPLE_LOCATION;
    s->waiting.type = WIRE_BYTES;
    s->waiting.at = at;
    s->waiting.bytes = bytes;
    s->hash = ptm_hash_bytes(bytes.at, packed_bytes(s));
    __builtin_prefetch(set_of(b, s));
}

/* The first field waits: if it is the only one, its bytes may be known. */
static bool
read_locations(ptm_pprof_in *in, ptm_pprof_sample *s, const ptm_wire_field *field, batch *b)
{
    if (s->n_location_fields++ == 0 && field->type == WIRE_BYTES) {
        hold_back(s, field->at, field->bytes, b);
        return true;
    }
    ptm_wire_field first = s->waiting;
    s->waiting = (ptm_wire_field){0};
    return (first.number == 0 || read_frames(in, s, first, b)) && read_frames(in, s, *field, b);
}

/* A sample without frames gets one. */
static bool
end_locations(ptm_pprof_in *in, ptm_pprof_sample *s, batch *b)
{
    if (s->n_frames == 0) {
        s->first_frame = PTM_N_ITEMS(b->frames, ptm_frame_id);
    }
    s->is_twin = s->waiting.number != 0 && is_twin(b, s);
    if (s->is_twin) {
        s->n_frames = s[-1].n_frames;
        return true;
    }
    if (s->waiting.number != 0 && !is_known(in, b, s) && !read_frames(in, s, s->waiting, b)) {
        return false;
    }
    if (s->n_frames == 0) {
        ptm_frame_id unknown = ptm_pprof_unknown_frame(in);
        ptm_buf_put(&b->frames, &unknown, sizeof(unknown));
        s->n_frames = 1;
    }
    b->most_frames = s->n_frames > b->most_frames ? s->n_frames : b->most_frames;
    return !b->frames.failed;
}

static bool
read_values(ptm_pprof_in *in, ptm_pprof_sample *s, ptm_wire_field field)
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

static const char *const keys[N_KEYS] = {"bytes", "depth", "domain", "folded"};

static uint8_t
key_of(ptm_wire text)
{
    uint8_t key = 0;
    while (key < N_KEYS && !ptm_pprof_text_is(text, keys[key])) {
        key++;
    }
    return key;
}

static void
name_keys(const ptm_pprof_in *in, batch *b)
{
    size_t n = PTM_N_ITEMS(in->strings, ptm_wire);
    b->n_keys = n < MOST_KEYS ? (uint8_t)n : MOST_KEYS;
    for (size_t i = 0; i < b->n_keys; i++) {
        b->keys[i] = key_of(PTM_ITEMS(in->strings, ptm_wire)[i]);
    }
}

static void
take_label(ptm_pprof_sample *s, uint8_t key, uint64_t num)
{
    s->labels[key] = (int64_t)num;
    s->has_label[key] = true;
}

static bool
read_label(ptm_pprof_in *in, ptm_pprof_sample *s, const ptm_wire_field *field)
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
        take_label(s, key_of(key), num);
    }
    return true;
}

/* -- plain samples: packed locations, packed values, labels of a number; all of ours are ------- */

static const uint8_t *
plain_values(const ptm_pprof_in *in, ptm_pprof_sample *s, const uint8_t *at,
             const uint8_t *rest_end)
{
    const uint8_t *end = NULL, *columns = in->columns.data;
    at = ptm_wire_piece(at, rest_end, SAMPLE_VALUE, &end);
    for (s->n_values = 0; at != NULL && at != end; s->n_values++) {
        uint64_t value;
        at = ptm_wire_number(at, end, &value);
        if (at == NULL || s->n_values == in->columns.len || (int64_t)value < 0) {
            return NULL;
        }
        s->columns[columns[s->n_values]] = value;
    }
    return at;
}

/* A key of one byte, a number unless it is 0, and perhaps its unit. */
static const uint8_t *
plain_label(ptm_pprof_sample *s, const uint8_t *at, const uint8_t *rest_end, const batch *b)
{
    const uint8_t *end = NULL;
    uint64_t num = 0;
    at = ptm_wire_piece(at, rest_end, SAMPLE_LABEL, &end);
    if (at == NULL || end - at < 2 || at[0] != LABEL_KEY << 3 || at[1] >= b->n_keys) {
        return NULL;
    }
    uint8_t key = b->keys[at[1]];
    at += 2;
    if (at != end && at[0] == LABEL_NUM << 3 && (at = ptm_wire_number(at + 1, end, &num)) == NULL) {
        return NULL;
    }
    if (end - at == 2 && at[0] == LABEL_NUM_UNIT << 3 && at[1] < 0x80) {
        at += 2;
    }
    take_label(s, key, num);
    return at == end ? at : NULL;
}

/* False: it is not plain, or not sound; what was read is to be forgotten. */
static bool
read_plain_sample(const ptm_pprof_in *in, ptm_pprof_sample *s, ptm_wire message, const batch *b)
{
    const uint8_t *end = NULL, *at = ptm_wire_piece(message.at, message.end, SAMPLE_LOCATION, &end);
    if (at == NULL) {
        return false;
    }
    hold_back(s, message.at, (ptm_wire){at, end, NULL}, b);
    at = plain_values(in, s, end, message.end);
    while (at != NULL && at != message.end) {
        at = plain_label(s, at, message.end, b);
    }
    return at != NULL;
}

/* -- samples ----------------------------------------------------------------------------------- */

/* In pieces, each of which is a few stores: all at once is a string instruction, which took a tenth
 * of the time of reading. */
static void
begin_sample(ptm_pprof_sample *s, const uint8_t *at, uint64_t number, size_t first_frame)
{
    memset(s->columns, 0, sizeof(s->columns));
    memset(s->labels, 0, sizeof(s->labels));
    memset(s->has_label, 0, sizeof(s->has_label));
    s->waiting.number = 0;
    s->is_full = false;
    s->n_values = s->hash = 0;
    s->n_location_fields = s->n_frames = 0;
    s->stack = 0;
    s->at = at;
    s->number = number;
    s->first_frame = first_frame;
}

static bool
read_any_sample(ptm_pprof_in *in, ptm_pprof_sample *s, ptm_wire message, batch *b)
{
    bool ok = true;
    ptm_wire_field part;
    begin_sample(s, s->at, s->number, s->first_frame);
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
    return ok && ptm_pprof_ended(in, &message);
}

static bool
read_sample(ptm_pprof_in *in, const ptm_wire_field *field, ptm_pprof_sample *s, batch *b)
{
    ptm_wire message;
    if (!ptm_pprof_message(in, field, &message)
        || !(read_plain_sample(in, s, message, b) || read_any_sample(in, s, message, b))) {
        return false;
    }
    if (s->n_values != in->columns.len) {
        return ptm_pprof_refuse(
            in, s->at, "sample %llu has %llu values where there are %zu sample types",
            (unsigned long long)s->number, (unsigned long long)s->n_values, in->columns.len);
    }
    return true;
}

/* -- all of them ------------------------------------------------------------------------------- */

static void
make_stacks(ptm_pprof_in *in, batch *b)
{
    ptm_snap_path paths[PTM_SNAP_PATHS];
    for (size_t i = 0; i < b->n; i++) {
        const ptm_pprof_sample *s = &b->samples[i];
        uint32_t n = s->stack != 0 || s->is_twin ? 0 : s->n_frames;
        const ptm_frame_id *frames = PTM_ITEMS(b->frames, ptm_frame_id);
        paths[i] = (ptm_snap_path){frames + s->first_frame, n, s->stack};
    }
    ptm_snap_build_paths(in->builder, paths, b->n);
    for (size_t i = 0; i < b->n; i++) {
        ptm_pprof_sample *s = &b->samples[i];
        if (s->stack == 0 && s->waiting.number != 0 && !s->is_twin) {
            remember(in, b, s, paths[i].stack);
        }
        s->stack = s->is_twin ? s[-1].stack : paths[i].stack;
    }
}

static bool
make_batch(ptm_pprof_in *in, batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (!end_locations(in, &b->samples[i], b)) {
            return false;
        }
    }
    make_stacks(in, b);
    for (size_t i = 0; i < b->n && in->err == PTM_OK; i++) {
        ptm_pprof_make_site(in, &b->samples[i]);
    }
    b->n = 0;
    b->frames.len = 0;
    return in->err == PTM_OK;
}

static bool
add_sample(ptm_pprof_in *in, const ptm_wire_field *field, uint64_t number, batch *b)
{
    ptm_pprof_sample *s = &b->samples[b->n];
    begin_sample(s, field->at, number, PTM_N_ITEMS(b->frames, ptm_frame_id));
    return read_sample(in, field, s, b) && (++b->n < PTM_SNAP_PATHS || make_batch(in, b));
}

/* A small file asks for little. */
static uint32_t
n_sets_of(size_t file_bytes)
{
    uint32_t n = 16;
    while (n < MOST_SETS && n * sizeof(known_set) < file_bytes) {
        n *= 2;
    }
    return n;
}

bool
ptm_pprof_make_sites(ptm_pprof_in *in)
{
    ptm_wire profile = ptm_wire_of(in->data, in->len);
    ptm_wire_field field;
    batch b = {.most_frames = 1, .n_sets = n_sets_of(in->len)};
    b.known = ptm_array_zeroed(b.n_sets, sizeof(*b.known));
    name_keys(in, &b);
    uint64_t number = 0;
    bool ok = b.known != NULL && list_lines(in, &b.lines);
    ptm_snap_build_expect(in->builder, in->sample_bytes / BYTES_A_STACK, in->n_samples);
    while (ok && ptm_wire_next(&profile, &field)) {
        if (field.number == PROFILE_SAMPLE) {
            ok = add_sample(in, &field, number++, &b);
        }
    }
    ok = ok && make_batch(in, &b);
    ptm_array_free(b.known);
    ptm_buf_fini(&b.frames);
    ptm_buf_fini(&b.lines);
    ptm_snap_build_limit(in->builder, in->limit != 0 ? in->limit : b.most_frames);
    ptm_snap_build_lacks(in->builder, in->lacks | ptm_pprof_lacking_columns(in));
    return ok;
}
