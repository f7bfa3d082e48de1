/* SPDX-License-Identifier: MIT
 *
 * ptm_buf - growable bytes, with the varints of protobuf.
 *
 * Owns      one array (cold path only: never used under a hook)
 * Threads   one user
 * Failure   a buffer that could not grow stays failed (`failed`), keeps what it had, and ignores
 *           what follows: write everything, then ask once
 */
#ifndef PTM_BUF_H
#define PTM_BUF_H

#include "base/ptm_base.h"

typedef struct {
    uint8_t *data;
    size_t len, capacity; /* bytes */
    bool failed;
} ptm_buf;

void ptm_buf_init(ptm_buf *buf);
void ptm_buf_fini(ptm_buf *buf);
void ptm_buf_put(ptm_buf *buf, const void *bytes, size_t len);
void ptm_buf_put_byte(ptm_buf *buf, uint8_t byte);
/* Slowly: room for `more` bytes, or false. */
bool ptm_buf_grow(ptm_buf *buf, size_t more);

static inline bool
ptm_buf_reserve(ptm_buf *buf, size_t more)
{
    return PTM_LIKELY(more <= buf->capacity - buf->len && !buf->failed) || ptm_buf_grow(buf, more);
}

#define PTM_VARINT_BYTES 10 /* the longest */

/* Written at `at`, where there is room; what is behind it. */
static inline uint8_t *
ptm_varint_at(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static inline size_t
ptm_varint_bytes(uint64_t value)
{
    return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

static inline void
ptm_buf_put_varint(ptm_buf *buf, uint64_t value)
{
    if (ptm_buf_reserve(buf, PTM_VARINT_BYTES)) {
        buf->len = (size_t)(ptm_varint_at(buf->data + buf->len, value) - buf->data);
    }
}

#endif
