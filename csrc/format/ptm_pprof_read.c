/* SPDX-License-Identifier: MIT */
#include "format/ptm_pprof_fields.h"
#include "format/ptm_pprof_in.h"
#include "format/ptm_format_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Stacks may have this many frames per byte of the file: a file of ours has at most one, but a
 * location of other tools stands for several inlined calls. More is not a profile but an attempt at
 * our memory. */
#define FRAMES_PER_BYTE 4
#define FRAMES_AT_LEAST 4096

#define DIGITS_MAX 20 /* of a decimal number of 64 bits */

bool
ptm_pprof_refuse(ptm_pprof_in *in, const uint8_t *at, const char *format, ...)
{
    if (in->err == PTM_OK) {
        char what[150];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof(what), format, args);
        va_end(args);
        in->err = PTM_EFORMAT;
        snprintf(in->why->text, sizeof(in->why->text), "%s (byte %zu)", what,
                 (size_t)(at - in->data));
    }
    return false;
}

bool
ptm_pprof_number(ptm_pprof_in *in, const ptm_wire_field *field, uint64_t *value)
{
    if (field->type != PTM_WIRE_VARINT) {
        return ptm_pprof_refuse(in, field->at, "field %u is not a number", (unsigned)field->number);
    }
    *value = field->value;
    return true;
}

bool
ptm_pprof_message(ptm_pprof_in *in, const ptm_wire_field *field, ptm_wire *message)
{
    if (field->type != PTM_WIRE_BYTES) {
        return ptm_pprof_refuse(in, field->at, "field %u is not a message",
                                (unsigned)field->number);
    }
    *message = field->bytes;
    return true;
}

bool
ptm_pprof_ended(ptm_pprof_in *in, const ptm_wire *message)
{
    return message->error == NULL || ptm_pprof_refuse(in, message->at, "%s", message->error);
}

bool
ptm_pprof_text(ptm_pprof_in *in, uint64_t index, const uint8_t *at, ptm_wire *text)
{
    if (index >= PTM_N_ITEMS(in->strings, ptm_wire)) {
        return ptm_pprof_refuse(in, at, "string %llu is not in the file",
                                (unsigned long long)index);
    }
    *text = PTM_ITEMS(in->strings, ptm_wire)[index];
    return true;
}

bool
ptm_pprof_text_is(ptm_wire text, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(text.end - text.at) == len && memcmp(text.at, word, len) == 0;
}

/* -- the first pass ---------------------------------------------------------------------------- */

static bool
note_type(ptm_pprof_in *in, const ptm_wire_field *field)
{
    ptm_wire message;
    ptm_wire_field part;
    ptm_pprof_type type = {0};
    if (!ptm_pprof_message(in, field, &message)) {
        return false;
    }
    while (ptm_wire_next(&message, &part)) {
        uint64_t *to = part.number == PTM_PPROF_VALUE_TYPE_TYPE   ? &type.type
                       : part.number == PTM_PPROF_VALUE_TYPE_UNIT ? &type.unit
                                                                  : NULL;
        if (to != NULL && !ptm_pprof_number(in, &part, to)) {
            return false;
        }
    }
    ptm_buf_put(&in->types, &type, sizeof(type));
    return ptm_pprof_ended(in, &message);
}

static bool
note_piece(ptm_pprof_in *in, const ptm_wire_field *field, ptm_buf *to)
{
    ptm_wire piece;
    if (!ptm_pprof_message(in, field, &piece)) {
        return false;
    }
    ptm_buf_put(to, &piece, sizeof(piece));
    return true;
}

static bool
note_comments(ptm_pprof_in *in, ptm_wire_field field)
{
    uint64_t index;
    while (ptm_wire_repeated(&field, &index)) {
        ptm_buf_put(&in->comments, &index, sizeof(index));
    }
    return ptm_pprof_ended(in, &field.bytes);
}

static bool
note_field(ptm_pprof_in *in, const ptm_wire_field *field, ptm_pprof_extra *extra)
{
    switch (field->number) {
    case PTM_PPROF_PROFILE_SAMPLE_TYPE:
        return note_type(in, field);
    case PTM_PPROF_PROFILE_SAMPLE:
        in->n_samples++;
        in->sample_bytes += (uint64_t)(field->bytes.end - field->bytes.at);
        return true;
    case PTM_PPROF_PROFILE_MAPPING:
        return ptm_pprof_note_mapping(in, field);
    case PTM_PPROF_PROFILE_LOCATION:
        return note_piece(in, field, &in->raw_locations);
    case PTM_PPROF_PROFILE_FUNCTION:
        return ptm_pprof_note_function(in, field);
    case PTM_PPROF_PROFILE_STRING:
        return note_piece(in, field, &in->strings);
    case PTM_PPROF_PROFILE_COMMENT:
        return note_comments(in, *field);
    case PTM_PPROF_PROFILE_TIME_NANOS: {
        uint64_t nanos = 0;
        bool ok = ptm_pprof_number(in, field, &nanos);
        extra->time_nanos = (int64_t)nanos;
        return ok;
    }
    default:
        return true;
    }
}

