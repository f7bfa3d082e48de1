/* SPDX-License-Identifier: MIT
 *
 * t_trace - Trace: domain, size and traceback of one block, on a site of a view or on a tuple given
 * by the caller.
 */
#include "py/state.h"

typedef struct {
    PyObject_HEAD
    PyObject
        *raw; /* (domain, size, frames most recent first, total_nframe); NULL: still in the view */
    PyObject *details; /* of the traceback's frames, see there; NULL: not known, or in the view */
    ptm_view *view; /* kept to the end, since others may be reading it; NULL: there never was one */
    ptm_site_id site;
    bool given; /* by a caller: raw is the truth; atomic */
} trace_object;

static inline trace_object *
as_trace(PyObject *self)
{
    return (trace_object *)self;
}

/* NULL: raw and details are the truth. */
static ptm_view *
view_of(PyObject *self)
{
    return PTM_LOAD_ACQUIRE(&as_trace(self)->given) ? NULL : as_trace(self)->view;
}

static PyObject *
trace_alloc(ptm_face *face)
{
    return face->trace->tp_alloc(face->trace, 0);
}

PyObject *
ptm_trace_of_view(ptm_face *face, ptm_view *view, ptm_site_id site)
{
    PyObject *self = trace_alloc(face);
    if (self != NULL) {
        as_trace(self)->view = ptm_view_incref(view);
        as_trace(self)->site = site;
    }
    return self;
}

PyObject *
ptm_trace_of_raw(ptm_face *face, PyObject *raw)
{
    PyObject *self = trace_alloc(face);
    if (self != NULL) {
        as_trace(self)->raw = Py_NewRef(raw);
    }
    return self;
}

static void
set_raw(PyObject *self, PyObject *raw)
{
    ptm_slot_set(self, &as_trace(self)->details, NULL);
    ptm_slot_set(self, &as_trace(self)->raw, Py_XNewRef(raw));
    PTM_STORE_RELEASE(&as_trace(self)->given, true);
}

static int
trace_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"trace", NULL};
    PyObject *raw;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Trace", names, &raw)) {
        return -1;
    }
    set_raw(self, raw);
    return 0;
}

static int
trace_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_trace(self)->raw);
    Py_VISIT(as_trace(self)->details);
    return 0;
}

static int
trace_clear(PyObject *self)
{
    Py_CLEAR(as_trace(self)->raw);
    Py_CLEAR(as_trace(self)->details);
    return 0;
}

static void
trace_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    trace_clear(self);
    ptm_view_decref(as_trace(self)->view);
    type->tp_free(self);
    Py_DECREF(type);
}

/* The raw tuple, a new reference. */
PyObject *
ptm_trace_raw(PyObject *self)
{
    trace_object *trace = as_trace(self);
    ptm_view *view = view_of(self);
    PyObject *raw = ptm_slot_get(self, &trace->raw);
    if (raw == NULL && view != NULL
        && ptm_fill_slot(&trace->raw, ptm_view_trace(view, trace->site)) == NULL) {
        return NULL;
    }
    raw = raw != NULL ? raw : ptm_slot_get(self, &trace->raw);
    return raw != NULL ? raw : ptm_no_attribute(self, "_trace");
}

static PyObject *
raw_item(PyObject *self, Py_ssize_t i)
{
    return ptm_item_and_drop(ptm_trace_raw(self), i);
}

static PyObject *
trace_get_domain(PyObject *self, void *unused)
{
    (void)unused;
    return raw_item(self, 0);
}

static PyObject *
trace_get_size(PyObject *self, void *unused)
{
    (void)unused;
    const ptm_view *view = view_of(self);
    return view == NULL ? raw_item(self, 1)
                        : PyLong_FromUnsignedLongLong(view->snap->sites[as_trace(self)->site].size);
}

/* What follows domain and size are the constructor's arguments; dumps of Python 3.8 and before have
 * one only. */
static PyObject *
traceback_of_raw(ptm_face *face, PyObject *self)
{
    PyObject *raw = ptm_trace_raw(self);
    PyObject *rest = raw == NULL ? NULL : PySequence_GetSlice(raw, 2, PY_SSIZE_T_MAX);
    PyObject *args = rest == NULL ? NULL : PySequence_Tuple(rest);
    PyObject *tb = args == NULL ? NULL : PyObject_CallObject((PyObject *)face->traceback, args);
    Py_XDECREF(args);
    Py_XDECREF(rest);
    Py_XDECREF(raw);
    PyObject *details = ptm_slot_get(self, &as_trace(self)->details);
    if (tb != NULL && details != NULL && PyObject_SetAttrString(tb, "_details", details) < 0) {
        Py_CLEAR(tb);
    }
    Py_XDECREF(details);
    return tb;
}

static PyObject *
trace_get_traceback(PyObject *self, void *unused)
{
    (void)unused;
    ptm_face *face = ptm_face_of(self);
    ptm_view *view = view_of(self);
    if (face == NULL || view == NULL) {
        return face == NULL ? NULL : traceback_of_raw(face, self);
    }
    const ptm_snap_site *site = &view->snap->sites[as_trace(self)->site];
    return ptm_traceback_of_stack(face, view, site);
}

