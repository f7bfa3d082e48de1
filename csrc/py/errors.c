/* SPDX-License-Identifier: MIT
 *
 * errors - the one place where the core's error codes become exceptions.
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
    case PTM_EFORMAT:
        PyErr_SetString(PyExc_ValueError, "not a snapshot");
        return NULL;
    case PTM_EUNSUPPORTED:
        PyErr_SetString(PyExc_RuntimeError, "this interpreter cannot be traced");
        return NULL;
    default:
        PyErr_Format(PyExc_SystemError, "unexpected result %d of the core", (int)err);
        return NULL;
    }
}
