/* SPDX-License-Identifier: MIT
 *
 * t_snapshot - Snapshot: its traces and what is worked out from them.
 *
 * `traces` and `traceback_limit` live in the instance's dict beside whatever the user adds, as in the standard
 * library. The columns are reached through the traces; if these are a list, columns are made of it for the moment.
 */
#include "py/state.h"

#include <stdlib.h>

typedef struct {
    PyObject_HEAD
    PyObject *dict, *weakrefs;
} snapshot_object;

static inline snapshot_object *
as_snapshot(PyObject *self)
{
    return (snapshot_object *)self;
}

PyObject *
ptm_snapshot_new(ptm_face *face, PyObject *traces, PyObject *traceback_limit)
{
    PyObject *self = traces == NULL || traceback_limit == NULL ? NULL : face->snapshot->tp_alloc(face->snapshot, 0);
    if (self != NULL && (PyObject_SetAttrString(self, "traces", traces) < 0
                         || PyObject_SetAttrString(self, "traceback_limit", traceback_limit) < 0)) {
        Py_CLEAR(self);
    }
    Py_XDECREF(traces);
    Py_XDECREF(traceback_limit);
    return self;
}

PyObject *
ptm_snapshot_of_view(ptm_face *face, ptm_view *view, ptm_metric metric)
{
    return ptm_snapshot_new(face, ptm_traces_of_view(face, view, metric),
                            PyLong_FromUnsignedLong(view->snap->traceback_limit));
}

static int
snapshot_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"traces", "traceback_limit", NULL};
    PyObject *raw, *limit;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "OO:Snapshot", names, &raw, &limit)) {
        return -1;
    }
    PyObject *traces = ptm_traces_of_raw(face, raw);
    int failed = traces == NULL || PyObject_SetAttrString(self, "traces", traces) < 0
                 || PyObject_SetAttrString(self, "traceback_limit", limit) < 0;
    Py_XDECREF(traces);
    return failed ? -1 : 0;
}

static int
snapshot_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_snapshot(self)->dict);
    return 0;
}

static int
snapshot_clear(PyObject *self)
{
    Py_CLEAR(as_snapshot(self)->dict);
    return 0;
}

