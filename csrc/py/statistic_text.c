/* SPDX-License-Identifier: MIT
 *
 * statistic_text - the values of a Statistic or a StatisticDiff by name, and what they read as.
 */
#include "py/state.h"

ptm_statistic_values
ptm_statistic_by_name(PyObject *values)
{
    PyObject *const *items = ((PyTupleObject *)values)->ob_item;
    return PyTuple_GET_SIZE(values) == 5
               ? (ptm_statistic_values){items[0], items[1], items[3], items[2], items[4]}
               : (ptm_statistic_values){items[0], items[1], items[2], NULL, NULL};
}

/* ", average=2501 B", or nothing when there are no blocks. */
static PyObject *
average_text(ptm_face *face, const ptm_statistic_values *v)
{
    int any = PyObject_IsTrue(v->count);
    if (any <= 0) {
        return any < 0 ? NULL : PyUnicode_FromString("");
    }
    PyObject *average = PyNumber_TrueDivide(v->size, v->count);
    PyObject *text = average == NULL ? NULL : ptm_late_size(face, average, false);
    Py_XDECREF(average);
    return ptm_text_format(", average=%s", text);
}

/* "size=5002 B, count=2" or "size=5002 B (+5000 B), count=2 (+1)", behind the subject. */
static PyObject *
head_text(ptm_face *face, PyObject *subject, const ptm_statistic_values *v)
{
    bool diff = v->size_diff != NULL;
    PyObject *size = ptm_late_size(face, v->size, false);
    PyObject *difference = size == NULL || !diff ? NULL : ptm_late_size(face, v->size_diff, true);
    PyObject *text = NULL;
    if (difference != NULL) {
        text = ptm_text_format(
            "%s: size=%s (%s), count=%i (%+i)",
            Py_BuildValue("(OOOOO)", subject, size, difference, v->count, v->count_diff));
    }
    else if (size != NULL && !diff) {
        text = ptm_text_format("%s: size=%s, count=%i",
                               Py_BuildValue("(OOO)", subject, size, v->count));
    }
    Py_XDECREF(difference);
    Py_XDECREF(size);
    return text;
}

PyObject *
ptm_statistic_text(ptm_face *face, PyObject *subject, const ptm_statistic_values *v)
{
    PyObject *head = head_text(face, subject, v);
    PyObject *average = head == NULL ? NULL : average_text(face, v);
    PyObject *text = average == NULL ? NULL : PyUnicode_Concat(head, average);
    Py_XDECREF(average);
    Py_XDECREF(head);
    return text;
}
