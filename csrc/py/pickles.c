/* SPDX-License-Identifier: MIT
 *
 * pickles - how the types are pickled and copied.
 *
 * The stdlib face pickles as the standard library's classes of the same names, so that either can
 * load the other's files. As long as our module does not stand at sys.modules['tracemalloc'],
 * pickle would refuse our classes ("it's not the same object as tracemalloc.Snapshot"): the classes
 * that do stand there are named instead, and built by copyreg._reconstructor(cls, object, None),
 * which object.__new__ can serve for theirs and for ours.
 */
#include "py/state.h"

typedef const char *const *name_list;

/* The attributes that are slots in the standard library; NULL: all is in the dict. */
static name_list
slot_names(const ptm_face *face, PyObject *self)
{
    static const char *const frame[] = {"_frame", NULL};
    static const char *const frame_details[] = {"_frame", "_details", NULL};
    static const char *const traceback[] = {"_frames", "_total_nframe", NULL};
    static const char *const traceback_details[] = {"_frames", "_total_nframe", "_details", NULL};
    static const char *const trace[] = {"_trace", NULL};
    static const char *const trace_details[] = {"_trace", "_details", NULL};
    static const char *const statistic[] = {"traceback", "size", "count", NULL};
    static const char *const diff[] = {"traceback", "size",       "size_diff",
                                       "count",     "count_diff", NULL};
    const struct {
        PyTypeObject *type;
        name_list stdlib, main;
    } table[] = {
        {face->frame, frame, frame_details}, {face->traceback, traceback, traceback_details},
        {face->trace, trace, trace_details}, {face->statistic, statistic, statistic},
        {face->statistic_diff, diff, diff},
    };
    for (size_t i = 0; i < PTM_ARRAY_LEN(table); i++) {
        if (PyObject_TypeCheck(self, table[i].type)) {
            return ptm_face_is_main(face) ? table[i].main : table[i].stdlib;
        }
    }
    return NULL;
}

static PyObject *
instance_dict(PyObject *self)
{
    PyObject *dict = ptm_get_attr(self, "__dict__");
    if (dict == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        dict = Py_NewRef(Py_None);
    }
    return dict;
}

static PyObject *
slots_state(PyObject *self, name_list names)
{
    PyObject *slots = PyDict_New();
    for (size_t i = 0; slots != NULL && names[i] != NULL; i++) {
        PyObject *value = ptm_get_attr(self, names[i]);
        if (value == NULL || PyDict_SetItemString(slots, names[i], value) < 0) {
            Py_CLEAR(slots);
        }
        Py_XDECREF(value);
    }
    return slots;
}

/* The dict of `_traces` itself is not read: asking for the attribute would make the list the truth.
 */
static PyObject *
traces_state(ptm_face *face, PyObject *self)
{
    ptm_metric metric;
    ptm_view *view = ptm_traces_view(face, self, &metric);
    PyObject *list = view != NULL ? ptm_traces_list(view, metric) : ptm_get_attr(self, "_traces");
    PyObject *own = list == NULL ? NULL : instance_dict(self);
    PyObject *state = own == NULL ? NULL : PyDict_Copy(own);
    if (state != NULL && PyDict_SetItemString(state, "_traces", list) < 0) {
        Py_CLEAR(state);
    }
    Py_XDECREF(own);
    Py_XDECREF(list);
    return state;
}

static PyObject *
state_of(ptm_face *face, PyObject *self)
{
    name_list names = slot_names(face, self);
    if (names == NULL) {
        return PyObject_TypeCheck(self, face->traces) ? traces_state(face, self)
                                                      : instance_dict(self);
    }
    PyObject *slots = slots_state(self, names);
    PyObject *dict = slots == NULL ? NULL : instance_dict(self);
    if (dict == NULL) {
        Py_XDECREF(slots);
        return NULL;
    }
    return Py_BuildValue("(NN)", dict, slots);
}

static bool
is_our_type(const ptm_face *face, PyTypeObject *type)
{
    PyTypeObject *const types[] = {
        face->frame,          face->traceback,   face->trace,  face->traces,        face->statistic,
        face->statistic_diff, face->base_filter, face->filter, face->domain_filter, face->snapshot,
    };
    for (size_t i = 0; i < PTM_ARRAY_LEN(types); i++) {
        if (types[i] == type) {
            return true;
        }
    }
    return false;
}

/* The class to name in a pickle, as a new reference. */
static PyObject *
class_to_name(const ptm_face *face, PyTypeObject *type)
{
    if (ptm_face_is_main(face) || !is_our_type(face, type)) {
        return Py_NewRef((PyObject *)type);
    }
    PyObject *module = PyImport_ImportModule("tracemalloc");
    PyObject *name = module == NULL ? NULL : PyType_GetName(type);
    PyObject *cls = name == NULL ? NULL : PyObject_GetAttr(module, name);
    Py_XDECREF(name);
    Py_XDECREF(module);
    return cls;
}

static PyObject *
copyreg_function(const char *name)
{
    PyObject *copyreg = PyImport_ImportModule("copyreg");
    PyObject *function = copyreg == NULL ? NULL : ptm_get_attr(copyreg, name);
    Py_XDECREF(copyreg);
    return function;
}