static void
snapshot_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (as_snapshot(self)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    snapshot_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- the columns behind a snapshot -- */

int
ptm_source_init(ptm_source *source, ptm_face *face, PyObject *snapshot)
{
    *source = (ptm_source){NULL, PTM_METRIC_LIVE, NULL};
    PyObject *traces = PyObject_GetAttrString(snapshot, "traces");
    if (traces == NULL) {
        return -1;
    }
    ptm_view *view = ptm_traces_view(face, traces, &source->metric);
    if (view != NULL) {
        source->view = ptm_view_incref(view);
    }
    else {
        source->metric = PTM_METRIC_LIVE;
        source->raw = PyObject_GetAttrString(traces, "_traces");
        source->view = source->raw == NULL ? NULL : ptm_view_of_raw(source->raw, 1);
    }
    Py_DECREF(traces);
    if (source->view == NULL) {
        ptm_source_fini(source);
        return -1;
    }
    return 0;
}

void
ptm_source_fini(ptm_source *source)
{
    ptm_view_decref(source->view);
    Py_XDECREF(source->raw);
    *source = (ptm_source){NULL, PTM_METRIC_LIVE, NULL};
}

/* -- grouping -- */

static int
key_type_from_object(ptm_face *face, PyObject *key_type, ptm_by *by)
{
    static const char *const names[] = {
        [PTM_BY_FILE] = "filename", [PTM_BY_LINE] = "lineno", [PTM_BY_TRACEBACK] = "traceback",
    };
    for (size_t i = 0; i < PTM_ARRAY_LEN(names) && PyUnicode_Check(key_type); i++) {
        if (PyUnicode_CompareWithASCIIString(key_type, names[i]) == 0) {
            *by = (ptm_by)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "unknown %s: %R", ptm_face_is_main(face) ? "group_by" : "key_type", key_type);
    return -1;
}

typedef struct {
    PyObject *self, *old, *key_type;
    ptm_face *face;
    int cumulative;
} grouping;

static int
query_of(const grouping *g, ptm_group_query *query)
{
    *query = (ptm_group_query){
        .metric = PTM_METRIC_LIVE,
        .cumulative = g->cumulative ? PTM_CUMULATIVE_FRAMES : PTM_FLAT,
        .order = ptm_face_is_main(g->face) ? PTM_ORDER_RECENT_FIRST : PTM_ORDER_OLDEST_FIRST,
    };
    if (key_type_from_object(g->face, g->key_type, &query->by) < 0) {
        return -1;
    }
    if (g->cumulative && query->by == PTM_BY_TRACEBACK) {
        PyErr_Format(PyExc_ValueError, "cumulative mode cannot by used with key type %R", g->key_type);
        return -1;
    }
    return 0;
}

/* The main face has two names for one argument: group_by, and the standard library's key_type. */
static PyObject *
one_key_type(const char *function, PyObject *group_by, PyObject *key_type)
{
    if (group_by != NULL && key_type != NULL) {
        PyErr_Format(PyExc_TypeError, "%s() got both group_by and key_type, which are one argument", function);
        return NULL;
    }
    if (group_by == NULL && key_type == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing required argument 'group_by'", function);
    }
    return group_by != NULL ? group_by : key_type;
}

static int
parse_statistics(grouping *g, PyObject *args, PyObject *kwargs)
{
    static char *main_names[] = {"group_by", "cumulative", "key_type", NULL};
    static char *stdlib_names[] = {"key_type", "cumulative", NULL};
    PyObject *group_by = NULL, *key_type = NULL;
    if (ptm_face_is_main(g->face)) {
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Op$O:statistics", main_names,
                                         &group_by, &g->cumulative, &key_type)) {
            return -1;
        }
        g->key_type = one_key_type("statistics", group_by, key_type);
        return g->key_type == NULL ? -1 : 0;
    }
    return PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:statistics", stdlib_names, &g->key_type, &g->cumulative)
               ? 0
               : -1;
}

static int
parse_compare(grouping *g, PyObject *args, PyObject *kwargs)
{
    static char *main_names[] = {"old_snapshot", "group_by", "cumulative", "key_type", NULL};
    static char *stdlib_names[] = {"old_snapshot", "key_type", "cumulative", NULL};
    PyObject *group_by = NULL, *key_type = NULL;
    if (ptm_face_is_main(g->face)) {
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|Op$O:compare_to", main_names,
                                         &g->old, &group_by, &g->cumulative, &key_type)) {
            return -1;
        }
        g->key_type = one_key_type("compare_to", group_by, key_type);
        return g->key_type == NULL ? -1 : 0;
    }
    return PyArg_ParseTupleAndKeywords(args, kwargs, "OO|p:compare_to", stdlib_names,
                                       &g->old, &g->key_type, &g->cumulative)
               ? 0
               : -1;
}

static PyObject *
statistic_of_row(ptm_face *face, ptm_view *view, ptm_by by, const ptm_group_row *row, bool diff)
{
    PyObject *tb = ptm_traceback_of_view(face, view, (ptm_tb_kind)by, row->key, 0);
    PyObject *statistic = tb == NULL ? NULL
                          : diff     ? ptm_statistic_diff_new(face, tb, row)
                                     : ptm_statistic_new(face, tb, row);
    Py_XDECREF(tb);
    return statistic;
}

static PyObject *
list_of_rows(ptm_face *face, ptm_view *new_view, ptm_view *old_view, ptm_by by, const ptm_groups *groups)
{
    PyObject *list = PyList_New((Py_ssize_t)groups->n_rows);
    for (size_t i = 0; list != NULL && i < groups->n_rows; i++) {
        const ptm_group_row *row = &groups->rows[i];
        ptm_view *view = old_view != NULL && row->snap == 1 ? old_view : new_view;
        PyObject *statistic = statistic_of_row(face, view, by, row, old_view != NULL);
        if (statistic == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, statistic);
        }
    }
    return list;
}

