/* SPDX-License-Identifier: MIT
 *
 * t_filter - BaseFilter, Filter and DomainFilter. Their attributes live in the instance's dict, as
 * they do in the standard library; filters.c compiles them for whole snapshots, `_match` and its
 * parts answer for one raw trace.
 */
#include "py/state.h"

typedef struct {
    PyObject_HEAD
    PyObject *dict, *weakrefs;
} filter_object;

static inline filter_object *
as_filter(PyObject *self)
{
    return (filter_object *)self;
}

static int
filter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_filter(self)->dict);
    return 0;
}

static int
filter_clear(PyObject *self)
{
    Py_CLEAR(as_filter(self)->dict);
    return 0;
}

static void
filter_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (as_filter(self)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    filter_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static int
base_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"inclusive", NULL};
    PyObject *inclusive;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:BaseFilter", names, &inclusive)) {
        return -1;
    }
    return PyObject_SetAttrString(self, "inclusive", inclusive);
}

static int
filter_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"inclusive",  "filename_pattern", "lineno",
                            "all_frames", "domain",           NULL};
    PyObject *inclusive, *pattern, *lineno = Py_None, *all_frames = Py_False, *domain = Py_None;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OOO:Filter", names, &inclusive, &pattern,
                                        &lineno, &all_frames, &domain)
        || PyObject_SetAttrString(self, "inclusive", inclusive) < 0) {
        return -1;
    }
    PyObject *normalized = ptm_text_filename(face, pattern);
    int failed = normalized == NULL
                 || PyObject_SetAttrString(self, "_filename_pattern", normalized) < 0
                 || PyObject_SetAttrString(self, "lineno", lineno) < 0
                 || PyObject_SetAttrString(self, "all_frames", all_frames) < 0
                 || PyObject_SetAttrString(self, "domain", domain) < 0;
    Py_XDECREF(normalized);
    return failed ? -1 : 0;
}

static int
domain_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"inclusive", "domain", NULL};
    PyObject *inclusive, *domain;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:DomainFilter", names, &inclusive, &domain)
        || PyObject_SetAttrString(self, "inclusive", inclusive) < 0) {
        return -1;
    }
    return PyObject_SetAttrString(self, "_domain", domain);
}

static PyObject *
filter_get_pattern(PyObject *self, void *unused)
{
    (void)unused;
    return ptm_get_attr(self, "_filename_pattern");
}

static PyObject *
domain_get_domain(PyObject *self, void *unused)
{
    (void)unused;
    return ptm_get_attr(self, "_domain");
}

/* -- asking for one trace; 1, 0, -1 error -- */

static int
attribute_is_true(PyObject *self, const char *name)
{
    PyObject *value = ptm_get_attr(self, name);
    int truth = value == NULL ? -1 : PyObject_IsTrue(value);
    Py_XDECREF(value);
    return truth;
}

/* What a method of the filter says: a subclass may have its own. */
static int
call_is_true(PyObject *answer)
{
    int truth = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return truth;
}

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

static int
match_pattern(ptm_face *face, PyObject *self, PyObject *filename)
{
    PyObject *name = ptm_text_filename(face, filename);
    PyObject *pattern = name == NULL ? NULL : ptm_get_attr(self, "_filename_pattern");
    PyObject *module = pattern == NULL ? NULL : ptm_face_lookup_module(face, "fnmatch");
    int matched =
        module == NULL ? -1 : call_is_true(ptm_call_method(module, "fnmatch", name, pattern));
    Py_XDECREF(module);
    Py_XDECREF(pattern);
    Py_XDECREF(name);
    return matched;
}

