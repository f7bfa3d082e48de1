/* SPDX-License-Identifier: MIT
 *
 * t_snapshot - Snapshot: its traces and what is worked out from them.
 *
 * `traces` and `traceback_limit` live in the instance's dict beside whatever the user adds, as in
 * the standard library. The columns are reached through the traces; if these are a list, columns
 * are made of it for the moment.
 */
#include "py/state.h"

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
    PyObject *self = traces == NULL || traceback_limit == NULL
                         ? NULL
                         : face->snapshot->tp_alloc(face->snapshot, 0);
    if (self != NULL
        && (PyObject_SetAttrString(self, "traces", traces) < 0
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
    if (face == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "OO:Snapshot", names, &raw, &limit)) {
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

/* -- files: _file.py knows how; the stdlib face's are pickles -- */

static PyObject *
call_file_helper(const char *name, PyObject *args)
{
    PyObject *helpers = args == NULL ? NULL : PyImport_ImportModule("pytracemalloc._file");
    PyObject *function = helpers == NULL ? NULL : ptm_get_attr(helpers, name);
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
    return pickle == NULL
               ? NULL
               : call_file_helper("pickle_dump", Py_BuildValue("(NOO)", pickle, self, filename));
}

static PyObject *
snapshot_load_main(PyObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *filename = parse_filename(args, kwargs, "O:load");
    return filename == NULL ? NULL
                            : call_file_helper("load", Py_BuildValue("(OO)", type, filename));
}

static PyObject *
snapshot_load_stdlib(PyObject *type, PyObject *args, PyObject *kwargs)
{
    (void)type;
    PyObject *filename = parse_filename(args, kwargs, "O:load");
    return filename == NULL ? NULL
                            : call_file_helper("pickle_load", Py_BuildValue("(O)", filename));
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
        || ptm_metric_from_object(at, true, &metric) < 0
        || ptm_source_init(&source, face, self) < 0) {
        return NULL;
    }
    PyObject *other = ptm_snapshot_of_view(face, source.view, metric);
    PyObject *traces = other == NULL ? NULL : ptm_get_attr(other, "traces");
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
    PyObject *traces = face == NULL ? NULL : ptm_get_attr(self, "traces");
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
    PyObject *lost = Py_BuildValue("(KK)", (unsigned long long)snap->lost_blocks,
                                   (unsigned long long)snap->lost_bytes);
    ptm_source_fini(&source);
    return lost;
}

static PyMemberDef snapshot_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(snapshot_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(snapshot_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef stdlib_getset[] = {
    PTM_DICT_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef main_getset[] = {
    PTM_DICT_GETSET,
    PTM_PROPERTY("at", snapshot_get_at,
                 "Which blocks this snapshot shows (str): 'end' those alive when it was taken,\n"
                 "'peak' those alive at the peak, 'allocated' all that were ever allocated."),
    PTM_PROPERTY("lost", snapshot_get_lost,
                 "What the tracer could not record up to this moment: (blocks, bytes)."),
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(filter_traces_doc,
             "filter_traces(self, filters)\n--\n\n"
             "Create a new Snapshot instance with a filtered traces sequence, filters\n"
             "is a list of Filter or DomainFilter instances.  If filters is an empty\n"
             "list, return a new Snapshot instance with a copy of the traces.");

PyDoc_STRVAR(dump_doc, "dump(self, filename)\n--\n\nWrite the snapshot into a file.");

static PyMethodDef stdlib_methods[] = {
    {"statistics", PTM_KEYWORDS(ptm_snapshot_statistics),
     PyDoc_STR("statistics(self, key_type, cumulative=False)\n--\n\n"
               "Group statistics by key_type. Return a sorted list of Statistic\ninstances.")},
    {"compare_to", PTM_KEYWORDS(ptm_snapshot_compare_to),
     PyDoc_STR("compare_to(self, old_snapshot, key_type, cumulative=False)\n--\n\n"
               "Compute the differences with an old snapshot old_snapshot. Get\n"
               "statistics as a sorted list of StatisticDiff instances, grouped by\ngroup_by.")},
    {"_filter_trace", ptm_snapshot_filter_trace, METH_VARARGS,
     PyDoc_STR("_filter_trace(self, include_filters, exclude_filters, trace)\n--\n\n")},
    {"_group_by", ptm_snapshot_group_by, METH_VARARGS,
     PyDoc_STR("_group_by(self, key_type, cumulative)\n--\n\n")},
    {"filter_traces", PTM_KEYWORDS(ptm_snapshot_filter_traces), filter_traces_doc},
    {"dump", PTM_KEYWORDS(snapshot_dump), dump_doc},
    {"load", (PyCFunction)(void (*)(void))snapshot_load_stdlib,
     METH_VARARGS | METH_KEYWORDS | METH_STATIC,
     PyDoc_STR("load(filename)\n--\n\nLoad a snapshot from a file.")},
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef main_methods[] = {
    {"statistics", PTM_KEYWORDS(ptm_snapshot_statistics),
     PyDoc_STR("statistics(self, group_by, cumulative=False, *, limit=None, metric=None)\n--\n\n"
               "Get statistics as a sorted list of Statistic instances grouped by\n"
               "'filename', 'lineno', 'traceback', 'function', 'module', 'size' or 'domain'.\n"
               "If cumulative is true, cumulate size and count of all frames of each\n"
               "traceback, with 'once' at most once per block and group; not with\n"
               "'traceback', 'size' and 'domain'. limit=n gives the first n only.\n"
               "metric: which blocks count, 'live' when the snapshot was taken, at the\n"
               "'peak', ever 'allocated' or 'freed' since; None: as the attribute `at` says.\n"
               "key_type= is another name of group_by=.")},
    {"compare_to", PTM_KEYWORDS(ptm_snapshot_compare_to),
     PyDoc_STR("compare_to(self, old_snapshot, group_by, cumulative=False, *, limit=None, "
               "metric=None)\n--\n\n"
               "Compute the differences with an old snapshot. Get statistics as a sorted\n"
               "list of StatisticDiff instances grouped by group_by, see statistics().")},
    {"filter_traces", PTM_KEYWORDS(ptm_snapshot_filter_traces), filter_traces_doc},
    {"view", PTM_KEYWORDS(snapshot_view),
     PyDoc_STR("view(self, at)\n--\n\n"
               "The same snapshot showing other blocks: 'end', 'peak' or 'allocated',\n"
               "see the attribute `at`. Costs nothing: the data are shared.")},
    {"merge", (PyCFunction)(void (*)(void))ptm_snapshot_merge,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR("merge($type, snapshots)\n--\n\n"
               "Add snapshots up to a new one: those of several processes, or of several\n"
               "runs. They must show the same blocks, see the attribute `at`; losses add up\n"
               "and the greatest traceback limit holds. Peaks of several processes are of\n"
               "different moments, so added up they are an upper bound.")},
    {"dump", PTM_KEYWORDS(snapshot_dump),
     PyDoc_STR("dump(self, filename)\n--\n\n"
               "Write the snapshot into a file, a gzipped pprof profile. filename is a path\n"
               "or an open binary file. The file of that path is replaced when the new one\n"
               "is complete.")},
    {"load", (PyCFunction)(void (*)(void))snapshot_load_main,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR("load($type, filename)\n--\n\n"
               "Load a snapshot from a file: a path or an open binary file. Profiles in\n"
               "pprof's format and pickles by the standard library are read. Nothing in the\n"
               "file is run.")},
    {"__arrow_c_stream__", PTM_KEYWORDS(ptm_snapshot_arrow_stream),
     PyDoc_STR("__arrow_c_stream__(self, requested_schema=None)\n--\n\n"
               "The snapshot as a table, a row per place and block size: a PyCapsule of an\n"
               "ArrowArrayStream, which polars, pyarrow, duckdb and pandas take.\n"
               "requested_schema is ignored.")},
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(snapshot_doc, "Snapshot(traces, traceback_limit)\n--\n\n"
                           "Snapshot of traces of memory blocks allocated by Python.");

/* clang-format off */
#define SNAPSHOT_SLOTS(methods, getset)  \
    {Py_tp_doc, (void *)snapshot_doc},   \
    {Py_tp_init, snapshot_init},         \
    {Py_tp_dealloc, snapshot_dealloc},   \
    {Py_tp_traverse, snapshot_traverse}, \
    {Py_tp_clear, snapshot_clear},       \
    {Py_tp_members, snapshot_members},   \
    {Py_tp_methods, methods},            \
    {Py_tp_getset, getset},              \
    {0, NULL}
/* clang-format on */

static PyType_Slot main_slots[] = {SNAPSHOT_SLOTS(main_methods, main_getset)};
static PyType_Slot stdlib_slots[] = {SNAPSHOT_SLOTS(stdlib_methods, stdlib_getset)};

int
ptm_snapshot_setup(PyObject *module)
{
    static const ptm_type_recipe recipe = {
        "pytracemalloc.Snapshot",
        "tracemalloc.Snapshot",
        sizeof(snapshot_object),
        main_slots,
        stdlib_slots,
    };
    ptm_face *face = PyModule_GetState(module);
    face->snapshot = ptm_type_new(module, &recipe, NULL);
    return face->snapshot == NULL ? -1 : 0;
}
