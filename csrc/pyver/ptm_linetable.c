/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_linetable.h"

enum {
    CODE_ONE_LINE_0 = 10, /* 0..9: short forms */
    CODE_ONE_LINE_2 = 12,
    CODE_NO_COLUMNS = 13,
    CODE_LONG = 14,
    CODE_NONE = 15
};

#define UNIT_BYTES 2 /* a code unit */

static const ptm_position NOWHERE = {-1, -1, -1, -1};

typedef struct {
    const uint8_t *at, *end;
    bool truncated;
} cursor;

static uint8_t
next_byte(cursor *c)
{
    if (c->at >= c->end) {
        c->truncated = true;
        return 0;
    }
    return *c->at++;
}

static uint32_t
next_varint(cursor *c)
{
    uint32_t value = 0, shift = 0;
    uint8_t byte;
    do {
        byte = next_byte(c);
        value |= shift < 32 ? (uint32_t)(byte & 63) << shift : 0;
        shift += 6;
    } while (byte & 64);
    return value;
}

/* Bytes that somebody made up may say anything: sums are modulo 2^32. */
static int
plus(int line, uint32_t delta)
{
    return (int)((uint32_t)line + delta);
}

/* The sign is the lowest bit. */
static uint32_t
next_signed_varint(cursor *c)
{
    uint32_t value = next_varint(c);
    return value & 1 ? -(value >> 1) : value >> 1;
}

static ptm_position
short_form(cursor *c, unsigned code, int line)
{
    uint8_t byte = next_byte(c);
    int32_t column = (int32_t)(code << 3 | (byte >> 4));
    return (ptm_position){line, line, column, column + (byte & 15)};
}

static ptm_position
one_line(cursor *c, int line)
{
    int32_t column = next_byte(c);
    int32_t end_column = next_byte(c);
    return (ptm_position){line, line, column, end_column};
}

static ptm_position
long_form(cursor *c, int line)
{
    int32_t end_line = plus(line, next_varint(c));
    int32_t column = (int32_t)(next_varint(c) - 1);
    int32_t end_column = (int32_t)(next_varint(c) - 1);
    return (ptm_position){line, end_line, column, end_column};
}

/* The entry's position; *line is the running line number, which moves even where the position is
 * none. */
static ptm_position
next_entry(cursor *c, unsigned code, int *line)
{
    switch (code) {
    case CODE_NONE:
        return NOWHERE;
    case CODE_LONG:
        *line = plus(*line, next_signed_varint(c));
        return long_form(c, *line);
    case CODE_NO_COLUMNS:
        *line = plus(*line, next_signed_varint(c));
        return (ptm_position){*line, *line, -1, -1};
    default:
        if (code >= CODE_ONE_LINE_0 && code <= CODE_ONE_LINE_2) {
            *line = plus(*line, code - CODE_ONE_LINE_0);
            return one_line(c, *line);
        }
        return short_form(c, code, *line);
    }
}

ptm_position
ptm_linetable_find_on(const uint8_t *table, size_t len, ptm_linetable_place *place, int offset)
{
    cursor c = {table + place->at, table + len, false};
    int line = place->line, end = place->from;
    while (c.at < c.end && !c.truncated) {
        ptm_linetable_place here = {(uint32_t)(c.at - table), end, line};
        uint8_t head = next_byte(&c);
        end += ((head & 7) + 1) * UNIT_BYTES;
        ptm_position position = next_entry(&c, head >> 3 & 15, &line);
        if (offset < end && !c.truncated) {
            *place = here;
            return position;
        }
    }
    return NOWHERE;
}

ptm_position
ptm_linetable_find(const uint8_t *table, size_t len, int firstlineno, int offset)
{
    ptm_linetable_place start = {0, 0, firstlineno};
    return ptm_linetable_find_on(table, len, &start, offset);
}
