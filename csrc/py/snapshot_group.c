/* SPDX-License-Identifier: MIT
 *
 * snapshot_group - statistics() and compare_to().
 */
#include "py/state.h"

/* The stdlib face knows the first three. */
static int
key_type_from_object(ptm_face *face, PyObject *key_type, ptm_by *by)
{
    static const char *const names[] = {
        [PTM_BY_FILE] = "filename",       [PTM_BY_LINE] = "lineno",
        [PTM_BY_TRACEBACK] = "traceback", [PTM_BY_FUNCTION] = "function",
        [PTM_BY_MODULE] = "module",       [PTM_BY_SIZE] = "size",
        [PTM_BY_DOMAIN] = "domain",
    };
    size_t n = ptm_face_is_main(face) ? PTM_ARRAY_LEN(names) : PTM_BY_TRACEBACK + 1;
    for (size_t i = 0; i < n && PyUnicode_Check(key_type); i++) {
        if (PyUnicode_CompareWithASCIIString(key_type, names[i]) == 0) {
            *by = (ptm_by)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "unknown %s: %R",
                 ptm_face_is_main(face) ? "group_by" : "key_type", key_type);
    return -1;
}

typedef struct {
    PyObject *self, *old, *key_type;
    ptm_face *face;
    ptm_cumulative cumulative;
    size_t limit;      /* rows; SIZE_MAX: all */
    bool has_metric;   /* else the snapshot's own */
    ptm_metric metric; /* only with has_metric */
} grouping;

static int
query_of(const grouping *g, ptm_group_query *query)
{
    *query = (ptm_group_query){
        .metric = PTM_METRIC_LIVE,
        .cumulative = g->cumulative,
        .order = ptm_face_is_main(g->face) ? PTM_ORDER_RECENT_FIRST : PTM_ORDER_OLDEST_FIRST,
        .limit = g->limit,
    };
    if (key_type_from_object(g->face, g->key_type, &query->by) < 0) {
        return -1;
    }
    bool of_frames = query->by == PTM_BY_FILE || query->by == PTM_BY_LINE
                     || query->by == PTM_BY_FUNCTION || query->by == PTM_BY_MODULE;
    if (g->cumulative != PTM_FLAT && !of_frames) {
        PyErr_Format(PyExc_ValueError, "cumulative mode cannot by used with key type %R",
                     g->key_type);
        return -1;
    }
    return 0;
}

/* -- arguments --------------------------------------------------------------------------------- */

/* False, True, or in the main face 'once'. */
static int
cumulative_from_object(grouping *g, PyObject *value)
{
    if (PyUnicode_Check(value) && ptm_face_is_main(g->face)) {
        if (PyUnicode_CompareWithASCIIString(value, "once") != 0) {
            PyErr_Format(PyExc_ValueError,
                         "unknown cumulative: %R, it must be False, True or 'once'", value);
            return -1;
        }
        g->cumulative = PTM_CUMULATIVE_ONCE;
        return 0;
    }
    int truth = PyObject_IsTrue(value);
    g->cumulative = truth > 0 ? PTM_CUMULATIVE_FRAMES : PTM_FLAT;
    return truth < 0 ? -1 : 0;
}

static int
limit_from_object(grouping *g, PyObject *value)
{
    g->limit = SIZE_MAX;
    if (value == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(value)) {
        PyErr_Format(PyExc_TypeError, "limit must be an int or None, not %.200s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_ssize_t limit = PyNumber_AsSsize_t(value, NULL); /* a huge one is cut to the greatest */
    if (limit < 0) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "limit must be 0 or more, not %R", value);
        }
        return -1;
    }
    g->limit = (size_t)limit;
    return 0;
}

static int
metric_from_object(grouping *g, PyObject *value)
{
    g->has_metric = value != Py_None;
    return g->has_metric ? ptm_metric_from_word(value, &g->metric) : 0;
}

/* The main face has two names for one argument: group_by, and the standard library's key_type. */
static PyObject *
one_key_type(const char *function, PyObject *group_by, PyObject *key_type)
{
    if (group_by != NULL && key_type != NULL) {
        PyErr_Format(PyExc_TypeError, "%s() got both group_by and key_type, which are one argument",
                     function);
        return NULL;
    }
    if (group_by == NULL && key_type == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing required argument 'group_by'", function);
    }
    return group_by != NULL ? group_by : key_type;
}

/* What either method is given beside the old snapshot. */
typedef struct {
    PyObject *group_by, *key_type, *cumulative, *limit, *metric;
} arguments;
#define NO_ARGUMENTS ((arguments){NULL, NULL, Py_False, Py_None, Py_None})

static int
take_arguments(grouping *g, const char *function, const arguments *given)
{
    g->key_type = given->key_type;
    if (ptm_face_is_main(g->face)) {
        g->key_type = one_key_type(function, given->group_by, given->key_type);
    }
    return g->key_type == NULL || cumulative_from_object(g, given->cumulative) < 0
                   || limit_from_object(g, given->limit) < 0
                   || metric_from_object(g, given->metric) < 0
               ? -1
               : 0;
}

