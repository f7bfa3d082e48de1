/* SPDX-License-Identifier: MIT
 *
 * sequence - what Traceback and the sequence of traces share: slices, index(), count(), reversed().
 */
#include "py/state.h"

static PyObject *
slice_of(PyObject *self, PyObject *slice, const ptm_sequence_items *own)
{
    Py_ssize_t start, stop, step;
    Py_ssize_t n = own->length(self);
    if (n < 0 || PySlice_Unpack(slice, &start, &stop, &step) < 0) {
        return NULL;
    }
    n = PySlice_AdjustIndices(n, &start, &stop, step);
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *item = own->item(self, start + i * step);
        if (item == NULL) {
            Py_CLEAR(tuple);
        }
        else {
            PyTuple_SET_ITEM(tuple, i, item);
        }
    }
    return tuple;
}

PyObject *
ptm_sequence_subscript(PyObject *self, PyObject *index, const ptm_sequence_items *own)
{
    if (PySlice_Check(index)) {
        return slice_of(self, index, own);
    }
    if (!PyIndex_Check(index)) {
        return PyErr_Format(PyExc_TypeError, "%s indices must be integers or slices, not %.200s",
                            own->noun, Py_TYPE(index)->tp_name);
    }
    Py_ssize_t i = PyNumber_AsSsize_t(index, PyExc_IndexError);
    Py_ssize_t n = i == -1 && PyErr_Occurred() ? -1 : i < 0 ? own->length(self) : 0;
    return n < 0 ? NULL : own->item(self, i + n);
}

/* What follows is as in collections.abc.Sequence, which asks a subclass for its items; negative
 * bounds count from the end. */
static int
bound(PyObject *value, Py_ssize_t n, Py_ssize_t *out)
{
    Py_ssize_t i = PyNumber_AsSsize_t(value, NULL);
    if (i == -1 && PyErr_Occurred()) {
        return -1;
    }
    *out = i >= 0 ? i : i + n > 0 ? i + n : 0;
    return 0;
}

PyObject *
ptm_sequence_index(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"value", "start", "stop", NULL};
    PyObject *value, *start_arg = NULL, *stop_arg = Py_None;
    Py_ssize_t start = 0, n = PySequence_Size(self), stop = PY_SSIZE_T_MAX;
    if (n < 0
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO:index", names, &value, &start_arg,
                                        &stop_arg)
        || (start_arg != NULL && start_arg != Py_None && bound(start_arg, n, &start) < 0)
        || (stop_arg != Py_None && bound(stop_arg, n, &stop) < 0)) {
        return NULL;
    }
    for (Py_ssize_t i = start; i < stop; i++) {
        PyObject *item = PySequence_GetItem(self, i);
        if (item == NULL && PyErr_ExceptionMatches(PyExc_IndexError)) {
            PyErr_Clear();
            break;
        }
        int same = item == NULL ? -1 : PyObject_RichCompareBool(item, value, Py_EQ);
        Py_XDECREF(item);
        if (same != 0) {
            return same < 0 ? NULL : PyLong_FromSsize_t(i);
        }
    }
    PyErr_SetNone(PyExc_ValueError);
    return NULL;
}

PyObject *
ptm_sequence_count(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"value", NULL};
    PyObject *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:count", names, &value)) {
        return NULL;
    }
    Py_ssize_t found = 0;
    PyObject *iterator = PyObject_GetIter(self), *item;
    int same = iterator == NULL ? -1 : 0;
    while (same >= 0 && (item = PyIter_Next(iterator)) != NULL) {
        same = PyObject_RichCompareBool(item, value, Py_EQ);
        found += same > 0;
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(found);
}

PyObject *
ptm_sequence_reversed(PyObject *self, PyObject *unused)
{
    (void)unused;
    Py_ssize_t n = PySequence_Size(self);
    PyObject *item = n < 0 ? NULL : ptm_get_attr(self, "__getitem__");
    PyObject *range = item == NULL
                          ? NULL
                          : PyObject_CallFunction((PyObject *)&PyRange_Type, "nii", n - 1, -1, -1);
    PyObject *items =
        range == NULL ? NULL
                      : PyObject_CallFunctionObjArgs((PyObject *)&PyMap_Type, item, range, NULL);
    Py_XDECREF(range);
    Py_XDECREF(item);
    return items;
}
