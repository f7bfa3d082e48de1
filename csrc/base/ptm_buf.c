/* SPDX-License-Identifier: MIT */
#include "base/ptm_buf.h"

#include <string.h>

#include "base/ptm_array.h"

void
ptm_buf_init(ptm_buf *buf)
{
    *buf = (ptm_buf){0};
}

void
ptm_buf_fini(ptm_buf *buf)
{
    ptm_array_free(buf->data);
    *buf = (ptm_buf){0};
}

bool
ptm_buf_grow(ptm_buf *buf, size_t more)
{
    size_t needed, capacity;
    if (buf->failed) {
        return false;
    }
    if (__builtin_add_overflow(buf->len, more, &needed) || needed > PTRDIFF_MAX) {
        buf->failed = true;
        return false;
    }
    capacity = buf->capacity + buf->capacity / 2;
    if (capacity < needed) {
        capacity = needed < 64 ? 64 : needed;
    }
    uint8_t *data = ptm_array_resize(buf->data, capacity, 1);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void
ptm_buf_put(ptm_buf *buf, const void *bytes, size_t len)
{
    if (len != 0 && ptm_buf_reserve(buf, len)) {
        memcpy(buf->data + buf->len, bytes, len);
        buf->len += len;
    }
}

void
ptm_buf_put_byte(ptm_buf *buf, uint8_t byte)
{
    if (ptm_buf_reserve(buf, 1)) {
        buf->data[buf->len++] = byte;
    }
}
