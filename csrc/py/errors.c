/* SPDX-License-Identifier: MIT
 *
 * errors - the core's error codes as exceptions. What comes with a text of its own is raised where
 * the text is known: PTM_EFORMAT in profile.c, and why the import fails in module.c.
 */
#include "py/state.h"

PyObject *
ptm_raise(ptm_err err)
{
    switch (err) {
    case PTM_ENOMEM:
        return PyErr_NoMemory();
    case PTM_ESTATE:
        PyErr_SetString(PyExc_RuntimeError, "the tracemalloc module must be tracing memory "
                                            "allocations to take a snapshot");
        return NULL;
    case PTM_ERANGE:
        PyErr_Format(PyExc_OverflowError,
                     "what these statistics count has more than %lld bytes or blocks",
                     (long long)INT64_MAX);
        return NULL;
    default:
        PyErr_Format(PyExc_SystemError, "unexpected result %d of the core", (int)err);
        return NULL;
    }
}