/* Takes over `state`. */
static PyObject *
reduced(PyTypeObject *type, PyObject *cls, PyObject *state)
{
    bool as_itself = cls == (PyObject *)type;
    PyObject *function = copyreg_function(as_itself ? "__newobj__" : "_reconstructor");
    if (function == NULL) {
        Py_DECREF(state);
        return NULL;
    }
    if (as_itself) {
        return Py_BuildValue("(N(O)N)", function, cls, state);
    }
    return Py_BuildValue("(N(OOO)N)", function, cls, (PyObject *)&PyBaseObject_Type, Py_None,
                         state);
}

/* main face: the traces of a view are pickled as the bytes of a profile, with names, columns and
 * all counts. */
static PyObject *
reduced_profile(ptm_view *view, ptm_metric metric)
{
    PyObject *core = PyImport_ImportModule("pytracemalloc._core");
    PyObject *function = core == NULL ? NULL : ptm_get_attr(core, "_traces_of_profile");
    Py_XDECREF(core);
    PyObject *data = function == NULL ? NULL : ptm_profile_encode(view, NULL, 0);
    if (data == NULL) {
        Py_XDECREF(function);
        return NULL;
    }
    return Py_BuildValue("(N(Ns))", function, data, ptm_metric_name(metric));
}

PyObject *
ptm_pickle_reduce_ex(PyObject *self, PyObject *protocol)
{
    (void)protocol;
    ptm_metric metric;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL) {
        return NULL;
    }
    ptm_view *view = ptm_face_is_main(face) ? ptm_traces_view(face, self, &metric) : NULL;
    if (view != NULL && Py_IS_TYPE(self, face->traces)) {
        return reduced_profile(view, metric);
    }
    PyObject *cls = class_to_name(face, Py_TYPE(self));
    PyObject *state = cls == NULL ? NULL : state_of(face, self);
    PyObject *result = state == NULL ? NULL : reduced(Py_TYPE(self), cls, state);
    Py_XDECREF(cls);
    return result;
}

/* -- copying: always to our own classes -- */

static int
set_attributes(PyObject *self, PyObject *attributes)
{
    return attributes == Py_None ? 0 : ptm_set_attrs(self, attributes);
}

static int
set_state(PyObject *self, PyObject *state)
{
    if (!PyTuple_Check(state)) {
        return set_attributes(self, state);
    }
    if (set_attributes(self, PyTuple_GET_ITEM(state, 0)) < 0) {
        return -1;
    }
    return set_attributes(self, PyTuple_GET_ITEM(state, 1));
}

static PyObject *
new_like(PyObject *self)
{
    return ptm_call_method((PyObject *)Py_TYPE(self), "__new__", (PyObject *)Py_TYPE(self), NULL);
}

/* Lazy traces never change: a copy is the same columns. */
static PyObject *
copied_view(ptm_face *face, PyObject *self)
{
    ptm_metric metric;
    ptm_view *view = ptm_traces_view(face, self, &metric);
    return view == NULL || !Py_IS_TYPE(self, face->traces) ? NULL
                                                           : ptm_traces_of_view(face, view, metric);
}

PyObject *
ptm_pickle_copy(PyObject *self, PyObject *unused)
{
    (void)unused;
    ptm_face *face = ptm_face_of(self);
    PyObject *copy = face == NULL ? NULL : copied_view(face, self);
    if (copy != NULL || PyErr_Occurred()) {
        return copy;
    }
    PyObject *state = state_of(face, self);
    copy = state == NULL ? NULL : new_like(self);
    if (copy != NULL && set_state(copy, state) < 0) {
        Py_CLEAR(copy);
    }
    Py_XDECREF(state);
    return copy;
}

static int
remember_copy(PyObject *memo, PyObject *self, PyObject *copy)
{
    PyObject *id = PyLong_FromVoidPtr(self);
    int failed = id == NULL ? -1 : PyObject_SetItem(memo, id, copy);
    Py_XDECREF(id);
    return failed;
}

static PyObject *
deep_state(ptm_face *face, PyObject *self, PyObject *memo)
{
    PyObject *state = state_of(face, self);
    PyObject *module = state == NULL ? NULL : PyImport_ImportModule("copy");
    PyObject *deep = module == NULL ? NULL : ptm_call_method(module, "deepcopy", state, memo);
    Py_XDECREF(module);
    Py_XDECREF(state);
    return deep;
}

PyObject *
ptm_pickle_deepcopy(PyObject *self, PyObject *memo)
{
    ptm_face *face = ptm_face_of(self);
    PyObject *copy = face == NULL ? NULL : copied_view(face, self);
    if (copy != NULL || PyErr_Occurred()) {
        return copy;
    }
    copy = new_like(self);
    PyObject *state = NULL;
    if (copy != NULL && remember_copy(memo, self, copy) == 0) {
        state = deep_state(face, self, memo);
    }
    if (state == NULL || set_state(copy, state) < 0) {
        Py_CLEAR(copy);
    }
    Py_XDECREF(state);
    return copy;
}
