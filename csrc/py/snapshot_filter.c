/* SPDX-License-Identifier: MIT
 *
 * snapshot_filter - filter_traces(): a new snapshot with the traces that the filters keep.
 */
#include "py/state.h"

#include <stdlib.h>

/* The items of `list` whose byte in `keep` is set. */
static PyObject *
kept_items(PyObject *list, const uint8_t *keep, uint32_t n)
{
    PyObject *kept = PyList_New(0);
    PyObject *items = kept == NULL ? NULL : PySequence_Tuple(list);
    for (Py_ssize_t i = 0; items != NULL && i < PyTuple_GET_SIZE(items) && i < (Py_ssize_t)n; i++) {
        if (keep[i] && PyList_Append(kept, PyTuple_GET_ITEM(items, i)) < 0) {
            Py_CLEAR(items);
        }
    }
    if (items == NULL) {
        Py_CLEAR(kept);
    }
    Py_XDECREF(items);
    return kept;
}

static PyObject *
kept_traces(ptm_face *face, const ptm_source *source, const uint8_t *keep)
{
    if (source->raw != NULL) {
        PyObject *list = kept_items(source->raw, keep, source->view->snap->n_sites);
        PyObject *traces = list == NULL ? NULL : ptm_traces_of_raw(face, list);
        Py_XDECREF(list);
        return traces;
    }
    ptm_snap *snap;
    ptm_err err = ptm_snap_subset(source->view->snap, keep, &snap);
    ptm_view *view = err == PTM_OK ? ptm_view_new(snap) : (ptm_raise(err), NULL);
    PyObject *traces = NULL;
    if (view != NULL) {
        view->time_nanos = source->view->time_nanos;
        traces = ptm_traces_of_view(face, view, source->metric);
    }
    ptm_view_decref(view);
    return traces;
}

/* As the standard library: every trace of the list meets every filter. */
static PyObject *
filter_list(ptm_face *face, PyObject *raw, PyObject *filters)
{
    PyObject *kept = PyList_New(0);
    PyObject *iterator = kept == NULL ? NULL : PyObject_GetIter(raw), *trace;
    bool failed = iterator == NULL;
    while (!failed && (trace = PyIter_Next(iterator)) != NULL) {
        int answer = ptm_filters_match(filters, trace);
        failed = answer < 0 || (answer > 0 && PyList_Append(kept, trace) < 0);
        Py_DECREF(trace);
    }
    Py_XDECREF(iterator);
    PyObject *traces = failed || PyErr_Occurred() ? NULL : ptm_traces_of_raw(face, kept);
    Py_XDECREF(kept);
    return traces;
}

static PyObject *
filter_each_trace(ptm_face *face, const ptm_source *source, PyObject *filters)
{
    PyObject *list = source->raw != NULL ? Py_NewRef(source->raw)
                                         : ptm_traces_list(source->view, source->metric);
    PyObject *traces = list == NULL ? NULL : filter_list(face, list, filters);
    Py_XDECREF(list);
    return traces;
}

/* Filters of other classes: the main face asks once for each site, the stdlib face for each trace.
 */
static PyObject *
filter_source(ptm_face *face, const ptm_source *source, PyObject *filters)
{
    uint8_t *keep = calloc((size_t)source->view->snap->n_sites + 1, 1);
    if (keep == NULL) {
        return PyErr_NoMemory();
    }
    bool asks_sites = source->raw == NULL && ptm_face_is_main(face);
    int done = ptm_filters_compile(face, source->view, filters, asks_sites, keep);
    PyObject *traces = done > 0    ? kept_traces(face, source, keep)
                       : done == 0 ? filter_each_trace(face, source, filters)
                                   : NULL;
    free(keep);
    return traces;
}

/* A list that cannot be made into columns (old dumps, odd types) is filtered as it is. */
static PyObject *
filtered_traces(ptm_face *face, PyObject *self, PyObject *filters)
{
    ptm_source source;
    if (ptm_source_init(&source, face, self) == 0) {
        PyObject *traces = filter_source(face, &source, filters);
        ptm_source_fini(&source);
        return traces;
    }
    PyErr_Clear();
    PyObject *traces = ptm_get_attr(self, "traces");
    PyObject *raw = traces == NULL ? NULL : ptm_get_attr(traces, "_traces");
    PyObject *result = raw == NULL ? NULL : filter_list(face, raw, filters);
    Py_XDECREF(raw);
    Py_XDECREF(traces);
    return result;
}

static PyObject *
copied_traces(ptm_face *face, PyObject *self)
{
    ptm_metric metric;
    PyObject *traces = ptm_get_attr(self, "traces");
    if (traces == NULL) {
        return NULL;
    }
    ptm_view *view = ptm_traces_view(face, traces, &metric);
    PyObject *result = NULL;
    if (view != NULL) {
        result = ptm_traces_of_view(face, view, metric);
    }
    else {
        PyObject *raw = ptm_get_attr(traces, "_traces");
        PyObject *copy = raw == NULL ? NULL : ptm_call_method(raw, "copy", NULL, NULL);
        result = copy == NULL ? NULL : ptm_traces_of_raw(face, copy);
        Py_XDECREF(copy);
        Py_XDECREF(raw);
    }
    Py_DECREF(traces);
    return result;
}

/* Private in the standard library: the rule for one trace and two lists of filters. */
PyObject *
ptm_snapshot_filter_trace(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *include, *exclude, *trace;
    if (!PyArg_ParseTuple(args, "OOO:_filter_trace", &include, &exclude, &trace)) {
        return NULL;
    }
    PyObject *filters = PySequence_List(include);
    PyObject *rest = filters == NULL ? NULL : PySequence_List(exclude);
    Py_ssize_t n = rest == NULL ? 0 : PyList_GET_SIZE(filters);
    int kept = -1;
    if (rest != NULL && PyList_SetSlice(filters, n, n, rest) == 0) {
        kept = ptm_filters_match(filters, trace);
    }
    Py_XDECREF(rest);
    Py_XDECREF(filters);
    return kept < 0 ? NULL : PyBool_FromLong(kept);
}

PyObject *
ptm_snapshot_filter_traces(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"filters", NULL};
    PyObject *filters;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O:filter_traces", names, &filters)) {
        return NULL;
    }
    if (Py_TYPE(filters)->tp_iter == NULL) {
        return PyErr_Format(PyExc_TypeError, "filters must be a list of filters, not %.200s",
                            Py_TYPE(filters)->tp_name);
    }
    int any = PyObject_IsTrue(filters);
    PyObject *list = any < 0 ? NULL : PySequence_List(filters);
    if (list == NULL) {
        return NULL;
    }
    PyObject *traces = any ? filtered_traces(face, self, list) : copied_traces(face, self);
    Py_DECREF(list);
    return traces == NULL ? NULL
                          : ptm_snapshot_new(face, traces, ptm_get_attr(self, "traceback_limit"));
}