static PyObject *
statistics_of(const grouping *g)
{
    ptm_group_query query;
    ptm_source source;
    ptm_groups groups;
    if (query_of(g, &query) < 0 || ptm_source_init(&source, g->face, g->self) < 0) {
        return NULL;
    }
    query.metric = source.metric;
    ptm_err err = ptm_group(source.view->snap, &query, &groups);
    PyObject *list = err != PTM_OK ? ptm_raise(err) : list_of_rows(g->face, source.view, NULL, query.by, &groups);
    if (err == PTM_OK) {
        ptm_groups_free(&groups);
    }
    ptm_source_fini(&source);
    return list;
}

static PyObject *
snapshot_statistics(PyObject *self, PyObject *args, PyObject *kwargs)
{
    grouping g = {.self = self, .face = ptm_face_of(self)};
    if (g.face == NULL || parse_statistics(&g, args, kwargs) < 0) {
        return NULL;
    }
    return statistics_of(&g);
}

/* Private in the standard library, and called by compare_to() on whatever the old snapshot is. */
static PyObject *
snapshot_group_by(PyObject *self, PyObject *args)
{
    grouping g = {.self = self, .face = ptm_face_of(self)};
    if (g.face == NULL || !PyArg_ParseTuple(args, "Op:_group_by", &g.key_type, &g.cumulative)) {
        return NULL;
    }
    PyObject *list = statistics_of(&g);
    PyObject *dict = list == NULL ? NULL : PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < PyList_GET_SIZE(list); i++) {
        PyObject *statistic = PyList_GET_ITEM(list, i);
        PyObject *tb = PyObject_GetAttrString(statistic, "traceback");
        if (tb == NULL || PyDict_SetItem(dict, tb, statistic) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(tb);
    }
    Py_XDECREF(list);
    return dict;
}

/* One metric serves both sides of a difference; a snapshot of another moment is worth a word. */
static int
check_same_metric(const ptm_source *a, const ptm_source *b)
{
    bool mixed = (a->metric == PTM_METRIC_ALLOCATED) != (b->metric == PTM_METRIC_ALLOCATED);
    if (mixed) {
        PyErr_SetString(PyExc_ValueError, "allocated blocks cannot be compared with blocks in memory");
    }
    return mixed ? -1 : 0;
}

static PyObject *
differences_of(const grouping *g)
{
    ptm_group_query query;
    ptm_source new_source, old_source;
    ptm_groups groups;
    PyObject *list = NULL;
    if (query_of(g, &query) < 0 || ptm_source_init(&new_source, g->face, g->self) < 0) {
        return NULL;
    }
    if (ptm_source_init(&old_source, g->face, g->old) == 0) {
        if (check_same_metric(&new_source, &old_source) == 0) {
            query.metric = new_source.metric;
            ptm_err err = ptm_diff(new_source.view->snap, old_source.view->snap, &query, &groups);
            if (err != PTM_OK) {
                ptm_raise(err);
            }
            else {
                list = list_of_rows(g->face, new_source.view, old_source.view, query.by, &groups);
                ptm_groups_free(&groups);
            }
        }
        ptm_source_fini(&old_source);
    }
    ptm_source_fini(&new_source);
    return list;
}

/* stdlib face, an old snapshot of another class: as the standard library writes it. */
static PyObject *
differences_by_dicts(const grouping *g)
{
    PyObject *cumulative = g->cumulative ? Py_True : Py_False;
    PyObject *compare = ptm_face_lookup(g->face, "_compare_grouped_stats");
    PyObject *key = PyObject_GetAttrString((PyObject *)g->face->statistic_diff, "_sort_key");
    PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */
    PyObject *sorted = PyDict_GetItemString(builtins, "sorted");
    PyObject *new_group = PyObject_CallMethod(g->self, "_group_by", "OO", g->key_type, cumulative);
    PyObject *old_group =
        new_group == NULL ? NULL : PyObject_CallMethod(g->old, "_group_by", "OO", g->key_type, cumulative);
    PyObject *list = NULL;
    if (old_group != NULL && compare != NULL && key != NULL && sorted != NULL) {
        PyObject *unsorted = PyObject_CallFunctionObjArgs(compare, old_group, new_group, NULL);
        PyObject *args = unsorted == NULL ? NULL : Py_BuildValue("(N)", unsorted);
        PyObject *kwargs = args == NULL ? NULL : Py_BuildValue("{sOsO}", "key", key, "reverse", Py_True);
        list = kwargs == NULL ? NULL : PyObject_Call(sorted, args, kwargs);
        Py_XDECREF(kwargs);
        Py_XDECREF(args);
    }
    Py_XDECREF(old_group);
    Py_XDECREF(new_group);
    Py_XDECREF(key);
    Py_XDECREF(compare);
    return list;
}

