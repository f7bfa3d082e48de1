/* SPDX-License-Identifier: MIT
 *
 * late - the stdlib face's own functions, which look up what they call in the globals of stdlib.py:
 * whoever puts another `is_tracing` there, a test or a wrapper, is heard, as in the standard
 * library.
 */
#include "py/state.h"

#include "trace/ptm_tracer.h"

static bool
is_ours(PyObject *function, PyCFunction ours)
{
    return PyCFunction_Check(function) && PyCFunction_GET_FUNCTION(function) == ours;
}

/* What somebody has put in the place of one of our functions; NULL without an exception if nobody
 * has, see `failed`. */
static PyObject *
replacement(ptm_face *face, const char *name, PyCFunction ours, bool *failed)
{
    PyObject *function = ptm_face_is_main(face) ? NULL : ptm_face_lookup(face, name);
    *failed = function == NULL && !ptm_face_is_main(face);
    if (function != NULL && is_ours(function, ours)) {
        Py_CLEAR(function);
    }
    return function;
}

typedef struct {
    PyObject *is_tracing, *get_traces, *get_limit, *snapshot;
} late_names;

static void
late_names_fini(late_names *late)
{
    Py_XDECREF(late->is_tracing);
    Py_XDECREF(late->get_traces);
    Py_XDECREF(late->get_limit);
    Py_XDECREF(late->snapshot);
}

static int
late_names_init(late_names *late, ptm_face *face)
{
    late->is_tracing = ptm_face_lookup(face, "is_tracing");
    late->get_traces = late->is_tracing == NULL ? NULL : ptm_face_lookup(face, "_get_traces");
    late->get_limit =
        late->get_traces == NULL ? NULL : ptm_face_lookup(face, "get_traceback_limit");
    late->snapshot = late->get_limit == NULL ? NULL : ptm_face_lookup(face, "Snapshot");
    if (late->snapshot == NULL) {
        late_names_fini(late);
        return -1;
    }
    return 0;
}

static PyObject *
snapshot_by_calls(const late_names *late)
{
    int on = ptm_truth_and_drop(PyObject_CallNoArgs(late->is_tracing));
    if (on <= 0) {
        return on < 0 ? NULL : ptm_raise(PTM_ESTATE);
    }
    PyObject *traces = PyObject_CallNoArgs(late->get_traces);
    PyObject *limit = traces == NULL ? NULL : PyObject_CallNoArgs(late->get_limit);
    PyObject *snapshot =
        limit == NULL ? NULL : PyObject_CallFunctionObjArgs(late->snapshot, traces, limit, NULL);
    Py_XDECREF(limit);
    Py_XDECREF(traces);
    return snapshot;
}

static PyObject *
late_take_snapshot(PyObject *module, PyObject *unused)
{
    (void)unused;
    ptm_face *face = PyModule_GetState(module);
    late_names late = {NULL, NULL, NULL, NULL};
    if (late_names_init(&late, face) < 0) {
        return NULL;
    }
    PyObject *snapshot = NULL;
    if (is_ours(late.is_tracing, ptm_engine_is_tracing)
        && is_ours(late.get_traces, ptm_engine_get_traces)
        && is_ours(late.get_limit, ptm_engine_get_traceback_limit)
        && late.snapshot == (PyObject *)face->snapshot) {
        ptm_view *view = ptm_view_taken_now(face);
        snapshot = view == NULL ? NULL : ptm_snapshot_of_view(face, view, PTM_METRIC_LIVE);
        ptm_view_decref(view);
    }
    else {
        snapshot = snapshot_by_calls(&late);
    }
    late_names_fini(&late);
    return snapshot;
}

static PyObject *
late_get_object_traceback(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"obj", NULL};
    PyObject *obj;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:get_object_traceback", names, &obj)) {
        return NULL;
    }
    ptm_face *face = PyModule_GetState(module);
    PyObject *function = ptm_face_lookup(face, "_get_object_traceback");
    PyObject *frames = function == NULL ? NULL : PyObject_CallOneArg(function, obj);
    Py_XDECREF(function);
    if (frames == NULL || frames == Py_None) {
        return frames;
    }
    PyObject *cls = ptm_face_lookup(face, "Traceback");
    PyObject *tb = cls == NULL ? NULL : PyObject_CallOneArg(cls, frames);
    Py_XDECREF(cls);
    Py_DECREF(frames);
    return tb;
}

static PyObject *
late_format_size(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"size", "sign", NULL};
    (void)module;
    PyObject *size;
    int sign;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Op:_format_size", names, &size, &sign)) {
        return NULL;
    }
    return ptm_text_size(size, sign != 0);
}

PyObject *
ptm_late_size(ptm_face *face, PyObject *size, bool with_sign)
{
    bool failed;
    PyCFunction ours = (PyCFunction)(void (*)(void))late_format_size;
    PyObject *function = replacement(face, "_format_size", ours, &failed);
    if (function == NULL) {
        return failed ? NULL : ptm_text_size(size, with_sign);
    }
    PyObject *sign = with_sign ? Py_True : Py_False;
    PyObject *text = PyObject_CallFunctionObjArgs(function, size, sign, NULL);
    Py_DECREF(function);
    return text;
}

static PyObject *
late_normalize_filename(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"filename", NULL};
    PyObject *filename;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:_normalize_filename", names, &filename)) {
        return NULL;
    }
    return ptm_text_filename(PyModule_GetState(module), filename);
}

PyObject *
ptm_late_filename(ptm_face *face, PyObject *filename)
{
    bool failed;
    PyCFunction ours = (PyCFunction)(void (*)(void))late_normalize_filename;
    PyObject *function = replacement(face, "_normalize_filename", ours, &failed);
    if (function == NULL) {
        return failed ? NULL : ptm_text_filename(face, filename);
    }
    PyObject *name = PyObject_CallOneArg(function, filename);
    Py_DECREF(function);
    return name;
}

PyMethodDef ptm_stdlib_functions[] = {
    {"take_snapshot", late_take_snapshot, METH_NOARGS,
     PyDoc_STR(
         "take_snapshot()\n--\n\nTake a snapshot of traces of memory blocks allocated by Python.")},
    {"get_object_traceback", PTM_KEYWORDS(late_get_object_traceback),
     PyDoc_STR("get_object_traceback(obj)\n--\n\n"
               "Get the traceback where the Python object *obj* was allocated.\n"
               "Return a Traceback instance.\n\n"
               "Return None if the tracemalloc module is not tracing memory allocations or\n"
               "did not trace the allocation of the object.")},
    {"_format_size", PTM_KEYWORDS(late_format_size), PyDoc_STR("_format_size(size, sign)\n--\n\n")},
    {"_normalize_filename", PTM_KEYWORDS(late_normalize_filename),
     PyDoc_STR("_normalize_filename(filename)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};
