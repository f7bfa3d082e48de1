/* SPDX-License-Identifier: MIT
 *
 * raw - a list of raw traces, as `_get_traces()` gives them or a pickle held them, as columns.
 *
 * One site for each trace, in the list's order, so that a mask over sites is a mask over the list.
 * What such a list does not tell counts as nothing happened: each block is alive at the end and at
 * the peak, and was allocated once. The snapshot says that it lacks these counts.
 */
#include "py/state.h"

typedef struct {
    ptm_snap_builder *builder;
    PyObject *frame_ids; /* dict: raw frame -> frame id */
    PyObject *stack_ids; /* dict: tuple of raw frames -> stack id */
} conversion;

/* An id kept in a dict, or -1; -2 with an exception. */
static long
known_id(PyObject *ids, PyObject *key)
{
    PyObject *id = PyDict_GetItemWithError(ids, key);
    if (id == NULL) {
        return PyErr_Occurred() ? -2 : -1;
    }
    return PyLong_AsLong(id);
}

static int
remember_id(PyObject *ids, PyObject *key, uint32_t id)
{
    PyObject *number = PyLong_FromUnsignedLong(id);
    int failed = number == NULL ? -1 : PyDict_SetItem(ids, key, number);
    Py_XDECREF(number);
    return failed;
}

static int
int_in_range(PyObject *value, const char *what, long long max, long long *out)
{
    int overflow = 0;
    *out = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (*out == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow != 0 || *out < 0 || *out > max) {
        PyErr_Format(PyExc_OverflowError, "%s of a trace must be in range [0; %lld], not %R", what,
                     max, value);
        return -1;
    }
    return 0;
}

static int
build_file(conversion *c, PyObject *filename, ptm_str_id *out)
{
    if (!PyUnicode_Check(filename)) {
        PyErr_Format(PyExc_TypeError, "the file name of a frame must be a str, not %.200s",
                     Py_TYPE(filename)->tp_name);
        return -1;
    }
    PyObject *utf8 = PyUnicode_AsEncodedString(filename, "utf-8", "surrogatepass");
    if (utf8 == NULL) {
        return -1;
    }
    *out =
        ptm_snap_build_string(c->builder, PyBytes_AS_STRING(utf8), (size_t)PyBytes_GET_SIZE(utf8));
    Py_DECREF(utf8);
    return 0;
}

PyObject *
ptm_raw_frame_parts(PyObject *frame)
{
    PyObject *pair = PySequence_Tuple(frame);
    if (pair != NULL && PyTuple_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_ValueError, "a frame must be (filename, lineno), not %R", frame);
        Py_CLEAR(pair);
    }
    return pair;
}

static int
build_frame(conversion *c, PyObject *raw, ptm_frame_id *out)
{
    long known = known_id(c->frame_ids, raw);
    if (known != -1) {
        *out = (ptm_frame_id)known;
        return known < 0 ? -1 : 0;
    }
    PyObject *pair = ptm_raw_frame_parts(raw);
    long long lineno = 0;
    ptm_snap_frame frame = {.name = PTM_SNAP_NONE, .end_lineno = -1, .colno = -1, .end_colno = -1};
    int failed = pair == NULL || build_file(c, PyTuple_GET_ITEM(pair, 0), &frame.file) < 0
                 || int_in_range(PyTuple_GET_ITEM(pair, 1), "the line", INT32_MAX, &lineno) < 0;
    Py_XDECREF(pair);
    if (failed) {
        return -1;
    }
    frame.lineno = (int32_t)lineno;
    *out = ptm_snap_build_frame(c->builder, &frame);
    return remember_id(c->frame_ids, raw, *out);
}

static int
build_frames(conversion *c, PyObject *frames, ptm_stack_id *out)
{
    *out = 0;
    for (Py_ssize_t i = PyTuple_GET_SIZE(frames); i-- > 0;) {
        ptm_frame_id frame;
        if (build_frame(c, PyTuple_GET_ITEM(frames, i), &frame) < 0) {
            return -1;
        }
        *out = ptm_snap_build_stack(c->builder, *out, frame);
    }
    return 0;
}