static PyObject *
snapshot_compare_to(PyObject *self, PyObject *args, PyObject *kwargs)
{
    grouping g = {.self = self, .face = ptm_face_of(self)};
    if (g.face == NULL || parse_compare(&g, args, kwargs) < 0) {
        return NULL;
    }
    if (PyObject_TypeCheck(g.old, g.face->snapshot)) {
        return differences_of(&g);
    }
    if (!ptm_face_is_main(g.face)) {
        return differences_by_dicts(&g);
    }
    return PyErr_Format(PyExc_TypeError, "old_snapshot must be a Snapshot, not %.200s", Py_TYPE(g.old)->tp_name);
}

/* -- filtering -- */

/* The items of `list` whose byte in `keep` is set. */
static PyObject *
kept_items(PyObject *list, const uint8_t *keep, uint32_t n)
{
    PyObject *kept = PyList_New(0);
    PyObject *items = kept == NULL ? NULL : PySequence_Fast(list, "traces must be a sequence");
    for (Py_ssize_t i = 0; items != NULL && i < PySequence_Fast_GET_SIZE(items) && i < (Py_ssize_t)n; i++) {
        if (keep[i] && PyList_Append(kept, PySequence_Fast_GET_ITEM(items, i)) < 0) {
            Py_CLEAR(items);
        }
    }
    if (items == NULL) {
        Py_CLEAR(kept);
    }
    Py_XDECREF(items);
    return kept;
}

static PyObject *
kept_traces(ptm_face *face, const ptm_source *source, const uint8_t *keep)
{
    if (source->raw != NULL) {
        PyObject *list = kept_items(source->raw, keep, source->view->snap->n_sites);
        PyObject *traces = list == NULL ? NULL : ptm_traces_of_raw(face, list);
        Py_XDECREF(list);
        return traces;
    }
    ptm_snap *snap;
    ptm_err err = ptm_snap_subset(source->view->snap, keep, &snap);
    ptm_view *view = err == PTM_OK ? ptm_view_new(snap) : (ptm_raise(err), NULL);
    PyObject *traces = NULL;
    if (view != NULL) {
        view->time_nanos = source->view->time_nanos;
        traces = ptm_traces_of_view(face, view, source->metric);
    }
    ptm_view_decref(view);
    return traces;
}

/* Asks filters of other classes once for each site. */
static int
match_sites(ptm_view *view, PyObject *filters, uint8_t *keep)
{
    for (uint32_t i = 0; i < view->snap->n_sites; i++) {
        PyObject *raw = ptm_view_trace(view, i);
        int kept = raw == NULL ? -1 : ptm_filters_match(filters, raw);
        Py_XDECREF(raw);
        if (kept < 0) {
            return -1;
        }
        keep[i] = (uint8_t)kept;
    }
    return 0;
}

/* As the standard library: every trace of the list meets every filter. */
static PyObject *
filter_list(ptm_face *face, PyObject *raw, PyObject *filters)
{
    PyObject *kept = PyList_New(0);
    PyObject *iterator = kept == NULL ? NULL : PyObject_GetIter(raw), *trace;
    bool failed = iterator == NULL;
    while (!failed && (trace = PyIter_Next(iterator)) != NULL) {
        int answer = ptm_filters_match(filters, trace);
        failed = answer < 0 || (answer > 0 && PyList_Append(kept, trace) < 0);
        Py_DECREF(trace);
    }
    Py_XDECREF(iterator);
    PyObject *traces = failed || PyErr_Occurred() ? NULL : ptm_traces_of_raw(face, kept);
    Py_XDECREF(kept);
    return traces;
}

