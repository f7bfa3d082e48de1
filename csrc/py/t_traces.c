/* SPDX-License-Identifier: MIT
 *
 * t_traces - the sequence of traces of a snapshot: lazily on a view, where a site with n blocks
 * stands for n equal traces, or a list given by the caller.
 *
 * In the stdlib face `_traces` is a list one may change; once somebody asks for it, the list is the
 * truth and the view is left. In the main face `_traces` is a new list each time.
 */
#include "py/state.h"

#include <stdlib.h>

typedef struct {
    PyObject_HEAD
    PyObject
        *raw; /* list of raw traces, or whatever the constructor was given; NULL: see the view */
    ptm_view *view;    /* NULL: made by the caller */
    ptm_metric metric; /* which count a site stands for */
    uint64_t *ends; /* by site: index behind its last trace; made when first needed, from malloc */
    ptm_site_id cursor; /* site of the last look; atomic */
    PyObject *dict, *weakrefs;
} traces_object;

static inline traces_object *
as_traces(PyObject *self)
{
    return (traces_object *)self;
}

PyObject *
ptm_traces_of_view(ptm_face *face, ptm_view *view, ptm_metric metric)
{
    PyObject *self = face->traces->tp_alloc(face->traces, 0);
    if (self != NULL) {
        as_traces(self)->view = ptm_view_incref(view);
        as_traces(self)->metric = metric;
    }
    return self;
}

PyObject *
ptm_traces_of_raw(ptm_face *face, PyObject *raw)
{
    PyObject *self = face->traces->tp_alloc(face->traces, 0);
    if (self != NULL) {
        as_traces(self)->raw = Py_NewRef(raw);
    }
    return self;
}

ptm_view *
ptm_traces_view(ptm_face *face, PyObject *self, ptm_metric *metric)
{
    if (!PyObject_TypeCheck(self, face->traces)) {
        return NULL;
    }
    *metric = as_traces(self)->metric;
    return as_traces(self)->view;
}

static void
leave_view(traces_object *traces)
{
    ptm_view *view = traces->view;
    traces->view = NULL;
    free(traces->ends);
    traces->ends = NULL;
    ptm_view_decref(view);
}

static void
set_raw(PyObject *self, PyObject *raw)
{
    leave_view(as_traces(self));
    Py_XSETREF(as_traces(self)->raw, Py_XNewRef(raw));
}

static int
traces_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"traces", NULL};
    PyObject *raw;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &raw)) {
        return -1;
    }
    set_raw(self, raw);
    return 0;
}

static int
traces_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_traces(self)->raw);
    Py_VISIT(as_traces(self)->dict);
    return 0;
}

static int
traces_clear(PyObject *self)
{
    Py_CLEAR(as_traces(self)->raw);
    Py_CLEAR(as_traces(self)->dict);
    return 0;
}

