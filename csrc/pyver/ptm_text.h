/* SPDX-License-Identifier: MIT
 *
 * ptm_text - the names of a code object as UTF-8, read as plain memory.
 *
 * Threads   strings are immutable and owned by the code object: any thread that knows the code
 *           object to live
 * Failure   none. Lone surrogates become three bytes each ("surrogatepass").
 */
#ifndef PTM_TEXT_H
#define PTM_TEXT_H

#include <Python.h>

#include "base/ptm_base.h"

size_t ptm_text_utf8_len(PyObject *str);
void ptm_text_utf8_put(PyObject *str, char *out); /* writes exactly ptm_text_utf8_len bytes */

#endif