static PyObject *
filter_source(ptm_face *face, const ptm_source *source, PyObject *filters)
{
    uint8_t *keep = calloc((size_t)source->view->snap->n_sites + 1, 1);
    if (keep == NULL) {
        return PyErr_NoMemory();
    }
    int done = ptm_filters_compile(face, source->view, filters, keep);
    if (done == 0 && source->raw == NULL) {
        done = match_sites(source->view, filters, keep) < 0 ? -1 : 1;
    }
    PyObject *traces = done > 0    ? kept_traces(face, source, keep)
                       : done == 0 ? filter_list(face, source->raw, filters)
                                   : NULL;
    free(keep);
    return traces;
}

/* A list that cannot be made into columns (old dumps, odd types) is filtered as it is. */
static PyObject *
filtered_traces(ptm_face *face, PyObject *self, PyObject *filters)
{
    ptm_source source;
    if (ptm_source_init(&source, face, self) == 0) {
        PyObject *traces = filter_source(face, &source, filters);
        ptm_source_fini(&source);
        return traces;
    }
    PyErr_Clear();
    PyObject *traces = PyObject_GetAttrString(self, "traces");
    PyObject *raw = traces == NULL ? NULL : PyObject_GetAttrString(traces, "_traces");
    PyObject *result = raw == NULL ? NULL : filter_list(face, raw, filters);
    Py_XDECREF(raw);
    Py_XDECREF(traces);
    return result;
}

static PyObject *
copied_traces(ptm_face *face, PyObject *self)
{
    ptm_metric metric;
    PyObject *traces = PyObject_GetAttrString(self, "traces");
    if (traces == NULL) {
        return NULL;
    }
    ptm_view *view = ptm_traces_view(face, traces, &metric);
    PyObject *result = NULL;
    if (view != NULL) {
        result = ptm_traces_of_view(face, view, metric);
    }
    else {
        PyObject *raw = PyObject_GetAttrString(traces, "_traces");
        PyObject *copy = raw == NULL ? NULL : PyObject_CallMethod(raw, "copy", NULL);
        result = copy == NULL ? NULL : ptm_traces_of_raw(face, copy);
        Py_XDECREF(copy);
        Py_XDECREF(raw);
    }
    Py_DECREF(traces);
    return result;
}

static PyObject *
snapshot_filter_traces(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"filters", NULL};
    PyObject *filters;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "O:filter_traces", names, &filters)) {
        return NULL;
    }
    if (Py_TYPE(filters)->tp_iter == NULL) {
        return PyErr_Format(PyExc_TypeError, "filters must be a list of filters, not %.200s",
                            Py_TYPE(filters)->tp_name);
    }
    int any = PyObject_IsTrue(filters);
    PyObject *list = any < 0 ? NULL : PySequence_List(filters);
    if (list == NULL) {
        return NULL;
    }
    PyObject *traces = any ? filtered_traces(face, self, list) : copied_traces(face, self);
    Py_DECREF(list);
    return traces == NULL ? NULL
                          : ptm_snapshot_new(face, traces, PyObject_GetAttrString(self, "traceback_limit"));
}

/* -- files: _file.py knows how; the stdlib face's are pickles -- */

static PyObject *
call_file_helper(const char *name, PyObject *args)
{
    PyObject *helpers = args == NULL ? NULL : PyImport_ImportModule("pytracemalloc._file");
    PyObject *function = helpers == NULL ? NULL : PyObject_GetAttrString(helpers, name);
    PyObject *result = function == NULL ? NULL : PyObject_CallObject(function, args);
    Py_XDECREF(function);
    Py_XDECREF(helpers);
    Py_XDECREF(args);
    return result;
}

static PyObject *
parse_filename(PyObject *args, PyObject *kwargs, const char *format)
{
    static char *names[] = {"filename", NULL};
    PyObject *filename;
    return PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &filename) ? filename : NULL;
}

