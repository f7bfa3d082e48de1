/* SPDX-License-Identifier: MIT
 *
 * t_filter - BaseFilter, Filter and DomainFilter. Their attributes live in the instance's dict, as
 * they do in the standard library; filters.c compiles them for whole snapshots, filter_match.c asks
 * them of one raw trace.
 *
 * The main face's Filter takes several patterns where one may stand: its attribute is a tuple then.
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

/* What the constructor of Filter is given. */
typedef struct {
    PyObject *inclusive, *pattern, *lineno, *all_frames, *domain;
    PyObject *function, *module; /* main face only; else None */
} filter_arguments;
#define FILTER_ARGUMENTS \
    ((filter_arguments){NULL, NULL, Py_None, Py_False, Py_None, Py_None, Py_None})

/* Takes over `patterns`, a str or a tuple. */
static int
set_patterns(PyObject *self, const char *attribute, PyObject *patterns)
{
    int failed = patterns == NULL ? -1 : PyObject_SetAttrString(self, attribute, patterns);
    Py_XDECREF(patterns);
    return failed;
}

static int
set_filter(PyObject *self, const filter_arguments *given, PyObject *patterns)
{
    return set_patterns(self, "_filename_pattern", patterns) < 0
                   || PyObject_SetAttrString(self, "inclusive", given->inclusive) < 0
                   || PyObject_SetAttrString(self, "lineno", given->lineno) < 0
                   || PyObject_SetAttrString(self, "all_frames", given->all_frames) < 0
                   || PyObject_SetAttrString(self, "domain", given->domain) < 0
               ? -1
               : 0;
}

static int
stdlib_filter_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"inclusive",  "filename_pattern", "lineno",
                            "all_frames", "domain",           NULL};
    filter_arguments given = FILTER_ARGUMENTS;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OOO:Filter", names, &given.inclusive,
                                        &given.pattern, &given.lineno, &given.all_frames,
                                        &given.domain)
        || PyObject_SetAttrString(self, "inclusive", given.inclusive) < 0) {
        return -1;
    }
    return set_filter(self, &given, ptm_late_filename(face, given.pattern));
}

/* One pattern as it is, a list or a tuple as a tuple; file names normalized. */
static PyObject *
patterns_of(ptm_face *face, const char *what, PyObject *value)
{
    bool files = face != NULL, several = PyList_Check(value) || PyTuple_Check(value);
    PyObject *items = several ? PySequence_Tuple(value) : PyTuple_Pack(1, value);
    Py_ssize_t n = items == NULL ? 0 : PyTuple_GET_SIZE(items);
    PyObject *patterns = items == NULL ? NULL : PyTuple_New(n);
    for (Py_ssize_t i = 0; patterns != NULL && i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);
        PyObject *pattern = NULL;
        if (!PyUnicode_Check(item) && (several || !files)) {
            PyErr_Format(PyExc_TypeError, "%s must be a str or a list of str, not %.200s%s", what,
                         several ? "a list with " : "", Py_TYPE(item)->tp_name);
        }
        else {
            pattern = files ? ptm_late_filename(face, item) : Py_NewRef(item);
        }
        if (pattern == NULL) {
            Py_CLEAR(patterns);
        }
        else {
            PyTuple_SET_ITEM(patterns, i, pattern);
        }
    }
    Py_XDECREF(items);
    if (patterns != NULL && !several) {
        Py_SETREF(patterns, Py_NewRef(PyTuple_GET_ITEM(patterns, 0)));
    }
    return patterns;
}

PyObject *
ptm_filter_own(PyObject *self, const char *name)
{
    PyObject *dict = ptm_slot_get(self, &as_filter(self)->dict);
    PyObject *value = ptm_dict_get(dict, name);
    Py_XDECREF(dict);
    return value;
}

/* Only what was given stands in the dict: a Filter by the standard library's arguments has the
 * standard library's attributes, in pickles too. */
static int
set_condition(PyObject *self, const char *attribute, PyObject *value)
{
    if (value != Py_None) {
        return set_patterns(self, attribute, patterns_of(NULL, attribute + 1, value));
    }
    PyObject *there = ptm_filter_own(self, attribute);
    Py_XDECREF(there);
    return there == NULL ? 0 : PyObject_SetAttrString(self, attribute, NULL);
}

