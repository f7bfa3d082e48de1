/* SPDX-License-Identifier: MIT
 *
 * ptm_fuzz_mutate - changes a profile field by field, with lengths that fit: what is inserted at
 * random bytes mostly breaks the length of every message around it, and such files are refused
 * before anything of interest is read.
 *
 * How       one field of the profile, or of a message in it, is chosen: left out, said twice, moved
 *           to another place, given a number, or its bytes go to libFuzzer's own mutator
 * Threads   one
 * Failure   0: the data is no sequence of fields, or the result has no room; nothing was changed
 */
#ifndef PTM_FUZZ_MUTATE_H
#define PTM_FUZZ_MUTATE_H

#include "base/ptm_buf.h"
#include "format/ptm_wire.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define MUTATE_ROOM 4096 /* bytes that a piece may grow to */

static uint64_t mutate_state;

static uint32_t
mutate_below(uint32_t limit)
{
    mutate_state = mutate_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(mutate_state >> 33) % limit;
}

static void
put_varint_field(ptm_buf *to, uint32_t number, uint64_t value)
{
    ptm_buf_put_varint(to, (uint64_t)number << 3 | PTM_WIRE_VARINT);
    ptm_buf_put_varint(to, value);
}

static void
put_bytes_field(ptm_buf *to, uint32_t number, const uint8_t *bytes, size_t len)
{
    ptm_buf_put_varint(to, (uint64_t)number << 3 | PTM_WIRE_BYTES);
    ptm_buf_put_varint(to, len);
    ptm_buf_put(to, bytes, len);
}

/* Small ones, as ids and strings have; ends of ranges; any. */
static uint64_t
some_number(uint64_t was)
{
    static const uint64_t ends[] = {0,         1,          INT32_MAX,  (uint64_t)INT32_MAX + 1,
                                    INT64_MAX, UINT64_MAX, UINT32_MAX, PTM_NFRAME_MAX};
    switch (mutate_below(4)) {
    case 0:
        return mutate_below(40);
    case 1:
        return ends[mutate_below(PTM_ARRAY_LEN(ends))];
    case 2:
        return was + mutate_below(3) - 1;
    default:
        return (uint64_t)mutate_below(UINT32_MAX) << mutate_below(33);
    }
}

/* The fields of a message with their ends; false: it is none. */
static bool
split(ptm_wire message, ptm_buf *fields)
{
    ptm_wire_field field;
    while (ptm_wire_next(&message, &field)) {
        ptm_wire whole = {field.at, message.at, NULL};
        ptm_buf_put(fields, &whole, sizeof(whole));
    }
    return message.error == NULL && fields->len != 0 && !fields->failed;
}

static bool mutate_message(ptm_wire message, ptm_buf *out, int depth);

static void
mutate_bytes(const ptm_wire_field *field, ptm_buf *out, int depth)
{
    ptm_buf piece = {0};
    size_t len = (size_t)(field->bytes.end - field->bytes.at);
    if (depth < 3 && mutate_below(4) != 0 && mutate_message(field->bytes, &piece, depth + 1)) {
        put_bytes_field(out, field->number, piece.data, piece.len);
    }
    else {
        piece.len = 0;
        ptm_buf_put(&piece, field->bytes.at, len);
        if (ptm_buf_reserve(&piece, MUTATE_ROOM)) {
            piece.len = LLVMFuzzerMutate(piece.data, len, len + MUTATE_ROOM);
        }
        put_bytes_field(out, field->number, piece.data, piece.len);
    }
    ptm_buf_fini(&piece);
}

static void
mutate_field(ptm_wire whole, ptm_buf *out, int depth)
{
    ptm_wire_field field;
    if (!ptm_wire_next(&whole, &field)) {
        return;
    }
    uint32_t number = mutate_below(8) == 0 ? 1 + mutate_below(14) : field.number;
    if (field.type == PTM_WIRE_BYTES) {
        field.number = number;
        mutate_bytes(&field, out, depth);
    }
    else {
        put_varint_field(out, number, some_number(field.value));
    }
}

static void
put_whole(ptm_buf *out, ptm_wire whole)
{
    ptm_buf_put(out, whole.at, (size_t)(whole.end - whole.at));
}

/* One field, the `at`-th of `fields`, changed; the others as they are. */
static void
join(const ptm_wire *fields, uint32_t n, uint32_t at, ptm_buf *out, int depth)
{
    uint32_t how = mutate_below(8), other = mutate_below(n);
    for (uint32_t i = 0; i < n; i++) {
        if (i != at) {
            put_whole(out, fields[i]);
        }
        else if (how == 1) {
            for (uint32_t times = 2 + mutate_below(8); times > 0; times--) {
                put_whole(out, fields[at]);
            }
        }
        else if (how == 2) {
            put_whole(out, fields[other]);
        }
        else if (how != 0) {
            mutate_field(fields[at], out, depth);
        }
    }
    if (how == 3) {
        put_varint_field(out, 1 + mutate_below(14), some_number(1));
    }
}

static bool
mutate_message(ptm_wire message, ptm_buf *out, int depth)
{
    ptm_buf fields = {0};
    bool ok = split(message, &fields);
    if (ok) {
        uint32_t n = (uint32_t)(fields.len / sizeof(ptm_wire));
        join((const ptm_wire *)(const void *)fields.data, n, mutate_below(n), out, depth);
        ok = !out->failed;
    }
    ptm_buf_fini(&fields);
    return ok;
}

static size_t
mutate_profile(uint8_t *data, size_t len, size_t room, uint32_t seed)
{
    ptm_buf out = {0};
    mutate_state = seed;
    bool ok = mutate_message(ptm_wire_of(data, len), &out, 0) && out.len <= room;
    size_t result = ok ? out.len : 0;
    if (result != 0) {
        memcpy(data, out.data, result);
    }
    ptm_buf_fini(&out);
    return result;
}

#endif