static PyObject *
filter_match_frame_impl(PyObject *self, PyObject *args)
{
    PyObject *filename, *lineno;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || !PyArg_ParseTuple(args, "OO:_match_frame_impl", &filename, &lineno)) {
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

static PyObject *
filter_match_frame(PyObject *self, PyObject *args)
{
    PyObject *filename, *lineno;
    if (!PyArg_ParseTuple(args, "OO:_match_frame", &filename, &lineno)) {
        return NULL;
    }
    int matched = call_is_true(ptm_call_method(self, "_match_frame_impl", filename, lineno));
    int inclusive = matched < 0 ? -1 : attribute_is_true(self, "inclusive");
    return bool_or_error(inclusive < 0 ? -1 : matched == inclusive);
}

/* `method`("_match_frame" or its _impl) for a raw frame. */
static int
match_raw_frame(PyObject *self, const char *method, PyObject *frame)
{
    PyObject *pair = PySequence_Tuple(frame);
    if (pair != NULL && PyTuple_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_ValueError, "a frame must be (filename, lineno), not %R", frame);
        Py_CLEAR(pair);
    }
    if (pair == NULL) {
        return -1;
    }
    int matched = call_is_true(
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

static PyObject *
filter_match_traceback(PyObject *self, PyObject *frames)
{
    int all_frames = attribute_is_true(self, "all_frames");
    if (all_frames > 0) {
        int matched = any_frame_matches(self, frames);
        int inclusive = matched < 0 ? -1 : attribute_is_true(self, "inclusive");
        return bool_or_error(inclusive < 0 ? -1 : matched == inclusive);
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
    int inclusive = wanted == NULL ? -1 : attribute_is_true(self, "inclusive");
    if (inclusive >= 0 && wanted != Py_None && kept == inclusive) {
        int same = PyObject_RichCompareBool(domain, wanted, Py_EQ);
        kept = same < 0 ? -1 : same == inclusive;
    }
    Py_XDECREF(wanted);
    return inclusive < 0 ? -1 : kept;
}

static PyObject *
filter_match(PyObject *self, PyObject *trace)
{
    PyObject *parts = ptm_raw_trace_parts(trace);
    if (parts == NULL) {
        return NULL;
    }
    int kept =
        call_is_true(ptm_call_method(self, "_match_traceback", PyTuple_GET_ITEM(parts, 2), NULL));
    if (kept >= 0) {
        kept = with_domain(self, PyTuple_GET_ITEM(parts, 0), kept);
    }
    Py_DECREF(parts);
    return bool_or_error(kept);
}

static PyObject *
domain_match(PyObject *self, PyObject *trace)
{
    PyObject *parts = ptm_raw_trace_parts(trace);
    int same = parts == NULL ? -1 : attribute_equals(self, "domain", PyTuple_GET_ITEM(parts, 0));
    int inclusive = same < 0 ? -1 : attribute_is_true(self, "inclusive");
    Py_XDECREF(parts);
    return bool_or_error(inclusive < 0 ? -1 : same == inclusive);
}

static PyObject *
base_match(PyObject *self, PyObject *trace)
{
    (void)self;
    (void)trace;
    PyErr_SetNone(PyExc_NotImplementedError);
    return NULL;
}

static PyMemberDef filter_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(filter_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(filter_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define DICT_GETSET {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL}

static PyGetSetDef base_getset[] = {
    DICT_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef filter_getset[] = {
    PTM_PROPERTY("filename_pattern", filter_get_pattern, "Filename pattern of the filter (str)."),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef domain_getset[] = {
    PTM_PROPERTY("domain", domain_get_domain, "Address space of a memory block (int)."),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef base_methods[] = {
    {"_match", base_match, METH_O, PyDoc_STR("_match(self, trace)\n--\n\n")},
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef filter_methods[] = {
    {"_match_frame_impl", filter_match_frame_impl, METH_VARARGS,
     PyDoc_STR("_match_frame_impl(self, filename, lineno)\n--\n\n")},
    {"_match_frame", filter_match_frame, METH_VARARGS,
     PyDoc_STR("_match_frame(self, filename, lineno)\n--\n\n")},
    {"_match_traceback", filter_match_traceback, METH_O,
     PyDoc_STR("_match_traceback(self, traceback)\n--\n\n")},
    {"_match", filter_match, METH_O, PyDoc_STR("_match(self, trace)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef domain_methods[] = {
    {"_match", domain_match, METH_O, PyDoc_STR("_match(self, trace)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(base_doc, "BaseFilter(inclusive)\n--\n\nWhat all filters have: inclusive.");
PyDoc_STRVAR(
    filter_doc,
    "Filter(inclusive, filename_pattern, lineno=None, all_frames=False, domain=None)\n--\n\n"
    "Filter on traces of memory blocks, by file name pattern, line and domain.");
PyDoc_STRVAR(domain_doc, "DomainFilter(inclusive, domain)\n--\n\nFilter on traces of memory blocks "
                         "by their address space (domain).");

static PyType_Slot base_slots[] = {
    {Py_tp_doc, (void *)base_doc},     {Py_tp_init, base_init},     {Py_tp_dealloc, filter_dealloc},
    {Py_tp_traverse, filter_traverse}, {Py_tp_clear, filter_clear}, {Py_tp_members, filter_members},
    {Py_tp_methods, base_methods},     {Py_tp_getset, base_getset}, {0, NULL},
};

/* clang-format off */
#define CHILD_SLOTS(doc, init, methods, getset) \
    {Py_tp_doc, (void *)doc},                   \
    {Py_tp_init, init},                         \
    {Py_tp_dealloc, filter_dealloc},            \
    {Py_tp_traverse, filter_traverse},          \
    {Py_tp_clear, filter_clear},                \
    {Py_tp_methods, methods},                   \
    {Py_tp_getset, getset},                     \
    {0, NULL}
/* clang-format on */

static PyType_Slot filter_slots[] = {
    CHILD_SLOTS(filter_doc, filter_init, filter_methods, filter_getset)};
static PyType_Slot domain_slots[] = {
    CHILD_SLOTS(domain_doc, domain_init, domain_methods, domain_getset)};

int
ptm_filter_setup(PyObject *module)
{
    static const ptm_type_recipe base = {
        "pytracemalloc.BaseFilter",
        "tracemalloc.BaseFilter",
        sizeof(filter_object),
        base_slots,
        base_slots,
    };
    static const ptm_type_recipe filter = {
        "pytracemalloc.Filter", "tracemalloc.Filter", sizeof(filter_object),
        filter_slots,           filter_slots,
    };
    static const ptm_type_recipe domain = {
        "pytracemalloc.DomainFilter",
        "tracemalloc.DomainFilter",
        sizeof(filter_object),
        domain_slots,
        domain_slots,
    };
    ptm_face *face = PyModule_GetState(module);
    face->base_filter = ptm_type_new(module, &base, NULL);
    if (face->base_filter == NULL) {
        return -1;
    }
    face->filter = ptm_type_new(module, &filter, face->base_filter);
    face->domain_filter = ptm_type_new(module, &domain, face->base_filter);
    return face->filter == NULL || face->domain_filter == NULL ? -1 : 0;
}
