/* SPDX-License-Identifier: MIT
 *
 * process_end - what `_session` asks of the system for the end of a process: that a SIGTERM is not
 * lost, and that there is room left to report.
 */
#include <limits.h>

#include "os/ptm_insist.h"
#include "os/ptm_reserve.h"
#include "py/state.h"

#define PTM_CALLING(FUNCTION)                                  \
    static PyObject *core_##FUNCTION(PyObject *m, PyObject *u) \
    {                                                          \
        (void)m, (void)u;                                      \
        ptm_##FUNCTION();                                      \
        Py_RETURN_NONE;                                        \
    }

PTM_CALLING(insist)
PTM_CALLING(insist_in_child)
PTM_CALLING(insist_heard)
PTM_CALLING(insist_hold)
PTM_CALLING(insist_let)
PTM_CALLING(reserve_hold)
PTM_CALLING(reserve_give)

#define ROOM 1000 /* frames */

static int
raised(int limit)
{
    return limit > INT_MAX - ROOM ? INT_MAX : limit + ROOM;
}

/* By the C function: sys.setrecursionlimit() would refuse the old limit where a signal came that
 * deep. The exception of another signal's handler, which the call would begin with, is dropped, and
 * nobody who follows the program (sys.settrace, sys.monitoring) hears of it. */
static PyObject *
core_with_room(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    (void)module;
    if (n < 1) {
        PyErr_SetString(PyExc_TypeError, "_with_room needs a function to call");
        return NULL;
    }
    PyThreadState *tstate = PyThreadState_Get();
    int limit = Py_GetRecursionLimit();
    Py_SetRecursionLimit(raised(limit));
    PyThreadState_EnterTracing(tstate);
    if (PyErr_CheckSignals() < 0) {
        PyErr_Clear();
    }
    PyObject *result = PyObject_Vectorcall(args[0], args + 1, (size_t)n - 1, NULL);
    PyThreadState_LeaveTracing(tstate);
    Py_SetRecursionLimit(limit);
    return result;
}

PyMethodDef ptm_process_end_functions[] = {
    {"_insist_on_sigterm", core_insist, METH_NOARGS,
     PyDoc_STR("_insist_on_sigterm($module, /)\n--\n\n"
               "A SIGTERM for the handler in force is sent again until it was heard.")},
    {"_insist_on_sigterm_in_child", core_insist_in_child, METH_NOARGS,
     PyDoc_STR("_insist_on_sigterm_in_child($module, /)\n--\n\n"
               "After a fork, if the handler is still the one that was in force.")},
    {"_heard_sigterm", core_insist_heard, METH_NOARGS,
     PyDoc_STR("_heard_sigterm($module, /)\n--\n\nIt need not be sent again.")},
    {"_hold_sigterm", core_insist_hold, METH_NOARGS,
     PyDoc_STR("_hold_sigterm($module, /)\n--\n\nBefore a fork: it waits.")},
    {"_let_sigterm", core_insist_let, METH_NOARGS,
     PyDoc_STR("_let_sigterm($module, /)\n--\n\nAfter it, in both: it may come.")},
    {"_hold_reserve", core_reserve_hold, METH_NOARGS,
     PyDoc_STR("_hold_reserve($module, /)\n--\n\n"
               "Keeps address space back for the end of the process.")},
    {"_give_reserve", core_reserve_give, METH_NOARGS,
     PyDoc_STR("_give_reserve($module, /)\n--\n\n"
               "Gives it back, and raises the soft limits of memory and open files.")},
    {"_with_room", (PyCFunction)(void (*)(void))core_with_room, METH_FASTCALL,
     PyDoc_STR("_with_room($module, function, /, *args)\n--\n\n"
               "Calls it with a thousand frames more than the limit of recursion, unseen by what\n"
               "follows the program, and without the exception of a signal that is waiting.")},
    {NULL, NULL, 0, NULL},
};
