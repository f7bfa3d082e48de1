/* SPDX-License-Identifier: MIT
 *
 * text - sizes and file names as the standard library's module writes them.
 */
#include "py/state.h"

PyObject *
ptm_text_format(const char *format, PyObject *args)
{
    PyObject *text = args == NULL ? NULL : PyUnicode_FromString(format);
    if (text != NULL) {
        Py_SETREF(text, PyUnicode_Format(text, args));
    }
    Py_XDECREF(args);
    return text;
}

static PyObject *
number_with_unit(double value, int digits, bool with_sign, const char *unit)
{
    char *number = PyOS_double_to_string(value, 'f', digits, with_sign ? Py_DTSF_SIGN : 0, NULL);
    if (number == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("%s %s", number, unit);
    PyMem_Free(number);
    return text;
}

PyObject *
ptm_text_size(PyObject *size, bool with_sign)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    PyObject *magnitude_of_size = PyNumber_Absolute(size);
    double value = magnitude_of_size == NULL ? -1.0 : PyFloat_AsDouble(size);
    Py_XDECREF(magnitude_of_size);
    if (value == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    size_t unit = 0;
    for (; unit + 1 < PTM_ARRAY_LEN(units); unit++, value /= 1024) {
        double magnitude = value < 0 ? -value : value;
        if (magnitude < (unit == 0 ? 10240 : 100)) {
            break;
        }
        if (magnitude < 10240) {
            return number_with_unit(value, 0, with_sign, units[unit]);
        }
    }
    double magnitude = value < 0 ? -value : value;
    return number_with_unit(value, unit != 0 && magnitude < 100 ? 1 : 0, with_sign, units[unit]);
}

/* 1, 0, -1 error; asks the object, so what is not a str fails as it does in Python. */
static int
ends_with(PyObject *text, const char *suffix)
{
    PyObject *end = PyUnicode_InternFromString(suffix);
    int found = end == NULL ? -1 : ptm_truth_and_drop(ptm_call_method(text, "endswith", end, NULL));
    Py_XDECREF(end);
    return found;
}

static PyObject *
normcase(ptm_face *face, PyObject *filename)
{
    PyObject *os = ptm_face_lookup_module(face, "os");
    PyObject *path = os == NULL ? NULL : ptm_get_attr(os, "path");
    PyObject *name = path == NULL ? NULL : ptm_call_method(path, "normcase", filename, NULL);
    Py_XDECREF(path);
    Py_XDECREF(os);
    return name;
}

PyObject *
ptm_text_filename(ptm_face *face, PyObject *filename)
{
    PyObject *name = normcase(face, filename);
    int compiled = name == NULL ? -1 : ends_with(name, ".pyc");
    if (compiled == 0 && ptm_face_is_main(face)) {
        compiled = ends_with(name, ".pyo");
    }
    if (compiled > 0) {
        Py_SETREF(name, PySequence_GetSlice(name, 0, PySequence_Size(name) - 1));
    }
    if (compiled < 0) {
        Py_CLEAR(name);
    }
    return name;
}