static int
build_stack(conversion *c, PyObject *raw, ptm_stack_id *out)
{
    long known = known_id(c->stack_ids, raw);
    if (known != -1) {
        *out = (ptm_stack_id)known;
        return known < 0 ? -1 : 0;
    }
    PyObject *frames = PySequence_Tuple(raw);
    if (frames != NULL && PyTuple_GET_SIZE(frames) == 0) {
        Py_SETREF(frames, Py_BuildValue("((si))", "<unknown>", 0));
    }
    int failed = frames == NULL ? -1 : build_frames(c, frames, out);
    Py_XDECREF(frames);
    return failed < 0 ? -1 : remember_id(c->stack_ids, raw, *out);
}

static int
build_site(conversion *c, PyObject *parts)
{
    long long domain, size, depth = 0;
    PyObject *total = PyTuple_GET_ITEM(parts, 3);
    ptm_snap_site site = {.live = 1, .peak = 1, .allocated = 1};
    if (int_in_range(PyTuple_GET_ITEM(parts, 0), "the domain", UINT32_MAX, &domain) < 0
        || int_in_range(PyTuple_GET_ITEM(parts, 1), "the size", INT64_MAX, &size) < 0
        || (total != Py_None && int_in_range(total, "total_nframe", INT64_MAX, &depth) < 0)
        || build_stack(c, PyTuple_GET_ITEM(parts, 2), &site.stack) < 0) {
        return -1;
    }
    site.domain = (uint32_t)domain;
    site.size = (uint64_t)size;
    site.allocated_bytes = site.size;
    site.depth = depth > PTM_NFRAME_MAX ? PTM_NFRAME_MAX : (uint32_t)depth;
    ptm_snap_build_site(c->builder, &site);
    return 0;
}

/* As the interpreter says it that unpacks such a thing. */
static void
raise_too_many(PyObject *trace, Py_ssize_t n)
{
    if (PTM_TELLS_HOW_MANY
        && (PyTuple_CheckExact(trace) || PyList_CheckExact(trace) || PyDict_CheckExact(trace))) {
        PyErr_Format(PyExc_ValueError, "too many values to unpack (expected 4, got %zd)", n);
    }
    else {
        PyErr_SetString(PyExc_ValueError, "too many values to unpack (expected 4)");
    }
}

PyObject *
ptm_raw_trace_parts(PyObject *trace)
{
    PyObject *parts = PySequence_Tuple(trace);
    Py_ssize_t n = parts == NULL ? 4 : PyTuple_GET_SIZE(parts);
    if (n < 4) {
        PyErr_Format(PyExc_ValueError, "not enough values to unpack (expected 4, got %zd)", n);
    }
    else if (n > 4) {
        raise_too_many(trace, n);
    }
    if (n != 4) {
        Py_CLEAR(parts);
    }
    return parts;
}

static int
build_sites(conversion *c, PyObject *traces)
{
    PyObject *iterator = PyObject_GetIter(traces), *trace;
    bool failed = iterator == NULL;
    while (!failed && (trace = PyIter_Next(iterator)) != NULL) {
        PyObject *parts = ptm_raw_trace_parts(trace);
        failed = parts == NULL || build_site(c, parts) < 0;
        Py_XDECREF(parts);
        Py_DECREF(trace);
    }
    Py_XDECREF(iterator);
    return failed || PyErr_Occurred() ? -1 : 0;
}

ptm_view *
ptm_view_of_raw(PyObject *traces, uint32_t traceback_limit)
{
    conversion c = {ptm_snap_build_new(traceback_limit), PyDict_New(), PyDict_New()};
    ptm_view *view = NULL;
    if (c.builder == NULL) {
        PyErr_NoMemory();
    }
    else if (c.frame_ids == NULL || c.stack_ids == NULL || build_sites(&c, traces) < 0) {
        ptm_snap_build_free(c.builder);
    }
    else {
        ptm_snap *snap;
        ptm_snap_build_lacks(c.builder, 1u << PTM_METRIC_PEAK | 1u << PTM_METRIC_ALLOCATED
                                            | 1u << PTM_METRIC_FREED);
        ptm_err err = ptm_snap_build_finish(c.builder, &snap);
        view = err == PTM_OK ? ptm_view_new(snap) : (ptm_raise(err), NULL);
    }
    Py_XDECREF(c.frame_ids);
    Py_XDECREF(c.stack_ids);
    return view;
}