static int
main_filter_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"inclusive", "filename_pattern", "lineno", "all_frames",
                            "domain",    "function",         "module", NULL};
    filter_arguments given = FILTER_ARGUMENTS;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|OOOO$OO:Filter", names, &given.inclusive,
                                        &given.pattern, &given.lineno, &given.all_frames,
                                        &given.domain, &given.function, &given.module)) {
        return -1;
    }
    if (given.pattern == NULL && given.function == Py_None && given.module == Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "Filter() missing required argument 'filename_pattern' (pos 2)");
        return -1;
    }
    PyObject *patterns = given.pattern == NULL
                             ? PyUnicode_FromString("*")
                             : patterns_of(face, "filename_pattern", given.pattern);
    return set_filter(self, &given, patterns) < 0
                   || set_condition(self, "_function", given.function) < 0
                   || set_condition(self, "_module", given.module) < 0
               ? -1
               : 0;
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

/* `name` is "function" or "module"; None if it was not given. */
static PyObject *
filter_get_condition(PyObject *self, void *name)
{
    const char *attribute = strcmp(name, "function") == 0 ? "_function" : "_module";
    PyObject *value = ptm_filter_own(self, attribute);
    return value == NULL ? Py_NewRef(Py_None) : value;
}

static PyObject *
domain_get_domain(PyObject *self, void *unused)
{
    (void)unused;
    return ptm_get_attr(self, "_domain");
}

static PyMemberDef filter_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(filter_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(filter_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef base_getset[] = {
    PTM_DICT_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef stdlib_filter_getset[] = {
    PTM_PROPERTY("filename_pattern", filter_get_pattern, "Filename pattern of the filter (str)."),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef main_filter_getset[] = {
    PTM_PROPERTY("filename_pattern", filter_get_pattern,
                 "Filename pattern of the filter (str), or a tuple of patterns."),
    PTM_PROPERTY("function", filter_get_condition,
                 "Pattern of the function's name (str), a tuple of patterns, or None: any."),
    PTM_PROPERTY("module", filter_get_condition,
                 "Pattern of the dotted module name (str), a tuple of patterns, or None: any."),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef domain_getset[] = {
    PTM_PROPERTY("domain", domain_get_domain, "Address space of a memory block (int)."),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef base_methods[] = {
    {"_match", ptm_filter_match_base, METH_O, PyDoc_STR("_match(self, trace)\n--\n\n")},
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef filter_methods[] = {
    {"_match_frame_impl", ptm_filter_match_frame_impl, METH_VARARGS,
     PyDoc_STR("_match_frame_impl(self, filename, lineno)\n--\n\n")},
    {"_match_frame", ptm_filter_match_frame, METH_VARARGS,
     PyDoc_STR("_match_frame(self, filename, lineno)\n--\n\n")},
    {"_match_traceback", ptm_filter_match_traceback, METH_O,
     PyDoc_STR("_match_traceback(self, traceback)\n--\n\n")},
    {"_match", ptm_filter_match, METH_O, PyDoc_STR("_match(self, trace)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef domain_methods[] = {
    {"_match", ptm_filter_match_domain, METH_O, PyDoc_STR("_match(self, trace)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(base_doc, "BaseFilter(inclusive)\n--\n\nWhat all filters have: inclusive.");
PyDoc_STRVAR(
    stdlib_filter_doc,
    "Filter(inclusive, filename_pattern, lineno=None, all_frames=False, domain=None)\n--\n\n"
    "Filter on traces of memory blocks, by file name pattern, line and domain.");
PyDoc_STRVAR(main_filter_doc,
             "Filter(inclusive, filename_pattern, lineno=None, all_frames=False, domain=None, *, "
             "function=None, module=None)\n--\n\n"
             "Filter on traces of memory blocks, by patterns of the file name, of the function's\n"
             "qualified name and of the dotted module name, and by line and domain. Each pattern\n"
             "may be a list of patterns, of which any must match. All that is given must hold for\n"
             "one and the same frame. filename_pattern may be left out with function or module;\n"
             "a function or a module that is not known matches no pattern.");
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

static PyType_Slot main_filter_slots[] = {
    CHILD_SLOTS(main_filter_doc, main_filter_init, filter_methods, main_filter_getset)};
static PyType_Slot stdlib_filter_slots[] = {
    CHILD_SLOTS(stdlib_filter_doc, stdlib_filter_init, filter_methods, stdlib_filter_getset)};
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
        main_filter_slots,      stdlib_filter_slots,
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
