/* SPDX-License-Identifier: MIT
 *
 * functions - the main face's functions: the specification's, the standard library's, and what is
 * ours alone.
 */
#include "py/state.h"

#include "trace/ptm_tracer.h"

static PyObject *
main_start(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"nframe", NULL};
    (void)module;
    PyObject *value = NULL;
    uint32_t nframe = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:start", names, &value)
        || (value != NULL && ptm_nframe_from_object(value, &nframe) < 0)) {
        return NULL;
    }
    return ptm_engine_start_tracing(nframe);
}

static PyObject *
main_get_traceback_limit(PyObject *module, PyObject *unused)
{
    if (!ptm_tracer_is_tracing()) {
        PyErr_SetString(PyExc_RuntimeError, "the tracemalloc module must be tracing memory "
                                            "allocations to get the limit");
        return NULL;
    }
    return ptm_engine_get_traceback_limit(module, unused);
}

static PyObject *
main_get_object_traceback(PyObject *module, PyObject *obj)
{
    ptm_view *view;
    if (ptm_view_of_object(obj, &view) < 0) {
        return NULL;
    }
    if (view == NULL) {
        Py_RETURN_NONE;
    }
    const ptm_snap_site *site = &view->snap->sites[0];
    PyObject *tb = ptm_traceback_of_stack(PyModule_GetState(module), view, site);
    ptm_view_decref(view);
    return tb;
}

/* Nanoseconds since the epoch; 0 with an exception. */
static int64_t
now_nanos(void)
{
    PyObject *time = PyImport_ImportModule("time");
    PyObject *now = time == NULL ? NULL : ptm_call_method(time, "time_ns", NULL, NULL);
    int64_t nanos = now == NULL ? 0 : PyLong_AsLongLong(now);
    Py_XDECREF(now);
    Py_XDECREF(time);
    return nanos;
}

/* Only the main face asks for modules. */
ptm_view *
ptm_view_taken_now(const ptm_face *face)
{
    ptm_snap *snap;
    ptm_err err = ptm_tracer_snapshot(&snap);
    if (err != PTM_OK) {
        ptm_raise(err);
        return NULL;
    }
    if (ptm_face_is_main(face) && ptm_modules_of_sys_path(snap) < 0) {
        ptm_snap_decref(snap);
        return NULL;
    }
    ptm_view *view = ptm_view_new(snap);
    if (view != NULL) {
        view->time_nanos = now_nanos();
        if (PyErr_Occurred()) {
            ptm_view_decref(view);
            return NULL;
        }
    }
    return view;
}

static PyObject *
main_take_snapshot(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"at", NULL};
    PyObject *at = NULL;
    ptm_metric metric = PTM_METRIC_LIVE;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:take_snapshot", names, &at)
        || (at != NULL && ptm_metric_from_object(at, false, &metric) < 0)) {
        return NULL;
    }
    ptm_face *face = PyModule_GetState(module);
    ptm_view *view = ptm_view_taken_now(face);
    PyObject *snapshot = view == NULL ? NULL : ptm_snapshot_of_view(face, view, metric);
    ptm_view_decref(view);
    return snapshot;
}

static PyObject *
main_get_traced_blocks(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    ptm_totals totals = ptm_tracer_totals();
    return ptm_pair_of_counts(totals.current_blocks, totals.peak_blocks);
}

static PyObject *
main_get_lost(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    ptm_totals totals = ptm_tracer_totals();
    return ptm_pair_of_counts(totals.lost_blocks, totals.lost_bytes);
}

PyMethodDef ptm_main_functions[] = {
    {"start", PTM_KEYWORDS(main_start),
     PyDoc_STR("start($module, nframe=1)\n--\n\n"
               "Start tracing Python memory allocations: install hooks on Python memory\n"
               "allocators. Collected tracebacks are limited to nframe frames, 1 to 65535.\n"
               "If they are traced already, nothing changes.")},
    {"stop", ptm_engine_stop, METH_NOARGS,
     PyDoc_STR("stop($module, /)\n--\n\n"
               "Stop tracing Python memory allocations: uninstall the hooks. Also clears all\n"
               "previously collected traces of memory blocks allocated by Python.")},
    {"is_tracing", ptm_engine_is_tracing, METH_NOARGS,
     PyDoc_STR("is_tracing($module, /)\n--\n\nTrue if Python memory allocations are traced, False "
               "otherwise.")},
    {"clear_traces", ptm_engine_clear_traces, METH_NOARGS,
     PyDoc_STR(
         "clear_traces($module, /)\n--\n\nClear traces of memory blocks allocated by Python.")},
    {"reset_peak", ptm_engine_reset_peak, METH_NOARGS,
     PyDoc_STR("reset_peak($module, /)\n--\n\n"
               "Let the peak begin again at what is allocated now. Nothing when not tracing.")},
    {"get_traceback_limit", main_get_traceback_limit, METH_NOARGS,
     PyDoc_STR("get_traceback_limit($module, /)\n--\n\n"
               "Get the maximum number of frames stored in the traceback of a trace.\n"
               "RuntimeError when not tracing.")},
    {"get_traced_memory", ptm_engine_get_traced_memory, METH_NOARGS,
     PyDoc_STR("get_traced_memory($module, /)\n--\n\n"
               "Get the current size and peak size of traced memory blocks, in bytes:\n"
               "(current: int, peak: int).")},
    {"get_traced_blocks", main_get_traced_blocks, METH_NOARGS,
     PyDoc_STR("get_traced_blocks($module, /)\n--\n\n"
               "Get the number of traced memory blocks now and at the peak of their sizes:\n"
               "(current: int, peak: int).")},
    {"get_lost", main_get_lost, METH_NOARGS,
     PyDoc_STR("get_lost($module, /)\n--\n\n"
               "Get what could not be recorded since the start or the last clear_traces(),\n"
               "because the tracer had no memory or must not wait: (blocks: int, bytes: int).")},
    {"get_tracemalloc_memory", ptm_engine_get_tracemalloc_memory, METH_NOARGS,
     PyDoc_STR("get_tracemalloc_memory($module, /)\n--\n\n"
               "Get the memory that the tracer itself uses, in bytes.")},
    {"get_object_traceback", main_get_object_traceback, METH_O,
     PyDoc_STR("get_object_traceback($module, obj, /)\n--\n\n"
               "Get the traceback where the Python object obj was allocated. Return a\n"
               "Traceback, or None if its allocation was not traced.")},
    {"take_snapshot", PTM_KEYWORDS(main_take_snapshot),
     PyDoc_STR("take_snapshot($module, at='end')\n--\n\n"
               "Take a snapshot of traces of memory blocks allocated by Python: of those\n"
               "alive now, or with at='peak' of those alive when most memory was in use.\n"
               "RuntimeError when not tracing.")},
    {NULL, NULL, 0, NULL},
};
