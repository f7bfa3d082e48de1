/* SPDX-License-Identifier: MIT
 *
 * snapshot_group - statistics() and compare_to().
 */
#include "py/state.h"

static int
key_type_from_object(ptm_face *face, PyObject *key_type, ptm_by *by)
{
    static const char *const names[] = {
        [PTM_BY_FILE] = "filename",
        [PTM_BY_LINE] = "lineno",
        [PTM_BY_TRACEBACK] = "traceback",
    };
    for (size_t i = 0; i < PTM_ARRAY_LEN(names) && PyUnicode_Check(key_type); i++) {
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
        PyErr_Format(PyExc_ValueError, "cumulative mode cannot by used with key type %R",
                     g->key_type);
        return -1;
    }
    return 0;
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

static int
parse_statistics(grouping *g, PyObject *args, PyObject *kwargs)
{
    static char *main_names[] = {"group_by", "cumulative", "key_type", NULL};
    static char *stdlib_names[] = {"key_type", "cumulative", NULL};
    PyObject *group_by = NULL, *key_type = NULL;
    if (ptm_face_is_main(g->face)) {
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Op$O:statistics", main_names, &group_by,
                                         &g->cumulative, &key_type)) {
            return -1;
        }
        g->key_type = one_key_type("statistics", group_by, key_type);
        return g->key_type == NULL ? -1 : 0;
    }
    return PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:statistics", stdlib_names, &g->key_type,
                                       &g->cumulative)
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
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|Op$O:compare_to", main_names, &g->old,
                                         &group_by, &g->cumulative, &key_type)) {
            return -1;
        }
        g->key_type = one_key_type("compare_to", group_by, key_type);
        return g->key_type == NULL ? -1 : 0;
    }
    return PyArg_ParseTupleAndKeywords(args, kwargs, "OO|p:compare_to", stdlib_names, &g->old,
                                       &g->key_type, &g->cumulative)
               ? 0
               : -1;
}

static PyObject *
statistic_of_row(ptm_face *face, ptm_view *view, ptm_by by, const ptm_group_row *row, bool diff)
{
    bool one_stack = by == PTM_BY_TRACEBACK && row->merged == 0;
    ptm_tb_kind kind = one_stack ? PTM_TB_STACK : (ptm_tb_kind)by;
    PyObject *tb = ptm_traceback_of_view(face, view, kind, row->key, 0);
    PyObject *statistic = tb == NULL ? NULL
                          : diff     ? ptm_statistic_diff_new(face, tb, row)
                                     : ptm_statistic_new(face, tb, row);
    Py_XDECREF(tb);
    return statistic;
}

static PyObject *
list_of_rows(ptm_face *face, ptm_view *new_view, ptm_view *old_view, ptm_by by,
             const ptm_groups *groups)
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
    PyObject *list = err != PTM_OK ? ptm_raise(err)
                                   : list_of_rows(g->face, source.view, NULL, query.by, &groups);
    if (err == PTM_OK) {
        ptm_groups_free(&groups);
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
    grouping g = {.self = self, .face = ptm_face_of(self)};
    if (g.face == NULL || !PyArg_ParseTuple(args, "Op:_group_by", &g.key_type, &g.cumulative)) {
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

/* One metric serves both sides of a difference; a snapshot of another moment is worth a word. */
static int
check_same_metric(const ptm_source *a, const ptm_source *b)
{
    bool mixed = (a->metric == PTM_METRIC_ALLOCATED) != (b->metric == PTM_METRIC_ALLOCATED);
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
    PyObject *key = ptm_get_attr((PyObject *)g->face->statistic_diff, "_sort_key");
    PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */
    PyObject *sorted = PyDict_GetItemString(builtins, "sorted");
    PyObject *new_group = ptm_call_method(g->self, "_group_by", g->key_type, cumulative);
    PyObject *old_group =
        new_group == NULL ? NULL : ptm_call_method(g->old, "_group_by", g->key_type, cumulative);
    PyObject *list = NULL;
    if (old_group != NULL && compare != NULL && key != NULL && sorted != NULL) {
        PyObject *unsorted = PyObject_CallFunctionObjArgs(compare, old_group, new_group, NULL);
        PyObject *args = unsorted == NULL ? NULL : Py_BuildValue("(N)", unsorted);
        PyObject *kwargs =
            args == NULL ? NULL : Py_BuildValue("{sOsO}", "key", key, "reverse", Py_True);
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

PyObject *
ptm_snapshot_compare_to(PyObject *self, PyObject *args, PyObject *kwargs)
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
    return PyErr_Format(PyExc_TypeError, "old_snapshot must be a Snapshot, not %.200s",
                        Py_TYPE(g.old)->tp_name);
}
