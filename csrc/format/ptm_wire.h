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

typedef struct {
    const uint8_t *at, *end;
    const char *error; /* NULL: all is well so far */
} ptm_wire;

typedef struct {
    uint32_t number;
    uint32_t type;     /* WIRE_... */
    uint64_t value;    /* of a varint or a fixed field */
    ptm_wire bytes;    /* of a field with a length */
    const uint8_t *at; /* where the field starts */
} ptm_wire_field;

static inline ptm_wire
ptm_wire_of(const uint8_t *bytes, size_t len)
{
    return (ptm_wire){bytes, bytes + len, NULL};
}

/* False at the end, and on an error. */
bool ptm_wire_next(ptm_wire *wire, ptm_wire_field *field);
bool ptm_wire_long_varint(ptm_wire *wire, uint64_t *value); /* of any length */

static inline bool
ptm_wire_varint(ptm_wire *wire, uint64_t *value)
{
    if (PTM_LIKELY(wire->at < wire->end) && *wire->at < 0x80) {
        *value = *wire->at++;
        return true;
    }
    return ptm_wire_long_varint(wire, value);
}

/* The next number of a repeated field that comes packed or one by one; used on a field it consumes:
 *     while (ptm_wire_repeated(&field, &value)) ...
 * False at its end; an error is in field->bytes.error. */
bool ptm_wire_repeated(ptm_wire_field *field, uint64_t *value);

#endif
