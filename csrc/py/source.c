/* SPDX-License-Identifier: MIT
 *
 * source - the columns behind a snapshot, made for the moment if its traces are a list.
 */
#include "py/state.h"

/* Of the snapshot, as far as it is a limit. */
static uint32_t
limit_of(PyObject *snapshot)
{
    PyObject *value = ptm_get_attr(snapshot, "traceback_limit");
    long limit = value != NULL && PyLong_Check(value) ? PyLong_AsLong(value) : 1;
    Py_XDECREF(value);
    PyErr_Clear();
    return limit < 1 || limit > PTM_NFRAME_MAX ? 1 : (uint32_t)limit;
}

int
ptm_source_init(ptm_source *source, ptm_face *face, PyObject *snapshot)
{
    *source = (ptm_source){NULL, PTM_METRIC_LIVE, NULL};
    PyObject *traces = ptm_get_attr(snapshot, "traces");
    if (traces == NULL) {
        return -1;
    }
    ptm_view *view = ptm_traces_view(face, traces, &source->metric);
    if (view != NULL) {
        source->view = ptm_view_incref(view);
    }
    else {
        source->metric = PTM_METRIC_LIVE;
        source->raw = ptm_get_attr(traces, "_traces");
        source->view =
            source->raw == NULL ? NULL : ptm_view_of_raw(source->raw, limit_of(snapshot));
    }
    Py_DECREF(traces);
    if (source->view == NULL) {
        ptm_source_fini(source);
        return -1;
    }
    return 0;
}

void
ptm_source_fini(ptm_source *source)
{
    ptm_view_decref(source->view);
    Py_XDECREF(source->raw);
    *source = (ptm_source){NULL, PTM_METRIC_LIVE, NULL};
}
