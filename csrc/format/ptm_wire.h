/* SPDX-License-Identifier: MIT
 *
 * ptm_wire - reading protobuf's wire format from bytes that may be anything.
 *
 * Owns      nothing: a cursor is a piece of somebody's bytes
 * Threads   pure functions of their arguments
 * Failure   false, and the cursor's `error` says in words what is wrong at `at`; a cursor never
 *           leaves its piece
 */
#ifndef PTM_WIRE_H
#define PTM_WIRE_H

#include "base/ptm_base.h"

/* Types of fields. */
enum { PTM_WIRE_VARINT = 0, PTM_WIRE_FIXED64 = 1, PTM_WIRE_BYTES = 2, PTM_WIRE_FIXED32 = 5 };

typedef struct {
    const uint8_t *at, *end;
    const char *error; /* NULL: all is well so far */
} ptm_wire;

typedef struct {
    uint32_t number;
    uint32_t type;     /* PTM_WIRE_... */
    uint64_t value;    /* of a varint or a fixed field */
    ptm_wire bytes;    /* of a field with a length */
    const uint8_t *at; /* where the field starts */
} ptm_wire_field;

static inline ptm_wire
ptm_wire_of(const uint8_t *bytes, size_t len)
{
    return (ptm_wire){bytes, bytes + len, NULL};
}

bool ptm_wire_any_varint(ptm_wire *wire, uint64_t *value);
bool ptm_wire_any_next(ptm_wire *wire, ptm_wire_field *field);

/* A varint of one byte or two, as nearly all are; where it ends. NULL: it is longer, or cut. */
static inline const uint8_t *
ptm_wire_short(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    if (PTM_LIKELY(at < end) && at[0] < 0x80) {
        *value = at[0];
        return at + 1;
    }
    if (PTM_LIKELY(end - at >= 2) && at[1] < 0x80) {
        *value = (at[0] & 0x7fu) | (uint64_t)at[1] << 7;
        return at + 2;
    }
    return NULL;
}

static inline bool
ptm_wire_varint(ptm_wire *wire, uint64_t *value)
{
    const uint8_t *end = ptm_wire_short(wire->at, wire->end, value);
    if (PTM_UNLIKELY(end == NULL)) {
        return ptm_wire_any_varint(wire, value);
    }
    wire->at = end;
    return true;
}

/* Without a cursor, which the compiler would keep in memory; where it ends. NULL: an error. */
static inline const uint8_t *
ptm_wire_number(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    const uint8_t *short_end = ptm_wire_short(at, end, value);
    if (PTM_LIKELY(short_end != NULL)) {
        return short_end;
    }
    ptm_wire wire = {at, end, NULL};
    return ptm_wire_any_varint(&wire, value) ? wire.at : NULL;
}

/* The bytes of a piece of less than 128 that this field begins with; *end is where they end. NULL:
 * it is not that. */
static inline const uint8_t *
ptm_wire_piece(const uint8_t *at, const uint8_t *rest_end, uint8_t field, const uint8_t **end)
{
    if (rest_end - at < 2 || at[0] != (field << 3 | PTM_WIRE_BYTES) || at[1] >= 0x80
        || at[1] > rest_end - at - 2) {
        return NULL;
    }
    *end = at + 2 + at[1];
    return at + 2;
}

/* False at the end, and on an error. Nearly all fields are numbers, or pieces of less than 128
 * bytes. */
static inline bool
ptm_wire_next(ptm_wire *wire, ptm_wire_field *field)
{
    if (PTM_UNLIKELY(wire->end - wire->at < 2 || wire->error != NULL)) {
        return ptm_wire_any_next(wire, field);
    }
    uint8_t tag = wire->at[0], len = wire->at[1];
    bool is_piece = (tag & 7) == PTM_WIRE_BYTES;
    bool fits = tag >= 8 && tag < 0x80 && len < 0x80 && (is_piece || (tag & 7) == PTM_WIRE_VARINT)
                && (!is_piece || wire->end - wire->at - 2 >= len);
    if (PTM_UNLIKELY(!fits)) {
        return ptm_wire_any_next(wire, field);
    }
    *field = (ptm_wire_field){.number = tag >> 3, .type = tag & 7, .at = wire->at};
    wire->at += 2;
    if (is_piece) {
        field->bytes = ptm_wire_of(wire->at, len);
        wire->at += len;
    }
    else {
        field->value = len;
    }
    return true;
}

/* In field.type: a number that stood alone has been handed out. */
#define PTM_WIRE_TAKEN UINT32_MAX

/* The next number of a repeated field that comes packed or one by one; used on a field it consumes:
 *     while (ptm_wire_repeated(&field, &value)) ...
 * False at its end; an error is in field->bytes.error. */
static inline bool
ptm_wire_repeated(ptm_wire_field *field, uint64_t *value)
{
    if (PTM_LIKELY(field->type == PTM_WIRE_BYTES)) {
        return field->bytes.at != field->bytes.end && ptm_wire_varint(&field->bytes, value);
    }
    bool taken = field->type == PTM_WIRE_TAKEN;
    field->type = PTM_WIRE_TAKEN;
    *value = field->value;
    return !taken;
}

#endif