static bool
note_all(ptm_pprof_in *in, ptm_pprof_extra *extra)
{
    ptm_wire profile = ptm_wire_of(in->data, in->len), first = profile;
    ptm_wire_field field;
    while (ptm_wire_next(&profile, &field)) {
        if (!note_field(in, &field, extra)) {
            return false;
        }
    }
    if (!ptm_pprof_ended(in, &profile)) {
        return false;
    }
    if (in->strings.len == 0 || in->types.len == 0) {
        return ptm_pprof_refuse(in, in->data + in->len,
                                "this is no profile, or the end of one is missing: it has no %s",
                                in->strings.len == 0 ? "strings" : "sample types");
    }
    if (!ptm_pprof_text(in, 0, in->data, &first) || first.at != first.end) {
        return ptm_pprof_refuse(in, first.at,
                                "the first string is not empty, as it must be in a profile");
    }
    return true;
}

/* -- comments: what profiles have no field for ------------------------------------------------- */

static bool
cut_prefix(ptm_wire *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if ((size_t)(text->end - text->at) < len || memcmp(text->at, prefix, len) != 0) {
        return false;
    }
    text->at += len;
    return true;
}

/* A decimal number and the space after it; false if there is none. A comment may be named as often
 * as the file has bytes, so no more of it is looked at than a number of 64 bits has digits. */
static bool
cut_number(ptm_wire *text, uint64_t *number)
{
    const uint8_t *start = text->at;
    for (*number = 0; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        if (text->at - start == DIGITS_MAX || __builtin_mul_overflow(*number, 10, number)
            || __builtin_add_overflow(*number, (uint64_t)(*text->at - '0'), number)) {
            return false;
        }
    }
    bool found = text->at > start;
    if (text->at < text->end && *text->at == ' ') {
        text->at++;
    }
    return found;
}

static bool
read_version(ptm_pprof_in *in, ptm_wire text)
{
    uint64_t version;
    const uint8_t *at = text.at;
    if (!cut_number(&text, &version) || text.at != text.end || version == 0) {
        return true; /* somebody's comment about us */
    }
    if (version > PTM_PPROF_VERSION) {
        return ptm_pprof_refuse(
            in, at, "the file was written by a newer pytracemalloc: format %llu, known up to %d",
            (unsigned long long)version, PTM_PPROF_VERSION);
    }
    in->version = (uint32_t)version;
    return true;
}

static ptm_str_id
comment_string(ptm_pprof_in *in, const uint8_t *at, const uint8_t *end)
{
    in->text.len = 0;
    ptm_format_unescape((const char *)at, (size_t)(end - at), &in->text);
    return ptm_snap_build_string(in->builder, (const char *)in->text.data, in->text.len);
}

/* Each of these comments stands in a file once, so all together are no longer than the file, unless
 * it is an attempt at our time. */
static bool
spend_comment(ptm_pprof_in *in, ptm_wire text)
{
    size_t len = (size_t)(text.end - text.at);
    if (len > in->words_left) {
        return ptm_pprof_refuse(in, text.at, "the comments are longer than the file");
    }
    in->words_left -= len;
    return true;
}

/* A dotted name, a space and a file. */
static bool
read_module(ptm_pprof_in *in, ptm_wire text)
{
    const uint8_t *space = memchr(text.at, ' ', (size_t)(text.end - text.at));
    if (space != NULL && space != text.at) {
        ptm_str_id module = comment_string(in, text.at, space);
        ptm_str_id file = comment_string(in, space + 1, text.end);
        ptm_snap_build_module(in->builder, file, module);
    }
    return !in->text.failed;
}

static void
read_lacks(ptm_pprof_in *in, ptm_wire text)
{
    static const char *const metrics[] = {PTM_PPROF_METRICS};
    while (text.at < text.end) {
        const uint8_t *space = memchr(text.at, ' ', (size_t)(text.end - text.at));
        ptm_wire word = {text.at, space == NULL ? text.end : space, NULL};
        for (uint32_t i = 0; i < PTM_ARRAY_LEN(metrics); i++) {
            in->lacks |= (uint32_t)ptm_pprof_text_is(word, metrics[i]) << i;
        }
        text.at = space == NULL ? text.end : space + 1;
    }
}