static int
parse_statistics(grouping *g, PyObject *args, PyObject *kwargs)
{
    static char *main_names[] = {"group_by", "cumulative", "key_type", "limit", "metric", NULL};
    static char *stdlib_names[] = {"key_type", "cumulative", NULL};
    arguments given = NO_ARGUMENTS;
    int parsed = ptm_face_is_main(g->face)
                     ? PyArg_ParseTupleAndKeywords(args, kwargs, "|OO$OOO:statistics", main_names,
                                                   &given.group_by, &given.cumulative,
                                                   &given.key_type, &given.limit, &given.metric)
                     : PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:statistics", stdlib_names,
                                                   &given.key_type, &given.cumulative);
    return parsed ? take_arguments(g, "statistics", &given) : -1;
}

static int
parse_compare(grouping *g, PyObject *args, PyObject *kwargs)
{
    static char *main_names[] = {"old_snapshot", "group_by", "cumulative", "key_type",
                                 "limit",        "metric",   NULL};
    static char *stdlib_names[] = {"old_snapshot", "key_type", "cumulative", NULL};
    arguments given = NO_ARGUMENTS;
    int parsed = ptm_face_is_main(g->face)
                     ? PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO$OOO:compare_to", main_names,
                                                   &g->old, &given.group_by, &given.cumulative,
                                                   &given.key_type, &given.limit, &given.metric)
                     : PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:compare_to", stdlib_names,
                                                   &g->old, &given.key_type, &given.cumulative);
    return parsed ? take_arguments(g, "compare_to", &given) : -1;
}

/* -- answers ----------------------------------------------------------------------------------- */

static ptm_tb_origin
group_of_row(const ptm_group_query *query, const ptm_group_row *row)
{
    bool one_stack = query->by == PTM_BY_TRACEBACK && row->merged == 0;
    return (ptm_tb_origin){
        .kind = one_stack ? PTM_TB_STACK : (ptm_tb_kind)query->by,
        .id = row->key,
        .counted = ptm_counted_by(query, (int)row->snap),
    };
}

static PyObject *
list_of_rows(const grouping *g, ptm_view *new_view, ptm_view *old_view,
             const ptm_group_query *query, const ptm_groups *groups)
{
    PyTypeObject *type = old_view == NULL ? g->face->statistic : g->face->statistic_diff;
    size_t n = groups->n_rows < g->limit ? groups->n_rows : g->limit;
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        const ptm_group_row *row = &groups->rows[i];
        ptm_tb_origin group = group_of_row(query, row);
        ptm_view *view = old_view != NULL && row->snap == 1 ? old_view : new_view;
        PyObject *statistic = ptm_statistic_new(type, view, group, row);
        if (statistic == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, statistic);
        }
    }
    return list;
}

/* `old_view` may be NULL. */
static PyObject *
list_of_groups(const grouping *g, ptm_view *new_view, ptm_view *old_view,
               const ptm_group_query *query)
{
    ptm_groups groups;
    if (g->limit == 0) { /* to the query that would be all */
        return PyList_New(0);
    }
    const ptm_snap *old_snap = old_view == NULL ? NULL : old_view->snap;
    ptm_err err = ptm_diff(new_view->snap, old_snap, query, &groups);
    if (err != PTM_OK) {
        return ptm_raise(err);
    }
    PyObject *list = list_of_rows(g, new_view, old_view, query, &groups);
    ptm_groups_free(&groups);
    return list;
}

/* Which count a source is asked for. */
static int
choose_metric(const grouping *g, const ptm_source *source, ptm_metric *metric)
{
    *metric = g->has_metric ? g->metric : source->metric;
    return g->has_metric ? ptm_metric_check(source->view, *metric) : 0;
}

static PyObject *
statistics_of(const grouping *g)
{
    ptm_group_query query;
    ptm_source source;
    if (query_of(g, &query) < 0 || ptm_source_init(&source, g->face, g->self) < 0) {
        return NULL;
    }
    PyObject *list = NULL;
    if (choose_metric(g, &source, &query.metric) == 0) {
        list = list_of_groups(g, source.view, NULL, &query);
    }
    ptm_source_fini(&source);
    return list;
}

PyObject *
ptm_snapshot_statistics(PyObject *self, PyObject *args, PyObject *kwargs)
{
    grouping g = {.self = self, .face = ptm_face_of(self)};
    if (g.face == NULL || parse_statistics(&g, args, kwargs) < 0) {
        return NULL;
    }
    return statistics_of(&g);
}

