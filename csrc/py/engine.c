/* SPDX-License-Identifier: MIT
 *
 * engine - the ten functions of the C module `_tracemalloc`, with its signatures and words.
 */
#include "py/state.h"
#include "trace/ptm_tracer.h"
#include "trace/ptm_track.h"

int
ptm_nframe_from_object(PyObject *value, uint32_t *out)
{
    int overflow = 0;
    long nframe = PyLong_AsLongAndOverflow(value, &overflow);
    if (nframe == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow != 0 || nframe < INT_MIN || nframe > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
        return -1;
    }
    if (nframe < 1 || nframe > PTM_NFRAME_MAX) {
        PyErr_Format(PyExc_ValueError, "the number of frames must be in range [1; %d]",
                     PTM_NFRAME_MAX);
        return -1;
    }
    *out = (uint32_t)nframe;
    return 0;
}

PyObject *
ptm_engine_start_tracing(uint32_t nframe)
{
    ptm_tracer_start(nframe);
    Py_RETURN_NONE;
}

static PyObject *
engine_start(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    (void)module;
    uint32_t nframe = 1;
    if (n > 1) {
        return PyErr_Format(PyExc_TypeError, "start expected at most 1 argument, got %zd", n);
    }
    if (n == 1 && ptm_nframe_from_object(args[0], &nframe) < 0) {
        return NULL;
    }
    return ptm_engine_start_tracing(nframe);
}

PyObject *
ptm_engine_stop(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    ptm_tracer_stop();
    Py_RETURN_NONE;
}

PyObject *
ptm_engine_is_tracing(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyBool_FromLong(ptm_tracer_is_tracing());
}

PyObject *
ptm_engine_clear_traces(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    ptm_tracer_clear();
    Py_RETURN_NONE;
}

PyObject *
ptm_engine_reset_peak(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    ptm_tracer_reset_peak();
    Py_RETURN_NONE;
}

PyObject *
ptm_engine_get_traceback_limit(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromUnsignedLong(ptm_tracer_limit());
}

PyObject *
ptm_pair_of_counts(uint64_t first, uint64_t second)
{
    PyObject *a = PyLong_FromUnsignedLongLong(first);
    PyObject *b = PyLong_FromUnsignedLongLong(second);
    PyObject *pair = a == NULL || b == NULL ? NULL : PyTuple_New(2);
    if (pair == NULL) {
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, a);
    PyTuple_SET_ITEM(pair, 1, b);
    return pair;
}

PyObject *
ptm_engine_get_traced_memory(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    ptm_totals totals = ptm_tracer_totals();
    return ptm_pair_of_counts(totals.current_bytes, totals.peak_bytes);
}

PyObject *
ptm_engine_get_tracemalloc_memory(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromSize_t(ptm_tracer_memory_bytes());
}

PyObject *
ptm_engine_get_traces(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    ptm_snap *snap;
    if (!ptm_tracer_is_tracing()) {
        return PyList_New(0);
    }
    ptm_err err = ptm_tracer_snapshot(&snap);
    ptm_view *view = err == PTM_OK ? ptm_view_new(snap) : (ptm_raise(err), NULL);
    PyObject *list = view == NULL ? NULL : ptm_traces_list(view, PTM_METRIC_LIVE);
    ptm_view_decref(view);
    return list;
}

/* Of what the tracer found; *out NULL: nothing. */
static int
view_of_found(ptm_err err, ptm_snap *snap, ptm_view **out)
{
    *out = NULL;
    if (err == PTM_ESTATE || (err == PTM_OK && snap == NULL)) {
        return 0;
    }
    *out = err == PTM_OK ? ptm_view_new(snap) : (ptm_raise(err), NULL);
    return *out == NULL ? -1 : 0;
}

int
ptm_view_of_object(PyObject *obj, ptm_view **out)
{
    ptm_snap *snap = NULL;
    ptm_err err = ptm_tracer_find_object(obj, &snap);
    return view_of_found(err, snap, out);
}

/* The frames of a view's one site. Takes the view. */
static PyObject *
frames_of_found(ptm_view *view)
{
    PyObject *frames = Py_XNewRef(ptm_view_stack(view, view->snap->sites[0].stack));
    ptm_view_decref(view);
    return frames;
}