static PyObject *
snapshot_dump(PyObject *self, PyObject *args, PyObject *kwargs)
{
    ptm_face *face = ptm_face_of(self);
    PyObject *filename = face == NULL ? NULL : parse_filename(args, kwargs, "O:dump");
    if (filename == NULL) {
        return NULL;
    }
    if (ptm_face_is_main(face)) {
        return call_file_helper("dump", Py_BuildValue("(OO)", self, filename));
    }
    PyObject *pickle = ptm_face_lookup_module(face, "pickle");
    return pickle == NULL ? NULL : call_file_helper("pickle_dump", Py_BuildValue("(NOO)", pickle, self, filename));
}

static PyObject *
snapshot_load_main(PyObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *filename = parse_filename(args, kwargs, "O:load");
    return filename == NULL ? NULL : call_file_helper("load", Py_BuildValue("(OO)", type, filename));
}

static PyObject *
snapshot_load_stdlib(PyObject *type, PyObject *args, PyObject *kwargs)
{
    (void)type;
    PyObject *filename = parse_filename(args, kwargs, "O:load");
    return filename == NULL ? NULL : call_file_helper("pickle_load", Py_BuildValue("(O)", filename));
}

/* -- what the main face adds -- */

static PyObject *
snapshot_view(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"at", NULL};
    PyObject *at;
    ptm_metric metric;
    ptm_source source;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "O:view", names, &at)
        || ptm_metric_from_object(at, true, &metric) < 0 || ptm_source_init(&source, face, self) < 0) {
        return NULL;
    }
    PyObject *other = ptm_snapshot_of_view(face, source.view, metric);
    PyObject *traces = other == NULL ? NULL : PyObject_GetAttrString(other, "traces");
    ptm_source_fini(&source);
    if (traces == NULL || as_snapshot(self)->dict == NULL
        || PyDict_Update(as_snapshot(other)->dict, as_snapshot(self)->dict) < 0
        || PyObject_SetAttrString(other, "traces", traces) < 0) {
        Py_CLEAR(other);
    }
    Py_XDECREF(traces);
    return other;
}

static PyObject *
snapshot_get_at(PyObject *self, void *unused)
{
    (void)unused;
    ptm_metric metric = PTM_METRIC_LIVE;
    ptm_face *face = ptm_face_of(self);
    PyObject *traces = face == NULL ? NULL : PyObject_GetAttrString(self, "traces");
    if (traces == NULL) {
        return NULL;
    }
    if (ptm_traces_view(face, traces, &metric) == NULL) {
        metric = PTM_METRIC_LIVE;
    }
    Py_DECREF(traces);
    return PyUnicode_FromString(ptm_metric_name(metric));
}

static PyObject *
snapshot_get_lost(PyObject *self, void *unused)
{
    (void)unused;
    ptm_source source;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || ptm_source_init(&source, face, self) < 0) {
        return NULL;
    }
    const ptm_snap *snap = source.view->snap;
    PyObject *lost = Py_BuildValue("(KK)", (unsigned long long)snap->lost_blocks, (unsigned long long)snap->lost_bytes);
    ptm_source_fini(&source);
    return lost;
}

