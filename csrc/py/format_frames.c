/* SPDX-License-Identifier: MIT
 *
 * format_frames - Traceback.format(): one or two lines a frame, by the standard library's rules.
 */
#include "py/state.h"

/* Appends the one or two lines of a frame. */
static int
format_frame(PyObject *lines, PyObject *linecache, PyObject *filename, PyObject *lineno)
{
    PyObject *head =
        ptm_text_format("  File \"%s\", line %s", Py_BuildValue("(OO)", filename, lineno));
    if (head == NULL || PyList_Append(lines, head) < 0) {
        Py_XDECREF(head);
        return -1;
    }
    Py_DECREF(head);
    PyObject *line = ptm_call_method(linecache, "getline", filename, lineno);
    PyObject *stripped = line == NULL ? NULL : ptm_call_method(line, "strip", NULL, NULL);
    Py_XDECREF(line);
    int result = stripped == NULL ? -1 : PyObject_IsTrue(stripped);
    if (result > 0) {
        PyObject *source = ptm_text_format("    %s", Py_BuildValue("(O)", stripped));
        result = source == NULL ? -1 : PyList_Append(lines, source);
        Py_XDECREF(source);
    }
    Py_XDECREF(stripped);
    return result;
}

/* The standard library's rule on frames from the oldest on: a positive limit keeps the most recent
 * ones, another one cuts as a slice's end does. */
static int
apply_limit(PyObject *limit, Py_ssize_t n, Py_ssize_t *start, Py_ssize_t *stop)
{
    *start = 0;
    *stop = n;
    if (limit == Py_None) {
        return 0;
    }
    PyObject *zero = PyLong_FromLong(0);
    int positive = zero == NULL ? -1 : PyObject_RichCompareBool(limit, zero, Py_GT);
    Py_XDECREF(zero);
    Py_ssize_t wanted = positive < 0 ? -1 : PyNumber_AsSsize_t(limit, NULL);
    if (wanted == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (positive) {
        *start = wanted < n ? n - wanted : 0;
    }
    else {
        *stop = wanted == 0 || -n > wanted ? 0 : n + wanted;
    }
    return 0;
}

static int
format_frames(PyObject *lines, PyObject *frames, PyObject *linecache, Py_ssize_t first,
              Py_ssize_t n, int step)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *raw = PySequence_GetItem(frames, first + i * step);
        PyObject *filename = raw == NULL ? NULL : ptm_item(raw, 0);
        PyObject *lineno = filename == NULL ? NULL : ptm_item(raw, 1);
        int failed = lineno == NULL ? -1 : format_frame(lines, linecache, filename, lineno);
        Py_XDECREF(lineno);
        Py_XDECREF(filename);
        Py_XDECREF(raw);
        if (failed < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
ptm_format_frames(ptm_face *face, PyObject *frames, PyObject *limit, bool most_recent_first)
{
    Py_ssize_t n = PySequence_Size(frames), start, stop;
    if (n < 0 || apply_limit(limit, n, &start, &stop) < 0) {
        return NULL;
    }
    /* start and stop count from the oldest frame; `first` is the place in `frames` of the line
     * printed first. */
    Py_ssize_t first = most_recent_first ? stop - 1 : start;
    int step = most_recent_first ? -1 : 1;
    if (ptm_face_is_main(face)) {
        first = n - 1 - first;
        step = -step;
    }
    PyObject *lines = PyList_New(0);
    PyObject *linecache = lines == NULL ? NULL : ptm_face_lookup_module(face, "linecache");
    if (linecache == NULL
        || format_frames(lines, frames, linecache, first, stop - start, step) < 0) {
        Py_CLEAR(lines);
    }
    Py_XDECREF(linecache);
    return lines;
}
