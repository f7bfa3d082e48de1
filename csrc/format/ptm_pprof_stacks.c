/* SPDX-License-Identifier: MIT
 *
 * From the locations of samples to stacks. Many samples have one stack, and a file says so in the
 * same bytes: what was made of bytes is remembered by a hash of them.
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
typedef struct ptm_pprof_known {
    known_stack of[WAYS];
} known_set;

#define MOST_SETS 4096u

static known_set *
set_of(const ptm_pprof_batch *b, const ptm_pprof_sample *s)
{
    return &b->known[s->hash & (b->n_sets - 1)];
}

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
is_known(const ptm_pprof_in *in, const ptm_pprof_batch *b, ptm_pprof_sample *s)
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
is_twin(const ptm_pprof_batch *b, const ptm_pprof_sample *s)
{
    const ptm_pprof_sample *before = s - 1;
    return s != b->samples && before->waiting.number != 0 && before->hash == s->hash
           && packed_bytes(before) == packed_bytes(s)
           && memcmp(before->waiting.bytes.at, s->waiting.bytes.at, packed_bytes(s)) == 0;
}

/* In a file whose places have 32 bits. */
static void
remember(const ptm_pprof_in *in, ptm_pprof_batch *b, const ptm_pprof_sample *s, ptm_stack_id stack)
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
read_plain_frames(ptm_pprof_in *in, ptm_pprof_sample *s, ptm_wire *packed, ptm_pprof_batch *b)
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
read_frames(ptm_pprof_in *in, ptm_pprof_sample *s, ptm_wire_field field, ptm_pprof_batch *b)
{
    if (field.type == PTM_WIRE_BYTES) {
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
void
ptm_pprof_hold_back(ptm_pprof_sample *s, const uint8_t *at, ptm_wire bytes,
                    const ptm_pprof_batch *b)
{
    s->waiting.number = PTM_PPROF_SAMPLE_LOCATION;
    s->waiting.type = PTM_WIRE_BYTES;
    s->waiting.at = at;
    s->waiting.bytes = bytes;
    s->hash = ptm_hash_bytes(bytes.at, packed_bytes(s));
    __builtin_prefetch(set_of(b, s));
}

/* The first field waits: if it is the only one, its bytes may be known. */
bool
ptm_pprof_read_locations(ptm_pprof_in *in, ptm_pprof_sample *s, const ptm_wire_field *field,
                         ptm_pprof_batch *b)
{
    if (s->n_location_fields++ == 0 && field->type == PTM_WIRE_BYTES) {
        ptm_pprof_hold_back(s, field->at, field->bytes, b);
        return true;
    }
    ptm_wire_field first = s->waiting;
    s->waiting = (ptm_wire_field){0};
    return (first.number == 0 || read_frames(in, s, first, b)) && read_frames(in, s, *field, b);
}

/* A sample without frames gets one. */
static bool
end_locations(ptm_pprof_in *in, ptm_pprof_sample *s, ptm_pprof_batch *b)
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

static void
push_stacks(ptm_pprof_in *in, ptm_pprof_batch *b)
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

bool
ptm_pprof_make_stacks(ptm_pprof_in *in, ptm_pprof_batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (!end_locations(in, &b->samples[i], b)) {
            return false;
        }
    }
    push_stacks(in, b);
    return true;
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
ptm_pprof_stacks_init(const ptm_pprof_in *in, ptm_pprof_batch *b)
{
    *b = (ptm_pprof_batch){.most_frames = 1, .n_sets = n_sets_of(in->len)};
    b->known = ptm_array_zeroed(b->n_sets, sizeof(*b->known));
    return b->known != NULL && list_lines(in, &b->lines);
}

void
ptm_pprof_stacks_fini(ptm_pprof_batch *b)
{
    ptm_array_free(b->known);
    ptm_buf_fini(&b->frames);
    ptm_buf_fini(&b->lines);
}
