/* SPDX-License-Identifier: MIT
 *
 * objects - calls, items and attributes with the words that Python code would get.
 */
#include "py/state.h"

PyObject *
ptm_get_attr(PyObject *obj, const char *name)
{
    PyObject *interned = PyUnicode_InternFromString(name);
    PyObject *value = interned == NULL ? NULL : PyObject_GetAttr(obj, interned);
    Py_XDECREF(interned);
    return value;
}

static int
set_attr(PyObject *obj, PyObject *name, PyObject *value)
{
    Py_INCREF(name); /* a class of the user's may change the dict meanwhile */
    Py_INCREF(value);
    int set = PyObject_SetAttr(obj, name, value);
    Py_DECREF(value);
    Py_DECREF(name);
    return set;
}

int
ptm_set_attrs(PyObject *obj, PyObject *attributes)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(attributes, &position, &name, &value)) {
        if (set_attr(obj, name, value) < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
ptm_call_method(PyObject *obj, const char *name, PyObject *first, PyObject *second)
{
    PyObject *method = ptm_get_attr(obj, name);
    PyObject *result =
        method == NULL ? NULL : PyObject_CallFunctionObjArgs(method, first, second, NULL);
    Py_XDECREF(method);
    return result;
}

PyObject *
ptm_item(PyObject *obj, Py_ssize_t i)
{
    PyObject *index = PyLong_FromSsize_t(i);
    PyObject *item = index == NULL ? NULL : PyObject_GetItem(obj, index);
    Py_XDECREF(index);
    return item;
}

PyObject *
ptm_item_and_drop(PyObject *obj, Py_ssize_t i)
{
    PyObject *item = obj == NULL ? NULL : ptm_item(obj, i);
    Py_XDECREF(obj);
    return item;
}

Py_ssize_t
ptm_size_and_drop(PyObject *obj)
{
    Py_ssize_t size = obj == NULL ? -1 : PyObject_Size(obj);
    Py_XDECREF(obj);
    return size;
}

int
ptm_truth_and_drop(PyObject *obj)
{
    int truth = obj == NULL ? -1 : PyObject_IsTrue(obj);
    Py_XDECREF(obj);
    return truth;
}

Py_hash_t
ptm_hash_and_drop(PyObject *obj)
{
    Py_hash_t hash = obj == NULL ? -1 : PyObject_Hash(obj);
    Py_XDECREF(obj);
    return hash;
}

PyObject *
ptm_compare_and_drop(PyObject *a, PyObject *b, int op)
{
    PyObject *result = a == NULL || b == NULL ? NULL : PyObject_RichCompare(a, b, op);
    Py_XDECREF(b);
    Py_XDECREF(a);
    return result;
}

PyObject *
ptm_no_attribute(PyObject *self, const char *name)
{
    return PyErr_Format(PyExc_AttributeError, "'%.200s' object has no attribute '%s'",
                        Py_TYPE(self)->tp_name, name);
}

int
ptm_no_setter(PyObject *self, PyObject *value, void *name)
{
    PyObject *type = PyType_GetName(Py_TYPE(self));
    if (type != NULL) {
        PyErr_Format(PyExc_AttributeError, "property '%s' of '%U' object has no %s",
                     (const char *)name, type, value == NULL ? "deleter" : "setter");
    }
    Py_XDECREF(type);
    return -1;
}

PyObject *
ptm_fill_slot(PyObject **slot, PyObject *fresh)
{
    PyObject *there = NULL;
    if (fresh == NULL || PTM_COMPARE_EXCHANGE(slot, &there, fresh)) {
        return fresh;
    }
    Py_DECREF(fresh);
    return there;
}

PyObject *
ptm_slot_get(PyObject *self, PyObject **slot)
{
    PyObject *value;
    (void)self;
    PTM_BEGIN_ALONE(self);
    value = Py_XNewRef(PTM_LOAD_ACQUIRE(slot));
    PTM_END_ALONE();
    return value;
}

PyObject *
ptm_new_untracked(PyTypeObject *type)
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL) {
        PyObject_GC_UnTrack(self);
    }
    return self;
}

int
ptm_may_set(bool is_there, PyObject *value, const char *name)
{
    if (value == NULL && !is_there) {
        PyErr_SetString(PyExc_AttributeError, name);
        return -1;
    }
    return 0;
}

static void
track(PyObject *self)
{
    if (!PyObject_GC_IsTracked(self)) {
        PyObject_GC_Track(self);
    }
}

void
ptm_slot_set(PyObject *self, PyObject **slot, PyObject *value)
{
    PyObject *old;
    (void)self;
    PTM_BEGIN_ALONE(self);
    track(self);
    old = PTM_EXCHANGE(slot, value); /* ptm_fill_slot may be filling it */
    PTM_END_ALONE();
    Py_XDECREF(old);
}

PyObject *
ptm_dict_get(PyObject *dict, const char *name)
{
    if (dict == NULL) {
        return NULL;
    }
    PyObject *key = PyUnicode_InternFromString(name);
    PyObject *value = key == NULL ? NULL : PyObject_GetItem(dict, key);
    Py_XDECREF(key);
    if (value == NULL) {
        PyErr_Clear();
    }
    return value;
}
