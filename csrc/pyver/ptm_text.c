/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_text.h"

#include <string.h>

static size_t
utf8_len_of(Py_UCS4 c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

size_t
ptm_text_utf8_len(PyObject *str)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(str);
    if (PyUnicode_IS_ASCII(str)) {
        return (size_t)n;
    }
    size_t len = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        len += utf8_len_of(PyUnicode_READ_CHAR(str, i));
    }
    return len;
}

static char *
put_char(char *out, Py_UCS4 c)
{
    size_t len = utf8_len_of(c);
    static const unsigned char heads[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6) {
        out[i] = (char)(0x80 | (c & 0x3f));
    }
    out[0] = (char)(heads[len] | c);
    return out + len;
}

void
ptm_text_utf8_put(PyObject *str, char *out)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(str);
    if (PyUnicode_IS_ASCII(str)) {
        memcpy(out, PyUnicode_1BYTE_DATA(str), (size_t)n);
        return;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        out = put_char(out, PyUnicode_READ_CHAR(str, i));
    }
}
