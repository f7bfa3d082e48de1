/* SPDX-License-Identifier: MIT */
#include "format/ptm_format_text.h"

#include <string.h>

#define SURROGATE_FIRST 0xd800u
#define SURROGATE_LAST 0xdfffu
#define SURROGATE_OF_BYTE 0xdc00u /* + the byte, as surrogateescape */

/* Bytes of the character at `text`, a surrogate in three bytes included; 0: it is none. */
static size_t
character_bytes(const uint8_t *text, size_t len)
{
    uint8_t lead = text[0];
    size_t n = lead < 0x80   ? 1
               : lead < 0xc2 ? 0
               : lead < 0xe0 ? 2
               : lead < 0xf0 ? 3
               : lead < 0xf5 ? 4
                             : 0;
    if (n == 0 || n > len) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (lead == 0xe0 && text[1] < 0xa0) || (lead == 0xf0 && text[1] < 0x90);
    bool beyond = lead == 0xf4 && text[1] >= 0x90;
    return overlong || beyond ? 0 : n;
}

static bool
is_surrogate(const uint8_t *text, size_t n)
{
    return n == 3 && text[0] == 0xed && text[1] >= 0xa0;
}

static void
put_surrogate(ptm_buf *out, uint32_t unit)
{
    uint8_t bytes[3] = {(uint8_t)(0xe0 | unit >> 12), (uint8_t)(0x80 | (unit >> 6 & 0x3f)),
                        (uint8_t)(0x80 | (unit & 0x3f))};
    ptm_buf_put(out, bytes, sizeof(bytes));
}

static void
put_escape(ptm_buf *out, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    char bytes[6] = {
        '\\', 'u', hex[unit >> 12], hex[unit >> 8 & 0xf], hex[unit >> 4 & 0xf], hex[unit & 0xf]};
    ptm_buf_put(out, bytes, sizeof(bytes));
}

static int
hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The unit of a backslash, u and four small hex digits at `text`, or -1. */
static int32_t
escaped_unit(const uint8_t *text, size_t len)
{
    int32_t unit = 0;
    if (len < 6 || text[0] != '\\' || text[1] != 'u') {
        return -1;
    }
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Puts what needs no look, ASCII without a backslash; returns where something else begins. */
static const uint8_t *
put_plain(const uint8_t *at, const uint8_t *end, ptm_buf *out)
{
    const uint8_t *begin = at;
    while (at < end && *at < 0x80 && *at != '\\') {
        at++;
    }
    ptm_buf_put(out, begin, (size_t)(at - begin));
    return at;
}

void
ptm_format_escape(const char *text, size_t len, ptm_buf *out)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    while ((at = put_plain(at, end, out)) < end) {
        size_t n = character_bytes(at, (size_t)(end - at));
        if (n == 0) {
            put_escape(out, SURROGATE_OF_BYTE + *at);
        }
        else if (is_surrogate(at, n)) {
            put_escape(out, (uint32_t)(0xd000 | (at[1] & 0x3f) << 6 | (at[2] & 0x3f)));
        }
        else if (escaped_unit(at, (size_t)(end - at)) >= 0) {
            put_escape(out, '\\');
        }
        else {
            ptm_buf_put(out, at, n);
        }
        at += n == 0 ? 1 : n;
    }
}

/* The character at `at`, or the surrogate of a byte that is none; returns how many bytes that
 * were. */
static size_t
put_clean_character(const uint8_t *at, size_t len, ptm_buf *out)
{
    size_t n = character_bytes(at, len);
    if (n == 0 || is_surrogate(at, n)) {
        put_surrogate(out, SURROGATE_OF_BYTE + *at);
        return 1;
    }
    ptm_buf_put(out, at, n);
    return n;
}

void
ptm_format_unescape(const char *text, size_t len, ptm_buf *out)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    while ((at = put_plain(at, end, out)) < end) {
        int32_t unit = escaped_unit(at, (size_t)(end - at));
        if (unit >= (int32_t)SURROGATE_FIRST && unit <= (int32_t)SURROGATE_LAST) {
            put_surrogate(out, (uint32_t)unit);
            at += 6;
        }
        else if (unit == '\\') {
            ptm_buf_put_byte(out, '\\');
            at += 6;
        }
        else {
            at += put_clean_character(at, (size_t)(end - at), out);
        }
    }
}

bool
ptm_format_is_text(const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    while (at < end) {
        size_t n = character_bytes(at, (size_t)(end - at));
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

void
ptm_format_clean(const char *text, size_t len, ptm_buf *out)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + len;
    while (at < end) {
        at += put_clean_character(at, (size_t)(end - at), out);
    }
}