static PyObject *
trace_compare(PyObject *self, PyObject *other, int op)
{
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || (op != Py_EQ && op != Py_NE) || !PyObject_TypeCheck(other, face->trace)) {
        return face == NULL ? NULL : Py_NewRef(Py_NotImplemented);
    }
    const ptm_view *view = view_of(self);
    if (view != NULL && view == view_of(other) && as_trace(self)->site == as_trace(other)->site) {
        return PyBool_FromLong(op == Py_EQ);
    }
    PyObject *a = ptm_trace_raw(self);
    return ptm_compare_and_drop(a, a == NULL ? NULL : ptm_trace_raw(other), op);
}

static Py_hash_t
trace_hash(PyObject *self)
{
    return ptm_hash_and_drop(ptm_trace_raw(self));
}

static PyObject *
size_text(ptm_face *face, PyObject *self)
{
    PyObject *size = ptm_get_attr(self, "size");
    PyObject *text = size == NULL ? NULL : ptm_late_size(face, size, false);
    Py_XDECREF(size);
    return text;
}

static PyObject *
trace_str(PyObject *self)
{
    ptm_face *face = ptm_face_of(self);
    PyObject *tb = face == NULL ? NULL : ptm_get_attr(self, "traceback");
    PyObject *size = tb == NULL ? NULL : size_text(face, self);
    if (size == NULL) {
        Py_XDECREF(tb);
        return NULL;
    }
    return ptm_text_format("%s: %s", Py_BuildValue("(NN)", tb, size));
}

static PyObject *
trace_repr(PyObject *self)
{
    ptm_face *face = ptm_face_of(self);
    PyObject *domain = face == NULL ? NULL : ptm_get_attr(self, "domain");
    PyObject *size = domain == NULL ? NULL : size_text(face, self);
    PyObject *tb = size == NULL ? NULL : ptm_get_attr(self, "traceback");
    if (tb == NULL) {
        Py_XDECREF(size);
        Py_XDECREF(domain);
        return NULL;
    }
    return ptm_text_format("<Trace domain=%s size=%s, traceback=%r>",
                           Py_BuildValue("(NNN)", domain, size, tb));
}

static PyObject *
trace_get_raw(PyObject *self, void *unused)
{
    (void)unused;
    return ptm_trace_raw(self);
}

static int
trace_set_raw(PyObject *self, PyObject *raw, void *unused)
{
    (void)unused;
    set_raw(self, raw);
    return 0;
}

static PyObject *
trace_get_details(PyObject *self, void *unused)
{
    (void)unused;
    if (view_of(self) == NULL) {
        PyObject *details = ptm_slot_get(self, &as_trace(self)->details);
        return details == NULL ? Py_NewRef(Py_None) : details;
    }
    PyObject *tb = trace_get_traceback(self, NULL);
    PyObject *details = tb == NULL ? NULL : ptm_traceback_details(tb);
    Py_XDECREF(tb);
    return details;
}

static int
trace_set_details(PyObject *self, PyObject *details, void *unused)
{
    (void)unused;
    return ptm_details_set(self, &as_trace(self)->details, details);
}

static PyMethodDef trace_methods[] = {
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

/* clang-format off */
#define TRACE_GETSET                                                                      \
    PTM_PROPERTY("domain", trace_get_domain, "Address space of the block (int)."),        \
    PTM_PROPERTY("size", trace_get_size, "Size of the memory block in bytes (int)."),     \
    PTM_PROPERTY("traceback", trace_get_traceback,                                        \
                 "Traceback where the memory block was allocated."),                      \
    {"_trace", trace_get_raw, trace_set_raw, NULL, NULL}
/* clang-format on */

static PyGetSetDef stdlib_getset[] = {
    TRACE_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef main_getset[] = {
    TRACE_GETSET,
    {"_details", trace_get_details, trace_set_details, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(trace_doc, "Trace(trace)\n--\n\nTrace of a memory block.");

/* clang-format off */
#define TRACE_SLOTS(getset)             \
    {Py_tp_doc, (void *)trace_doc},     \
    {Py_tp_init, trace_init},           \
    {Py_tp_dealloc, trace_dealloc},     \
    {Py_tp_traverse, trace_traverse},   \
    {Py_tp_clear, trace_clear},         \
    {Py_tp_richcompare, trace_compare}, \
    {Py_tp_hash, trace_hash},           \
    {Py_tp_str, trace_str},             \
    {Py_tp_repr, trace_repr},           \
    {Py_tp_methods, trace_methods},     \
    {Py_tp_getset, getset},             \
    {0, NULL}
/* clang-format on */

static PyType_Slot main_slots[] = {TRACE_SLOTS(main_getset)};
static PyType_Slot stdlib_slots[] = {TRACE_SLOTS(stdlib_getset)};

int
ptm_trace_setup(PyObject *module)
{
    static const ptm_type_recipe recipe = {
        "pytracemalloc.Trace", "tracemalloc.Trace", sizeof(trace_object), main_slots, stdlib_slots,
    };
    ptm_face *face = PyModule_GetState(module);
    face->trace = ptm_type_new(module, &recipe, NULL);
    return face->trace == NULL ? -1 : 0;
}
