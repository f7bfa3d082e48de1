/* SPDX-License-Identifier: MIT
 *
 * gzip - bytes folded and unfolded at once, by libdeflate: half of zlib's time for a snapshot.
 *
 * Format    RFC 1952, one member
 */
#include "py/state.h"

#include <libdeflate.h>

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
claimed_bytes(const Py_buffer *data)
{
    const uint8_t *end = (const uint8_t *)data->buf + data->len;
    return (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
}

/* Whether all of `data` is one sound member that fills `out`. */
static bool
unfolds_into(struct libdeflate_decompressor *unfolder, const Py_buffer *data, PyObject *out)
{
    enum libdeflate_result result;
    size_t used = 0;
    char *to = PyBytes_AS_STRING(out);
    size_t room = (size_t)PyBytes_GET_SIZE(out), filled = 0;
    Py_BEGIN_ALLOW_THREADS
    result = libdeflate_gzip_decompress_ex(unfolder, data->buf, (size_t)data->len, to, room, &used,
                                           &filled);
    Py_END_ALLOW_THREADS
    return result == LIBDEFLATE_SUCCESS && used == (size_t)data->len && filled == room;
}

/* What `data` unfolds to; None if it is not what its end claims. */
static PyObject *
unfold(const Py_buffer *data)
{
    struct libdeflate_decompressor *unfolder = libdeflate_alloc_decompressor();
    if (unfolder == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)claimed_bytes(data));
    if (out != NULL && !unfolds_into(unfolder, data, out)) {
        Py_SETREF(out, Py_NewRef(Py_None));
    }
    libdeflate_free_decompressor(unfolder);
    return out;
}

/* _unfold(data, most) -> bytes, or None unless data is one whole gzip member that says it unfolds
 * to at most `most` bytes, and does: what else there is, and what is wrong, is for zlib to tell. */
PyObject *
ptm_gzip_unfold(PyObject *module, PyObject *args)
{
    Py_buffer data;
    Py_ssize_t most;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*n:_unfold", &data, &most)) {
        return NULL;
    }
    bool can = data.len >= PTM_GZIP_LEAST_BYTES && (Py_ssize_t)claimed_bytes(&data) <= most;
    PyObject *out = can ? unfold(&data) : Py_NewRef(Py_None);
    PyBuffer_Release(&data);
    return out;
}