/* Private in the standard library, and called by compare_to() on whatever the old snapshot is. */
PyObject *
ptm_snapshot_group_by(PyObject *self, PyObject *args)
{
    grouping g = {.self = self, .face = ptm_face_of(self), .limit = SIZE_MAX};
    PyObject *cumulative;
    if (g.face == NULL || !PyArg_ParseTuple(args, "OO:_group_by", &g.key_type, &cumulative)
        || cumulative_from_object(&g, cumulative) < 0) {
        return NULL;
    }
    PyObject *list = statistics_of(&g);
    PyObject *dict = list == NULL ? NULL : PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < PyList_GET_SIZE(list); i++) {
        PyObject *statistic = PyList_GET_ITEM(list, i);
        PyObject *tb = ptm_get_attr(statistic, "traceback");
        if (tb == NULL || PyDict_SetItem(dict, tb, statistic) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(tb);
    }
    Py_XDECREF(list);
    return dict;
}

/* Each side counts what it shows, unless the caller named one metric for both. */
static int
choose_both(const grouping *g, const ptm_source *new_source, const ptm_source *old_source,
            ptm_group_query *query)
{
    if (choose_metric(g, new_source, &query->metric) < 0
        || choose_metric(g, old_source, &query->old_metric) < 0) {
        return -1;
    }
    bool mixed =
        (query->metric == PTM_METRIC_ALLOCATED) != (query->old_metric == PTM_METRIC_ALLOCATED);
    if (mixed) {
        PyErr_SetString(PyExc_ValueError,
                        "allocated blocks cannot be compared with blocks in memory");
    }
    return mixed ? -1 : 0;
}

static PyObject *
differences_of(const grouping *g)
{
    ptm_group_query query;
    ptm_source new_source, old_source;
    PyObject *list = NULL;
    if (query_of(g, &query) < 0 || ptm_source_init(&new_source, g->face, g->self) < 0) {
        return NULL;
    }
    if (ptm_source_init(&old_source, g->face, g->old) == 0) {
        if (choose_both(g, &new_source, &old_source, &query) == 0) {
            list = list_of_groups(g, new_source.view, old_source.view, &query);
        }
        ptm_source_fini(&old_source);
    }
    ptm_source_fini(&new_source);
    return list;
}

/* list.sort(reverse=True, key=StatisticDiff._sort_key) */
static int
sort_differences(const grouping *g, PyObject *list)
{
    PyObject *type = ptm_face_lookup(g->face, "StatisticDiff");
    PyObject *key = type == NULL ? NULL : ptm_get_attr(type, "_sort_key");
    PyObject *kwargs = key == NULL ? NULL : Py_BuildValue("{sOsO}", "reverse", Py_True, "key", key);
    PyObject *sort = kwargs == NULL ? NULL : ptm_get_attr(list, "sort");
    PyObject *none = sort == NULL ? NULL : PyTuple_New(0);
    PyObject *done = none == NULL ? NULL : PyObject_Call(sort, none, kwargs);
    Py_XDECREF(none);
    Py_XDECREF(sort);
    Py_XDECREF(kwargs);
    Py_XDECREF(key);
    Py_XDECREF(type);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* stdlib face, an old snapshot of another class, or somebody compares the groups in his own way: as
 * the standard library writes it. */
static PyObject *
differences_by_dicts(const grouping *g)
{
    PyObject *cumulative = g->cumulative != PTM_FLAT ? Py_True : Py_False;
    PyObject *new_group = ptm_call_method(g->self, "_group_by", g->key_type, cumulative);
    PyObject *old_group =
        new_group == NULL ? NULL : ptm_call_method(g->old, "_group_by", g->key_type, cumulative);
    PyObject *compare =
        old_group == NULL ? NULL : ptm_face_lookup(g->face, "_compare_grouped_stats");
    PyObject *list =
        compare == NULL ? NULL : PyObject_CallFunctionObjArgs(compare, old_group, new_group, NULL);
    if (list != NULL && sort_differences(g, list) < 0) {
        Py_CLEAR(list);
    }
    Py_XDECREF(compare);
    Py_XDECREF(old_group);
    Py_XDECREF(new_group);
    return list;
}

/* stdlib face: nobody has put another function in its place. */
static bool
compares_as_ever(ptm_face *face)
{
    PyObject *compare = ptm_dict_get(face->globals, "_compare_grouped_stats");
    Py_XDECREF(compare);
    return compare == face->compare;
}

PyObject *
ptm_snapshot_compare_to(PyObject *self, PyObject *args, PyObject *kwargs)
{
    grouping g = {.self = self, .face = ptm_face_of(self)};
    if (g.face == NULL || parse_compare(&g, args, kwargs) < 0) {
        return NULL;
    }
    if (PyObject_TypeCheck(g.old, g.face->snapshot)
        && (ptm_face_is_main(g.face) || compares_as_ever(g.face))) {
        return differences_of(&g);
    }
    if (!ptm_face_is_main(g.face)) {
        return differences_by_dicts(&g);
    }
    return PyErr_Format(PyExc_TypeError, "old_snapshot must be a Snapshot, not %.200s",
                        Py_TYPE(g.old)->tp_name);
}
