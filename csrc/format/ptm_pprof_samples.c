/* SPDX-License-Identifier: MIT
 *
 * The fields of samples; ptm_pprof_stacks.c makes stacks of their locations, and then
 * ptm_pprof_sites.c sites of them.
 */
#include "format/ptm_pprof_sample.h"

#include <string.h>

#define BYTES_A_STACK 4 /* of samples: a location's id has mostly two, and numbers follow */

/* -- the parts of a sample --------------------------------------------------------------------- */

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

static const char *const keys[PTM_PPROF_N_KEYS] = {"bytes", "depth", "domain", "folded"};

static uint8_t
key_of(ptm_wire text)
{
    uint8_t key = 0;
    while (key < PTM_PPROF_N_KEYS && !ptm_pprof_text_is(text, keys[key])) {
        key++;
    }
    return key;
}

static void
name_keys(const ptm_pprof_in *in, ptm_pprof_batch *b)
{
    size_t n = PTM_N_ITEMS(in->strings, ptm_wire);
    b->n_keys = n < PTM_PPROF_MOST_KEYS ? (uint8_t)n : PTM_PPROF_MOST_KEYS;
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
        uint64_t *to = part.number == PTM_PPROF_LABEL_KEY        ? &key_index
                       : part.number == PTM_PPROF_LABEL_STR      ? &str
                       : part.number == PTM_PPROF_LABEL_NUM      ? &num
                       : part.number == PTM_PPROF_LABEL_NUM_UNIT ? &unit
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
    at = ptm_wire_piece(at, rest_end, PTM_PPROF_SAMPLE_VALUE, &end);
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
plain_label(ptm_pprof_sample *s, const uint8_t *at, const uint8_t *rest_end,
            const ptm_pprof_batch *b)
{
    const uint8_t *end = NULL;
    uint64_t num = 0;
    at = ptm_wire_piece(at, rest_end, PTM_PPROF_SAMPLE_LABEL, &end);
    if (at == NULL || end - at < 2 || at[0] != PTM_PPROF_LABEL_KEY << 3 || at[1] >= b->n_keys) {
        return NULL;
    }
    uint8_t key = b->keys[at[1]];
    at += 2;
    if (at != end && at[0] == PTM_PPROF_LABEL_NUM << 3
        && (at = ptm_wire_number(at + 1, end, &num)) == NULL) {
        return NULL;
    }
    if (end - at == 2 && at[0] == PTM_PPROF_LABEL_NUM_UNIT << 3 && at[1] < 0x80) {
        at += 2;
    }
    take_label(s, key, num);
    return at == end ? at : NULL;
}

/* False: it is not plain, or not sound; what was read is to be forgotten. */
static bool
read_plain_sample(const ptm_pprof_in *in, ptm_pprof_sample *s, ptm_wire message,
                  const ptm_pprof_batch *b)
{
    const uint8_t *end = NULL,
                  *at = ptm_wire_piece(message.at, message.end, PTM_PPROF_SAMPLE_LOCATION, &end);
    if (at == NULL) {
        return false;
    }
    ptm_pprof_hold_back(s, message.at, (ptm_wire){at, end, NULL}, b);
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
read_any_sample(ptm_pprof_in *in, ptm_pprof_sample *s, ptm_wire message, ptm_pprof_batch *b)
{
    bool ok = true;
    ptm_wire_field part;
    begin_sample(s, s->at, s->number, s->first_frame);
    while (ok && ptm_wire_next(&message, &part)) {
        switch (part.number) {
        case PTM_PPROF_SAMPLE_LOCATION:
            ok = ptm_pprof_read_locations(in, s, &part, b);
            break;
        case PTM_PPROF_SAMPLE_VALUE:
            ok = read_values(in, s, part);
            break;
        case PTM_PPROF_SAMPLE_LABEL:
            ok = read_label(in, s, &part);
            break;
        default:
            break;
        }
    }
    return ok && ptm_pprof_ended(in, &message);
}

static bool
read_sample(ptm_pprof_in *in, const ptm_wire_field *field, ptm_pprof_sample *s, ptm_pprof_batch *b)
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

static bool
make_batch(ptm_pprof_in *in, ptm_pprof_batch *b)
{
    if (!ptm_pprof_make_stacks(in, b)) {
        return false;
    }
    for (size_t i = 0; i < b->n && in->err == PTM_OK; i++) {
        ptm_pprof_make_site(in, &b->samples[i]);
    }
    b->n = 0;
    b->frames.len = 0;
    return in->err == PTM_OK;
}

static bool
add_sample(ptm_pprof_in *in, const ptm_wire_field *field, uint64_t number, ptm_pprof_batch *b)
{
    ptm_pprof_sample *s = &b->samples[b->n];
    begin_sample(s, field->at, number, PTM_N_ITEMS(b->frames, ptm_frame_id));
    return read_sample(in, field, s, b) && (++b->n < PTM_SNAP_PATHS || make_batch(in, b));
}

bool
ptm_pprof_read_samples(ptm_pprof_in *in)
{
    ptm_wire profile = ptm_wire_of(in->data, in->len);
    ptm_wire_field field;
    ptm_pprof_batch b;
    bool ok = ptm_pprof_stacks_init(in, &b);
    name_keys(in, &b);
    uint64_t number = 0;
    ptm_snap_build_expect(in->builder, in->sample_bytes / BYTES_A_STACK, in->n_samples);
    while (ok && ptm_wire_next(&profile, &field)) {
        if (field.number == PTM_PPROF_PROFILE_SAMPLE) {
            ok = add_sample(in, &field, number++, &b);
        }
    }
    ok = ok && make_batch(in, &b);
    ptm_snap_build_limit(in->builder, in->limit != 0 ? in->limit : b.most_frames);
    ptm_pprof_stacks_fini(&b);
    ptm_snap_build_lacks(in->builder, in->lacks | ptm_pprof_lacking_columns(in));
    return ok;
}