static void
traces_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (as_traces(self)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    traces_clear(self);
    leave_view(as_traces(self));
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- the view as a sequence -- */

/* Sites whose blocks have lost their sizes are in the statistics, but they make no traces. */
static uint64_t
traces_of_site(const ptm_snap_site *site, ptm_metric metric)
{
    return site->folded ? 0 : ptm_site_count(site, metric);
}

static uint64_t *
make_ends(const traces_object *traces)
{
    const ptm_snap *snap = traces->view->snap;
    uint64_t *ends = malloc(((size_t)snap->n_sites + 1) * sizeof(uint64_t)), end = 0;
    for (uint32_t i = 0; ends != NULL && i < snap->n_sites; i++) {
        end += traces_of_site(&snap->sites[i], traces->metric);
        ends[i] = end;
    }
    return ends;
}

/* Several threads may ask first. */
static uint64_t *
ends_of(traces_object *traces)
{
    uint64_t *there = PTM_LOAD_ACQUIRE(&traces->ends), *fresh;
    if (there != NULL) {
        return there;
    }
    if ((fresh = make_ends(traces)) == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (PTM_COMPARE_EXCHANGE(&traces->ends, &there, fresh)) {
        return fresh;
    }
    free(fresh);
    return there;
}

static Py_ssize_t
traces_length(PyObject *self)
{
    traces_object *traces = as_traces(self);
    if (traces->view == NULL) {
        if (traces->raw == NULL) {
            ptm_no_attribute(self, "_traces");
        }
        return traces->raw == NULL ? -1 : PyObject_Size(traces->raw);
    }
    const uint64_t *ends = ends_of(traces);
    if (ends == NULL) {
        return -1;
    }
    uint32_t n = traces->view->snap->n_sites;
    uint64_t length = n == 0 ? 0 : ends[n - 1];
    if (length > PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "more traces than a sequence can count");
        return -1;
    }
    return (Py_ssize_t)length;
}

/* The site that trace i belongs to; i is in range. */
static ptm_site_id
site_at(traces_object *traces, uint64_t i)
{
    const uint64_t *ends = traces->ends;
    ptm_site_id site = PTM_LOAD(&traces->cursor);
    if (ends[site] > i && (site == 0 || ends[site - 1] <= i)) {
        return site;
    }
    ptm_site_id low = 0, high = traces->view->snap->n_sites - 1;
    while (low < high) {
        ptm_site_id middle = low + (high - low) / 2;
        if (ends[middle] > i) {
            high = middle;
        }
        else {
            low = middle + 1;
        }
    }
    PTM_STORE(&traces->cursor, low);
    return low;
}

static PyObject *
traces_item(PyObject *self, Py_ssize_t i)
{
    traces_object *traces = as_traces(self);
    ptm_face *face = ptm_face_of(self);
    Py_ssize_t n = face == NULL ? -1 : traces_length(self);
    if (n < 0 || i < 0 || i >= n) {
        if (n >= 0) {
            PyErr_SetString(PyExc_IndexError, "list index out of range");
        }
        return NULL;
    }
    if (traces->view != NULL) {
        return ptm_trace_of_view(face, traces->view, site_at(traces, (uint64_t)i));
    }
    PyObject *raw = ptm_item(traces->raw, i);
    PyObject *trace = raw == NULL ? NULL : ptm_trace_of_raw(face, raw);
    Py_XDECREF(raw);
    return trace;
}

static PyObject *
traces_subscript(PyObject *self, PyObject *index)
{
    return ptm_sequence_subscript(self, index, "list");
}

/* A new list with every trace of the view; equal traces are one tuple. */
PyObject *
ptm_traces_list(ptm_view *view, ptm_metric metric)
{
    PyObject *list = PyList_New(0);
    for (uint32_t site = 0; list != NULL && site < view->snap->n_sites; site++) {
        uint64_t n = traces_of_site(&view->snap->sites[site], metric);
        PyObject *raw = n == 0 ? NULL : ptm_view_trace(view, site);
        bool failed = n != 0 && raw == NULL;
        for (uint64_t i = 0; i < n && !failed; i++) {
            failed = PyList_Append(list, raw) < 0;
        }
        Py_XDECREF(raw);
        if (failed) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
traces_get_raw(PyObject *self, void *unused)
{
    (void)unused;
    traces_object *traces = as_traces(self);
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || traces->view == NULL) {
        if (face != NULL && traces->raw == NULL) {
            ptm_no_attribute(self, "_traces");
        }
        return face == NULL ? NULL : Py_XNewRef(traces->raw);
    }
    PyObject *list = ptm_traces_list(traces->view, traces->metric);
    if (list != NULL && !ptm_face_is_main(face)) {
        set_raw(self, list);
    }
    return list;
}

static int
traces_set_raw(PyObject *self, PyObject *raw, void *unused)
{
    (void)unused;
    set_raw(self, raw);
    return 0;
}

static int
view_contains(const traces_object *traces, PyObject *wanted)
{
    int found = 0;
    for (uint32_t i = 0; found == 0 && i < traces->view->snap->n_sites; i++) {
        if (traces_of_site(&traces->view->snap->sites[i], traces->metric) != 0) {
            PyObject *raw = ptm_view_trace(traces->view, i);
            found = raw == NULL ? -1 : PyObject_RichCompareBool(raw, wanted, Py_EQ);
            Py_XDECREF(raw);
        }
    }
    return found;
}

static int
traces_contains(PyObject *self, PyObject *trace)
{
    traces_object *traces = as_traces(self);
    int found = -1;
    if (traces->view == NULL && traces->raw == NULL) {
        ptm_no_attribute(self, "_traces");
        return -1;
    }
    PyObject *wanted = ptm_get_attr(trace, "_trace");
    if (wanted != NULL) {
        found = traces->view != NULL ? view_contains(traces, wanted)
                                     : PySequence_Contains(traces->raw, wanted);
    }
    Py_XDECREF(wanted);
    return found;
}

/* -- comparing: two views are walked site by site, not trace by trace -- */

typedef struct {
    ptm_view *view;
    ptm_metric metric;
    ptm_site_id site;
    uint64_t left; /* traces of this site not compared yet */
} run;

/* Goes to the next site with traces: 1, or 0 at the end. */
static bool
run_advance(run *r)
{
    while (r->left == 0 && r->site < r->view->snap->n_sites) {
        r->left = traces_of_site(&r->view->snap->sites[r->site++], r->metric);
    }
    return r->left != 0;
}

static int
same_site(run *a, run *b)
{
    const ptm_snap_site *x = &a->view->snap->sites[a->site - 1];
    const ptm_snap_site *y = &b->view->snap->sites[b->site - 1];
    if (x->size != y->size || x->domain != y->domain || x->depth != y->depth) {
        return 0;
    }
    return ptm_stack_compare(a->view->snap, x->stack, b->view->snap, y->stack,
                             PTM_ORDER_RECENT_FIRST)
           == 0;
}

static bool
same_views(traces_object *x, traces_object *y)
{
    run a = {x->view, x->metric, 0, 0}, b = {y->view, y->metric, 0, 0};
    for (;;) {
        bool more_a = run_advance(&a), more_b = run_advance(&b);
        if (!more_a || !more_b) {
            return more_a == more_b;
        }
        if (!same_site(&a, &b)) {
            return false;
        }
        uint64_t n = a.left < b.left ? a.left : b.left;
        a.left -= n;
        b.left -= n;
    }
}

static PyObject *
list_of(traces_object *traces)
{
    if (traces->view != NULL) {
        return ptm_traces_list(traces->view, traces->metric);
    }
    if (traces->raw == NULL) {
        ptm_no_attribute((PyObject *)traces, "_traces");
    }
    return Py_XNewRef(traces->raw);
}

static PyObject *
traces_compare(PyObject *self, PyObject *other, int op)
{
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || (op != Py_EQ && op != Py_NE) || !PyObject_TypeCheck(other, face->traces)) {
        return face == NULL ? NULL : Py_NewRef(Py_NotImplemented);
    }
    traces_object *a = as_traces(self), *b = as_traces(other);
    if (a->view != NULL && b->view != NULL) {
        bool same = (a->view == b->view && a->metric == b->metric) || same_views(a, b);
        return PyBool_FromLong(same == (op == Py_EQ));
    }
    PyObject *list_a = list_of(a);
    PyObject *list_b = list_a == NULL ? NULL : list_of(b);
    PyObject *result = list_b == NULL ? NULL : PyObject_RichCompare(list_a, list_b, op);
    Py_XDECREF(list_b);
    Py_XDECREF(list_a);
    return result;
}

static PyObject *
traces_repr(PyObject *self)
{
    Py_ssize_t n = PyObject_Size(self);
    return n < 0 ? NULL : PyUnicode_FromFormat("<Traces len=%zd>", n);
}

/* The state of a pickle is a dict: {"_traces": list}. */
static PyObject *
traces_setstate(PyObject *self, PyObject *state)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    if (!PyDict_Check(state)) {
        PyErr_SetString(PyExc_TypeError, "the state of traces must be a dict");
        return NULL;
    }
    while (PyDict_Next(state, &position, &key, &value)) {
        if (PyObject_SetAttr(self, key, value) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyMethodDef traces_methods[] = {
    PTM_SEQUENCE_METHODS,
    PTM_PICKLE_METHODS,
    {"__setstate__", traces_setstate, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef traces_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(traces_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(traces_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef traces_getset[] = {
    {"_traces", traces_get_raw, traces_set_raw, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(main_doc, "Traces(traces)\n--\n\nSequence of the traces of a snapshot.");
PyDoc_STRVAR(stdlib_doc, "_Traces(traces)\n--\n\nSequence of the traces of a snapshot.");

/* clang-format off */
#define TRACES_SLOTS(doc)                      \
    {Py_tp_doc, (void *)doc},                  \
    {Py_tp_init, traces_init},                 \
    {Py_tp_dealloc, traces_dealloc},           \
    {Py_tp_traverse, traces_traverse},         \
    {Py_tp_clear, traces_clear},               \
    {Py_tp_richcompare, traces_compare},       \
    {Py_tp_hash, PyObject_HashNotImplemented}, \
    {Py_tp_repr, traces_repr},                 \
    {Py_tp_iter, PySeqIter_New},               \
    {Py_sq_length, traces_length},             \
    {Py_sq_item, traces_item},                 \
    {Py_sq_contains, traces_contains},         \
    {Py_mp_length, traces_length},             \
    {Py_mp_subscript, traces_subscript},       \
    {Py_tp_members, traces_members},           \
    {Py_tp_methods, traces_methods},           \
    {Py_tp_getset, traces_getset},             \
    {0, NULL}
/* clang-format on */

static PyType_Slot main_slots[] = {TRACES_SLOTS(main_doc)};
static PyType_Slot stdlib_slots[] = {TRACES_SLOTS(stdlib_doc)};

int
ptm_traces_setup(PyObject *module)
{
    static const ptm_type_recipe recipe = {
        "pytracemalloc.Traces", "tracemalloc._Traces", sizeof(traces_object), main_slots,
        stdlib_slots,
    };
    ptm_face *face = PyModule_GetState(module);
    face->traces = ptm_type_new(module, &recipe, NULL);
    return face->traces == NULL ? -1 : 0;
}