PyObject *
ptm_engine_get_object_traceback(PyObject *module, PyObject *obj)
{
    (void)module;
    ptm_view *view;
    if (ptm_view_of_object(obj, &view) < 0) {
        return NULL;
    }
    return view == NULL ? Py_NewRef(Py_None) : frames_of_found(view);
}

PyObject *
ptm_engine_get_block_traceback(unsigned domain, uintptr_t address)
{
    ptm_view *view;
    ptm_snap *snap = NULL;
    ptm_err err = ptm_tracer_find_block(domain, address, &snap);
    if (view_of_found(err, snap, &view) < 0) {
        return NULL;
    }
    return view == NULL ? ptm_track_ask_core(domain, address) : frames_of_found(view);
}

PyMethodDef ptm_engine_methods[] = {
    {"is_tracing", ptm_engine_is_tracing, METH_NOARGS,
     PyDoc_STR("is_tracing($module, /)\n--\n\n"
               "Return True if the tracemalloc module is tracing Python memory allocations.")},
    {"clear_traces", ptm_engine_clear_traces, METH_NOARGS,
     PyDoc_STR(
         "clear_traces($module, /)\n--\n\nClear traces of memory blocks allocated by Python.")},
    {"_get_traces", ptm_engine_get_traces, METH_NOARGS,
     PyDoc_STR("_get_traces($module, /)\n--\n\n"
               "Get traces of all memory blocks allocated by Python.\n\n"
               "Return a list of (size: int, traceback: tuple) tuples.\n"
               "traceback is a tuple of (filename: str, lineno: int) tuples.\n\n"
               "Return an empty list if the tracemalloc module is disabled.")},
    {"_get_object_traceback", ptm_engine_get_object_traceback, METH_O,
     PyDoc_STR("_get_object_traceback($module, obj, /)\n--\n\n"
               "Get the traceback where the Python object obj was allocated.\n\n"
               "Return a tuple of (filename: str, lineno: int) tuples.\n"
               "Return None if the tracemalloc module is disabled or did not\n"
               "trace the allocation of the object.")},
    {"start", (PyCFunction)(void (*)(void))engine_start, METH_FASTCALL,
     PyDoc_STR("start($module, nframe=1, /)\n--\n\n"
               "Start tracing Python memory allocations.\n\n"
               "Also set the maximum number of frames stored in the traceback of a\n"
               "trace to nframe.")},
    {"stop", ptm_engine_stop, METH_NOARGS,
     PyDoc_STR("stop($module, /)\n--\n\n"
               "Stop tracing Python memory allocations.\n\n"
               "Also clear traces of memory blocks allocated by Python.")},
    {"get_traceback_limit", ptm_engine_get_traceback_limit, METH_NOARGS,
     PyDoc_STR("get_traceback_limit($module, /)\n--\n\n"
               "Get the maximum number of frames stored in the traceback of a trace.\n\n"
               "By default, a trace of an allocated memory block only stores\n"
               "the most recent frame: the limit is 1.")},
    {"get_tracemalloc_memory", ptm_engine_get_tracemalloc_memory, METH_NOARGS,
     PyDoc_STR("get_tracemalloc_memory($module, /)\n--\n\n"
               "Get the memory usage in bytes of the tracemalloc module.\n\n"
               "This memory is used internally to trace memory allocations.")},
    {"get_traced_memory", ptm_engine_get_traced_memory, METH_NOARGS,
     PyDoc_STR("get_traced_memory($module, /)\n--\n\n"
               "Get the current size and peak size of memory blocks traced by tracemalloc.\n\n"
               "Returns a tuple: (current: int, peak: int).")},
    {"reset_peak", ptm_engine_reset_peak, METH_NOARGS,
     PyDoc_STR("reset_peak($module, /)\n--\n\n"
               "Set the peak size of memory blocks traced by tracemalloc to the current size.\n\n"
               "Do nothing if the tracemalloc module is not tracing memory allocations.")},
    {NULL, NULL, 0, NULL},
};
