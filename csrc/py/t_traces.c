/* SPDX-License-Identifier: MIT
 *
 * t_traces - the sequence of traces of a snapshot: lazily on a view, where a site with n blocks
 * stands for n equal traces, or a list given by the caller.
 *
 * In the stdlib face `_traces` is a list one may change; once somebody asks for it, the list is the
 * truth. The view stays until the end all the same, since other threads may be reading it. In the
 * main face `_traces` is a new list each time.
 */
#include "py/state.h"

#include <stdlib.h>

typedef struct {
    PyObject_HEAD
    PyObject
        *raw; /* list of raw traces, or whatever the constructor was given; NULL: see the view */
    ptm_view *view;    /* NULL: there never was one */
    bool given;        /* raw is the truth; atomic */
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

/* NULL: raw is the truth. */
static ptm_view *
view_of(const traces_object *traces)
{
    return PTM_LOAD_ACQUIRE(&traces->given) ? NULL : traces->view;
}

/* The list, or whatever it is: a new reference, or AttributeError. */
static PyObject *
raw_of(PyObject *self)
{
    PyObject *raw = ptm_slot_get(self, &as_traces(self)->raw);
    return raw != NULL ? raw : ptm_no_attribute(self, "_traces");
}

ptm_view *
ptm_traces_view(ptm_face *face, PyObject *self, ptm_metric *metric)
{
    if (!PyObject_TypeCheck(self, face->traces)) {
        return NULL;
    }
    *metric = as_traces(self)->metric;
    return view_of(as_traces(self));
}

static void
set_raw(PyObject *self, PyObject *raw)
{
    ptm_slot_set(self, &as_traces(self)->raw, Py_XNewRef(raw));
    PTM_STORE_RELEASE(&as_traces(self)->given, true);
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
    free(as_traces(self)->ends);
    ptm_view_decref(as_traces(self)->view);
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
        end = ptm_sum_saturated(end, traces_of_site(&snap->sites[i], traces->metric));
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
view_length(traces_object *traces)
{
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

static Py_ssize_t
traces_length(PyObject *self)
{
    traces_object *traces = as_traces(self);
    return view_of(traces) != NULL ? view_length(traces) : ptm_size_and_drop(raw_of(self));
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
raw_item(ptm_face *face, PyObject *self, Py_ssize_t i)
{
    PyObject *raw = ptm_item_and_drop(raw_of(self), i);
    PyObject *trace = raw == NULL ? NULL : ptm_trace_of_raw(face, raw);
    Py_XDECREF(raw);
    return trace;
}

static PyObject *
traces_item(PyObject *self, Py_ssize_t i)
{
    traces_object *traces = as_traces(self);
    ptm_face *face = ptm_face_of(self);
    ptm_view *view = view_of(traces);
    Py_ssize_t n = face == NULL   ? -1
                   : view != NULL ? view_length(traces)
                                  : ptm_size_and_drop(raw_of(self));
    if (n < 0 || i < 0 || i >= n) {
        if (n >= 0) {
            PyErr_SetString(PyExc_IndexError, "list index out of range");
        }
        return NULL;
    }
    return view != NULL ? ptm_trace_of_view(face, view, site_at(traces, (uint64_t)i))
                        : raw_item(face, self, i);
}

static PyObject *
traces_subscript(PyObject *self, PyObject *index)
{
    static const ptm_sequence_items own = {traces_length, traces_item, "list"};
    return ptm_sequence_subscript(self, index, &own);
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

/* Takes over `list`, which is the truth from now on, unless another thread was quicker. */
static PyObject *
kept_list(PyObject *self, PyObject *list)
{
    ptm_fill_slot(&as_traces(self)->raw, list);
    PTM_STORE_RELEASE(&as_traces(self)->given, true);
    return raw_of(self);
}

static PyObject *
traces_get_raw(PyObject *self, void *unused)
{
    (void)unused;
    ptm_view *view = view_of(as_traces(self));
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || view == NULL) {
        return face == NULL ? NULL : raw_of(self);
    }
    PyObject *list = ptm_traces_list(view, as_traces(self)->metric);
    return list == NULL || ptm_face_is_main(face) ? list : kept_list(self, list);
}

static int
traces_set_raw(PyObject *self, PyObject *raw, void *unused)
{
    (void)unused;
    set_raw(self, raw);
    return 0;
}

static int
view_contains(ptm_view *view, ptm_metric metric, PyObject *wanted)
{
    int found = 0;
    for (uint32_t i = 0; found == 0 && i < view->snap->n_sites; i++) {
        if (traces_of_site(&view->snap->sites[i], metric) != 0) {
            PyObject *raw = ptm_view_trace(view, i);
            found = raw == NULL ? -1 : PyObject_RichCompareBool(raw, wanted, Py_EQ);
            Py_XDECREF(raw);
        }
    }
    return found;
}

static int
traces_contains(PyObject *self, PyObject *trace)
{
    ptm_view *view = view_of(as_traces(self));
    PyObject *raw = view != NULL ? NULL : raw_of(self);
    if (view == NULL && raw == NULL) {
        return -1;
    }
    int found = -1;
    PyObject *wanted = ptm_get_attr(trace, "_trace");
    if (wanted != NULL) {
        found = view != NULL ? view_contains(view, as_traces(self)->metric, wanted)
                             : PySequence_Contains(raw, wanted);
    }
    Py_XDECREF(wanted);
    Py_XDECREF(raw);
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
    ptm_view *view = view_of(traces);
    return view != NULL ? ptm_traces_list(view, traces->metric) : raw_of((PyObject *)traces);
}

static PyObject *
traces_compare(PyObject *self, PyObject *other, int op)
{
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || (op != Py_EQ && op != Py_NE) || !PyObject_TypeCheck(other, face->traces)) {
        return face == NULL ? NULL : Py_NewRef(Py_NotImplemented);
    }
    traces_object *a = as_traces(self), *b = as_traces(other);
    if (view_of(a) != NULL && view_of(b) != NULL) {
        bool same = (a->view == b->view && a->metric == b->metric) || same_views(a, b);
        return PyBool_FromLong(same == (op == Py_EQ));
    }
    PyObject *list = list_of(a);
    return ptm_compare_and_drop(list, list == NULL ? NULL : list_of(b), op);
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
    if (!PyDict_Check(state)) {
        PyErr_SetString(PyExc_TypeError, "the state of traces must be a dict");
        return NULL;
    }
    return ptm_set_attrs(self, state) < 0 ? NULL : Py_NewRef(Py_None);
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
    PTM_DICT_GETSET,
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
