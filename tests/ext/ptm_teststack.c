/* SPDX-License-Identifier: MIT
 *
 * ptm_teststack - calls with a stack of their own.
 *
 *   apart(function) -> what it returns    as if called by nobody, as greenlets begin: its frame is
 *                                         the oldest one, and the counter of frames goes on
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ptm_test_module.h"

#if PY_VERSION_HEX >= 0x030D0000
#define TOP(tstate) ((tstate)->current_frame)
#else
#define TOP(tstate) ((tstate)->cframe->current_frame)
#endif

#if PY_VERSION_HEX >= 0x030F0000
#define BOTTOM(tstate) ((tstate)->base_frame)
#else
#define BOTTOM(tstate) NULL
#endif

static PyObject *
test_apart(PyObject *module, PyObject *function)
{
    (void)module;
    PyThreadState *tstate = PyThreadState_Get();
    struct _PyInterpreterFrame *top = TOP(tstate);
    TOP(tstate) = BOTTOM(tstate);
    PyObject *result = PyObject_CallNoArgs(function);
    TOP(tstate) = top;
    return result;
}

static PyMethodDef methods[] = {
    {"apart", test_apart, METH_O, "apart(function)"},
    {NULL, NULL, 0, NULL},
};

PTM_TEST_MODULE(ptm_teststack, "Calls with a stack of their own.")
