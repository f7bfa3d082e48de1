/* SPDX-License-Identifier: MIT
 *
 * filter_match - what a filter says of one raw trace, which tells files and lines and no functions
 * or modules: `_match` and its parts, by the standard library's rules. Each part is asked as a
 * method, since a subclass may have its own.
 *
 * Answers that are an int are 1, 0, or -1 error.
 */
#include "py/state.h"

static int
attribute_equals(PyObject *self, const char *name, PyObject *value)
{
    PyObject *attribute = ptm_get_attr(self, name);
    int same = attribute == NULL ? -1 : PyObject_RichCompareBool(value, attribute, Py_EQ);
    Py_XDECREF(attribute);
    return same;
}

static PyObject *
bool_or_error(int answer)
{
    return answer < 0 ? NULL : PyBool_FromLong(answer);
}

/* An inclusive filter keeps what matches, an exclusive one all else. */
static PyObject *
keeps(PyObject *self, int matched)
{
    int inclusive = matched < 0 ? -1 : ptm_truth_and_drop(ptm_get_attr(self, "inclusive"));
    return bool_or_error(inclusive < 0 ? -1 : matched == inclusive);
}

static int
match_pattern(ptm_face *face, PyObject *self, PyObject *filename)
{
    PyObject *name = ptm_late_filename(face, filename);
    PyObject *pattern = name == NULL ? NULL : ptm_get_attr(self, "_filename_pattern");
    PyObject *module = pattern == NULL ? NULL : ptm_face_lookup_module(face, "fnmatch");
    PyObject *function = module == NULL ? NULL : ptm_get_attr(module, "fnmatch");
    int matched = function == NULL ? -1 : ptm_filter_patterns_match(face, function, name, pattern);
    Py_XDECREF(function);
    Py_XDECREF(module);
    Py_XDECREF(pattern);
    Py_XDECREF(name);
    return matched;
}

static int
check_no_condition(PyObject *self)
{
    PyObject *function = ptm_filter_own(self, "_function");
    PyObject *module = ptm_filter_own(self, "_module");
    Py_XDECREF(function);
    Py_XDECREF(module);
    if (function != NULL || module != NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "a filter with function= or module= works on whole snapshots only, and as "
                        "a Filter itself, not as a subclass: one trace tells file and line");
        return -1;
    }
    return 0;
}

PyObject *
ptm_filter_match_frame_impl(PyObject *self, PyObject *args)
{
    PyObject *filename, *lineno;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || !PyArg_ParseTuple(args, "OO:_match_frame_impl", &filename, &lineno)
        || (ptm_face_is_main(face) && check_no_condition(self) < 0)) {
        return NULL;
    }
    int matched = match_pattern(face, self, filename);
    if (matched > 0) {
        PyObject *wanted = ptm_get_attr(self, "lineno");
        if (wanted == NULL || wanted != Py_None) {
            matched = wanted == NULL ? -1 : PyObject_RichCompareBool(lineno, wanted, Py_EQ);
        }
        Py_XDECREF(wanted);
    }
    return bool_or_error(matched);
}

PyObject *
ptm_filter_match_frame(PyObject *self, PyObject *args)
{
    PyObject *filename, *lineno;
    if (!PyArg_ParseTuple(args, "OO:_match_frame", &filename, &lineno)) {
        return NULL;
    }
    return keeps(self,
                 ptm_truth_and_drop(ptm_call_method(self, "_match_frame_impl", filename, lineno)));
}

/* `method`("_match_frame" or its _impl) for a raw frame. */
static int
match_raw_frame(PyObject *self, const char *method, PyObject *frame)
{
    PyObject *pair = ptm_raw_frame_parts(frame);
    if (pair == NULL) {
        return -1;
    }
    int matched = ptm_truth_and_drop(
        ptm_call_method(self, method, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1)));
    Py_DECREF(pair);
    return matched;
}

static int
any_frame_matches(PyObject *self, PyObject *frames)
{
    PyObject *iterator = PyObject_GetIter(frames), *frame;
    int matched = iterator == NULL ? -1 : 0;
    while (matched == 0 && (frame = PyIter_Next(iterator)) != NULL) {
        matched = match_raw_frame(self, "_match_frame_impl", frame);
        Py_DECREF(frame);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : matched;
}

PyObject *
ptm_filter_match_traceback(PyObject *self, PyObject *frames)
{
    int all_frames = ptm_truth_and_drop(ptm_get_attr(self, "all_frames"));
    if (all_frames > 0) {
        return keeps(self, any_frame_matches(self, frames));
    }
    PyObject *first = all_frames < 0 ? NULL : ptm_item(frames, 0);
    int matched = first == NULL ? -1 : match_raw_frame(self, "_match_frame", first);
    Py_XDECREF(first);
    return bool_or_error(matched);
}

/* With a domain, an inclusive filter keeps only what is of it, an exclusive one keeps whatever is
 * not. */
static int
with_domain(PyObject *self, PyObject *domain, int kept)
{
    PyObject *wanted = ptm_get_attr(self, "domain");
    int inclusive = wanted == NULL ? -1 : ptm_truth_and_drop(ptm_get_attr(self, "inclusive"));
    if (inclusive >= 0 && wanted != Py_None && kept == inclusive) {
        int same = PyObject_RichCompareBool(domain, wanted, Py_EQ);
        kept = same < 0 ? -1 : same == inclusive;
    }
    Py_XDECREF(wanted);
    return inclusive < 0 ? -1 : kept;
}

PyObject *
ptm_filter_match(PyObject *self, PyObject *trace)
{
    PyObject *parts = ptm_raw_trace_parts(trace);
    if (parts == NULL) {
        return NULL;
    }
    int kept = ptm_truth_and_drop(
        ptm_call_method(self, "_match_traceback", PyTuple_GET_ITEM(parts, 2), NULL));
    if (kept >= 0) {
        kept = with_domain(self, PyTuple_GET_ITEM(parts, 0), kept);
    }
    Py_DECREF(parts);
    return bool_or_error(kept);
}

PyObject *
ptm_filter_match_domain(PyObject *self, PyObject *trace)
{
    PyObject *parts = ptm_raw_trace_parts(trace);
    int same = parts == NULL ? -1 : attribute_equals(self, "domain", PyTuple_GET_ITEM(parts, 0));
    Py_XDECREF(parts);
    return keeps(self, same);
}

PyObject *
ptm_filter_match_base(PyObject *self, PyObject *trace)
{
    (void)self;
    (void)trace;
    PyErr_SetNone(PyExc_NotImplementedError);
    return NULL;
}