static PyMemberDef snapshot_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(snapshot_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(snapshot_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define DICT_GETSET {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL}

static PyGetSetDef stdlib_getset[] = {
    DICT_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef main_getset[] = {
    DICT_GETSET,
    {"at", snapshot_get_at, NULL,
     PyDoc_STR("Which blocks this snapshot shows (str): 'end' those alive when it was taken,\n"
               "'peak' those alive at the peak, 'allocated' all that were ever allocated."), NULL},
    {"lost", snapshot_get_lost, NULL,
     PyDoc_STR("What the tracer could not record up to this moment: (blocks, bytes)."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define KEYWORDS(function) (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS

PyDoc_STRVAR(filter_traces_doc,
"filter_traces(self, filters)\n--\n\n"
"Create a new Snapshot instance with a filtered traces sequence, filters\n"
"is a list of Filter or DomainFilter instances.  If filters is an empty\n"
"list, return a new Snapshot instance with a copy of the traces.");

PyDoc_STRVAR(dump_doc, "dump(self, filename)\n--\n\nWrite the snapshot into a file.");

static PyMethodDef stdlib_methods[] = {
    {"statistics", KEYWORDS(snapshot_statistics),
     PyDoc_STR("statistics(self, key_type, cumulative=False)\n--\n\n"
               "Group statistics by key_type. Return a sorted list of Statistic\ninstances.")},
    {"compare_to", KEYWORDS(snapshot_compare_to),
     PyDoc_STR("compare_to(self, old_snapshot, key_type, cumulative=False)\n--\n\n"
               "Compute the differences with an old snapshot old_snapshot. Get\n"
               "statistics as a sorted list of StatisticDiff instances, grouped by\ngroup_by.")},
    {"_group_by", snapshot_group_by, METH_VARARGS, PyDoc_STR("_group_by(self, key_type, cumulative)\n--\n\n")},
    {"filter_traces", KEYWORDS(snapshot_filter_traces), filter_traces_doc},
    {"dump", KEYWORDS(snapshot_dump), dump_doc},
    {"load", (PyCFunction)(void (*)(void))snapshot_load_stdlib, METH_VARARGS | METH_KEYWORDS | METH_STATIC,
     PyDoc_STR("load(filename)\n--\n\nLoad a snapshot from a file.")},
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef main_methods[] = {
    {"statistics", KEYWORDS(snapshot_statistics),
     PyDoc_STR("statistics(self, group_by, cumulative=False)\n--\n\n"
               "Get statistics as a sorted list of Statistic instances grouped by\n"
               "'filename', 'lineno' or 'traceback'. If cumulative is true, cumulate size\n"
               "and count of all frames of each traceback; not with 'traceback'.\n"
               "key_type= is another name of group_by=.")},
    {"compare_to", KEYWORDS(snapshot_compare_to),
     PyDoc_STR("compare_to(self, old_snapshot, group_by, cumulative=False)\n--\n\n"
               "Compute the differences with an old snapshot. Get statistics as a sorted\n"
               "list of StatisticDiff instances grouped by group_by, see statistics().")},
    {"filter_traces", KEYWORDS(snapshot_filter_traces), filter_traces_doc},
    {"view", KEYWORDS(snapshot_view),
     PyDoc_STR("view(self, at)\n--\n\n"
               "The same snapshot showing other blocks: 'end', 'peak' or 'allocated',\n"
               "see the attribute `at`. Costs nothing: the data are shared.")},
    {"dump", KEYWORDS(snapshot_dump),
     PyDoc_STR("dump(self, filename)\n--\n\n"
               "Write the snapshot into a file, a gzipped pprof profile. An existing file\n"
               "is replaced when the new one is complete.")},
    {"load", (PyCFunction)(void (*)(void))snapshot_load_main, METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR("load($type, filename)\n--\n\nLoad a snapshot from a file.")},
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(snapshot_doc,
"Snapshot(traces, traceback_limit)\n--\n\n"
"Snapshot of traces of memory blocks allocated by Python.");

#define SNAPSHOT_SLOTS(methods, getset)       \
    {Py_tp_doc, (void *)snapshot_doc},        \
    {Py_tp_init, snapshot_init},              \
    {Py_tp_dealloc, snapshot_dealloc},        \
    {Py_tp_traverse, snapshot_traverse},      \
    {Py_tp_clear, snapshot_clear},            \
    {Py_tp_members, snapshot_members},        \
    {Py_tp_methods, methods},                 \
    {Py_tp_getset, getset},                   \
    {0, NULL}

static PyType_Slot main_slots[] = {SNAPSHOT_SLOTS(main_methods, main_getset)};
static PyType_Slot stdlib_slots[] = {SNAPSHOT_SLOTS(stdlib_methods, stdlib_getset)};

int
ptm_snapshot_setup(PyObject *module)
{
    static const ptm_type_recipe recipe = {
        "pytracemalloc.Snapshot", "tracemalloc.Snapshot", sizeof(snapshot_object), main_slots, stdlib_slots,
    };
    ptm_face *face = PyModule_GetState(module);
    face->snapshot = ptm_type_new(module, &recipe, NULL);
    return face->snapshot == NULL ? -1 : 0;
}
