/* SPDX-License-Identifier: MIT
 *
 * t_filter - BaseFilter, Filter and DomainFilter. Their attributes live in the instance's dict, as
 * they do in the standard library; filters.c compiles them for whole snapshots, `_match` and its
 * parts answer for one raw trace, which tells files and lines and no functions or modules.
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
    return set_filter(self, &given, ptm_text_filename(face, given.pattern));
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
            pattern = files ? ptm_text_filename(face, item) : Py_NewRef(item);
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

/* A new reference, or NULL without an exception. */
static PyObject *
dict_value(PyObject *self, const char *name)
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
    PyObject *there = dict_value(self, attribute);
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
    PyObject *value = dict_value(self, attribute);
    return value == NULL ? Py_NewRef(Py_None) : value;
}

static PyObject *
domain_get_domain(PyObject *self, void *unused)
{
    (void)unused;
    return ptm_get_attr(self, "_domain");
}

/* -- asking for one trace; 1, 0, -1 error -- */

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
    PyObject *name = ptm_text_filename(face, filename);
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
    PyObject *function = dict_value(self, "_function"), *module = dict_value(self, "_module");
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

static PyObject *
filter_match_frame_impl(PyObject *self, PyObject *args)
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

static PyObject *
filter_match_frame(PyObject *self, PyObject *args)
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

static PyObject *
filter_match_traceback(PyObject *self, PyObject *frames)
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

static PyObject *
filter_match(PyObject *self, PyObject *trace)
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

static PyObject *
domain_match(PyObject *self, PyObject *trace)
{
    PyObject *parts = ptm_raw_trace_parts(trace);
    int same = parts == NULL ? -1 : attribute_equals(self, "domain", PyTuple_GET_ITEM(parts, 0));
    Py_XDECREF(parts);
    return keeps(self, same);
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
    stdlib_filter_doc,
    "Filter(inclusive, filename_pattern, lineno=None, all_frames=False, domain=None)\n--\n\n"
    "Filter on traces of memory blocks, by file name pattern, line and domain.");
PyDoc_STRVAR(
    main_filter_doc,
    "Filter(inclusive, filename_pattern='*', lineno=None, all_frames=False, domain=None, *, "
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
