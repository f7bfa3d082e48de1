/* SPDX-License-Identifier: MIT
 *
 * gzip - bytes folded and unfolded at once, by libdeflate: half of zlib's time for a snapshot.
 *
 * Format    RFC 1952, one member
 */
#include "py/state.h"

#include <libdeflate.h>

#include "base/ptm_array.h"

#define PTM_GZIP_LEAST_BYTES 18 /* a header of 10, a trailer of 8: the checksum, then the length */

/* Into `out`, which has room. */
static size_t
fold_without_gil(struct libdeflate_compressor *folder, const void *data, size_t len, PyObject *out)
{
    size_t folded;
    char *to = PyBytes_AS_STRING(out);
    size_t room = (size_t)PyBytes_GET_SIZE(out);
    Py_BEGIN_ALLOW_THREADS
    folded = libdeflate_gzip_compress(folder, data, len, to, room);
    Py_END_ALLOW_THREADS
    return folded;
}

static PyObject *
fold(struct libdeflate_compressor *folder, const void *data, size_t len)
{
    size_t bound = libdeflate_gzip_compress_bound(folder, len);
    PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bound);
    if (out != NULL) {
        size_t folded = fold_without_gil(folder, data, len, out);
        ptm_assert(folded != 0);
        _PyBytes_Resize(&out, (Py_ssize_t)folded);
    }
    return out;
}

PyObject *
ptm_gzip_fold(const void *data, size_t len, int level)
{
    struct libdeflate_compressor *folder = libdeflate_alloc_compressor(level);
    PyObject *out = folder == NULL ? PyErr_NoMemory() : fold(folder, data, len);
    libdeflate_free_compressor(folder);
    return out;
}

/* How many bytes the trailer claims, modulo 2^32. */
static size_t
claimed_bytes(const uint8_t *end)
{
    return (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
}

/* Whether all of `data` is one sound member that fills `out`. */
static bool
unfolds_into(const Py_buffer *data, uint8_t *out, size_t room)
{
    enum libdeflate_result result = LIBDEFLATE_BAD_DATA;
    size_t used = 0, filled = 0;
    struct libdeflate_decompressor *unfolder = libdeflate_alloc_decompressor();
    if (unfolder == NULL) {
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    result = libdeflate_gzip_decompress_ex(unfolder, data->buf, (size_t)data->len, out, room, &used,
                                           &filled);
    Py_END_ALLOW_THREADS
    libdeflate_free_decompressor(unfolder);
    return result == LIBDEFLATE_SUCCESS && used == (size_t)data->len && filled == room;
}

uint8_t *
ptm_gzip_unfold(const Py_buffer *data, size_t most, size_t *len)
{
    const uint8_t *bytes = data->buf;
    if (data->len < PTM_GZIP_LEAST_BYTES || bytes[0] != 0x1f || bytes[1] != 0x8b) {
        return NULL;
    }
    *len = claimed_bytes(bytes + data->len);
    uint8_t *out = *len > most ? NULL : ptm_array_new(*len, 1);
    if (out != NULL && !unfolds_into(data, out, *len)) {
        ptm_array_free(out);
        out = NULL;
    }
    return out;
}
