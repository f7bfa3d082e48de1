/* SPDX-License-Identifier: MIT */
#include "format/ptm_wire.h"

#include <string.h>

static bool
refuse(ptm_wire *wire, const char *error)
{
    wire->error = error;
    return false;
}

bool
ptm_wire_any_varint(ptm_wire *wire, uint64_t *value)
{
    uint64_t result = 0;
    const uint8_t *at = wire->at;
    for (int shift = 0; shift < 64; shift += 7) {
        if (at == wire->end) {
            return refuse(wire, "the data ends in the middle of a number");
        }
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1) {
            break;
        }
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            wire->at = at;
            *value = result;
            return true;
        }
    }
    return refuse(wire, "a number is longer than 64 bits");
}

static bool
fixed(ptm_wire *wire, size_t n_bytes, uint64_t *value)
{
    if ((size_t)(wire->end - wire->at) < n_bytes) {
        return refuse(wire, "the data ends in the middle of a number");
    }
    *value = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        *value |= (uint64_t)wire->at[i] << (8 * i);
    }
    wire->at += n_bytes;
    return true;
}

static bool
piece(ptm_wire *wire, ptm_wire *bytes)
{
    uint64_t len;
    if (!ptm_wire_varint(wire, &len)) {
        return false;
    }
    if (len > (uint64_t)(wire->end - wire->at)) {
        return refuse(wire, "a field is longer than what is left of the data");
    }
    *bytes = ptm_wire_of(wire->at, (size_t)len);
    wire->at += len;
    return true;
}

bool
ptm_wire_any_next(ptm_wire *wire, ptm_wire_field *field)
{
    uint64_t tag;
    if (wire->error != NULL || wire->at == wire->end) {
        return false;
    }
    *field = (ptm_wire_field){.at = wire->at};
    if (!ptm_wire_varint(wire, &tag)) {
        return false;
    }
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        return refuse(wire, "there is no field with this number");
    }
    field->number = (uint32_t)(tag >> 3);
    field->type = tag & 7;
    switch (field->type) {
    case PTM_WIRE_VARINT:
        return ptm_wire_varint(wire, &field->value);
    case PTM_WIRE_FIXED64:
        return fixed(wire, 8, &field->value);
    case PTM_WIRE_BYTES:
        return piece(wire, &field->bytes);
    case PTM_WIRE_FIXED32:
        return fixed(wire, 4, &field->value);
    default:
        return refuse(wire, "there is no field of this type");
    }
}