/* Several of one kind come from files that pprof has merged: the longest limit holds, losses add
 * up, what one lacks all lack, and of the JSON texts and of a file's modules the first is taken. */
static bool
read_comment(ptm_pprof_in *in, ptm_wire text, ptm_pprof_extra *extra, uint64_t lost[2])
{
    uint64_t first, second;
    if (cut_prefix(&text, PTM_PPROF_MARK)) {
        return read_version(in, text);
    }
    if (cut_prefix(&text, PTM_PPROF_LIMIT)) {
        if (cut_number(&text, &first) && first <= UINT32_MAX && first > in->limit) {
            in->limit = (uint32_t)first;
        }
    }
    else if (cut_prefix(&text, PTM_PPROF_LOST)) {
        if (cut_number(&text, &first) && cut_number(&text, &second)) {
            lost[0] = ptm_sum_saturated(lost[0], first);
            lost[1] = ptm_sum_saturated(lost[1], second);
        }
    }
    else if (cut_prefix(&text, PTM_PPROF_MODULE)) {
        return spend_comment(in, text) && read_module(in, text);
    }
    else if (cut_prefix(&text, PTM_PPROF_LACKS)) {
        read_lacks(in, text);
        return spend_comment(in, text);
    }
    else if (cut_prefix(&text, PTM_PPROF_JSON) && extra->json == NULL) {
        extra->json = (const char *)text.at;
        extra->json_len = (size_t)(text.end - text.at);
    }
    return true;
}

static bool
read_comments(ptm_pprof_in *in, ptm_pprof_extra *extra)
{
    uint64_t lost[2] = {0};
    const uint64_t *comments = PTM_ITEMS(in->comments, uint64_t);
    for (size_t i = 0; i < PTM_N_ITEMS(in->comments, uint64_t); i++) {
        ptm_wire text;
        if (!ptm_pprof_text(in, comments[i], in->data, &text)
            || !read_comment(in, text, extra, lost)) {
            return false;
        }
    }
    ptm_snap_build_losses(in->builder, lost[0], lost[1]);
    return true;
}

/* -- the whole --------------------------------------------------------------------------------- */

static bool
read_all(ptm_pprof_in *in, ptm_pprof_extra *extra)
{
    return note_all(in, extra) && read_comments(in, extra) && ptm_pprof_choose_columns(in)
           && ptm_pprof_make_frames(in) && ptm_pprof_read_samples(in);
}

static bool
any_failed(ptm_pprof_in *in)
{
    return in->strings.failed || in->string_ids.failed || in->text.failed || in->types.failed
           || in->columns.failed || in->comments.failed || in->functions.failed
           || in->mappings.failed || in->raw_locations.failed || in->locations.failed
           || in->location_frames.failed || in->function_ids.ids.failed
           || in->mapping_ids.ids.failed || in->location_ids.ids.failed;
}

static void
fini(ptm_pprof_in *in)
{
    ptm_buf *bufs[] = {&in->strings,       &in->string_ids, &in->text,           &in->types,
                       &in->columns,       &in->comments,   &in->functions,      &in->mappings,
                       &in->raw_locations, &in->locations,  &in->location_frames};
    for (size_t i = 0; i < PTM_ARRAY_LEN(bufs); i++) {
        ptm_buf_fini(bufs[i]);
    }
    ptm_pprof_ids_fini(&in->function_ids);
    ptm_pprof_ids_fini(&in->mapping_ids);
    ptm_pprof_ids_fini(&in->location_ids);
}

ptm_err
ptm_pprof_read(const uint8_t *data, size_t len, ptm_snap **out, ptm_pprof_extra *extra,
               ptm_format_why *why)
{
    ptm_pprof_in in = {.data = data, .len = len, .why = why};
    ptm_pprof_extra found = {0};
    in.frames_left = (uint64_t)len * FRAMES_PER_BYTE + FRAMES_AT_LEAST;
    in.words_left = len;
    in.builder = ptm_snap_build_new(1);
    if (in.builder == NULL) {
        return PTM_ENOMEM;
    }
    bool ok = read_all(&in, &found);
    /* what was missing from a table that could not grow is not the file's fault */
    ptm_err err = any_failed(&in) || (!ok && in.err == PTM_OK) ? PTM_ENOMEM : in.err;
    if (err != PTM_EFORMAT) {
        why->text[0] = 0;
    }
    fini(&in);
    if (err != PTM_OK) {
        ptm_snap_build_free(in.builder);
        return err;
    }
    err = ptm_snap_build_finish(in.builder, out);
    if (err == PTM_OK) {
        *extra = found;
    }
    return err;
}
