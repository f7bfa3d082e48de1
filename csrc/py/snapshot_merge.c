/* SPDX-License-Identifier: MIT
 *
 * snapshot_merge - Snapshot.merge(): several snapshots as one.
 */
#include "py/state.h"

#include <stdlib.h>

#include "snap/ptm_merge.h"

/* What the snapshots of a list show, and how many are ready. */
typedef struct {
    ptm_source *items;
    Py_ssize_t n;
} sources;

static void
sources_fini(sources *all)
{
    while (all->n > 0) {
        ptm_source_fini(&all->items[--all->n]);
    }
    free(all->items);
}

static int
check_view(const sources *all, ptm_metric metric)
{
    if (all->n > 0 && all->items[0].metric != metric) {
        PyErr_Format(PyExc_ValueError,
                     "snapshots to merge must show the same blocks, not '%s' and '%s': "
                     "use view() first",
                     ptm_metric_name(all->items[0].metric), ptm_metric_name(metric));
        return -1;
    }
    return 0;
}

static int
sources_add(sources *all, ptm_face *face, PyObject *snapshot)
{
    ptm_source source;
    if (!PyObject_TypeCheck(snapshot, face->snapshot)) {
        PyErr_Format(PyExc_TypeError,
                     "merge() takes an iterable of pytracemalloc.Snapshot, not of %R",
                     (PyObject *)Py_TYPE(snapshot));
        return -1;
    }
    if (ptm_source_init(&source, face, snapshot) < 0) {
        return -1;
    }
    if (check_view(all, source.metric) < 0) {
        ptm_source_fini(&source);
        return -1;
    }
    all->items[all->n++] = source;
    return 0;
}

static int
sources_init(sources *all, ptm_face *face, PyObject *list)
{
    Py_ssize_t n = PyList_GET_SIZE(list);
    *all = (sources){malloc(((size_t)n + 1) * sizeof(*all->items)), 0};
    if (all->items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    while (all->n < n) {
        if (sources_add(all, face, PyList_GET_ITEM(list, all->n)) < 0) {
            sources_fini(all);
            return -1;
        }
    }
    return 0;
}

/* The columns never change, so other threads may run meanwhile. */
static ptm_snap *
merged(const sources *all)
{
    const ptm_snap **snaps = malloc((size_t)all->n * sizeof(*snaps));
    ptm_err err = PTM_ENOMEM;
    ptm_snap *snap;
    if (snaps != NULL) {
        for (Py_ssize_t i = 0; i < all->n; i++) {
            snaps[i] = all->items[i].view->snap;
        }
        Py_BEGIN_ALLOW_THREADS
        err = ptm_snap_merge(snaps, (size_t)all->n, &snap);
        Py_END_ALLOW_THREADS
    }
    free(snaps);
    return err == PTM_OK ? snap : (ptm_raise(err), NULL);
}

/* Of those whose time is known, the first; as pprof does. */
static int64_t
first_time(const sources *all)
{
    int64_t first = 0;
    for (Py_ssize_t i = 0; i < all->n; i++) {
        int64_t time = all->items[i].view->time_nanos;
        first = time != 0 && (first == 0 || time < first) ? time : first;
    }
    return first;
}

static PyObject *
merged_snapshot(ptm_face *face, const sources *all)
{
    ptm_snap *snap = merged(all);
    ptm_view *view = snap == NULL ? NULL : ptm_view_new(snap);
    if (view == NULL) {
        return NULL;
    }
    view->time_nanos = first_time(all);
    PyObject *snapshot = ptm_snapshot_of_view(face, view, all->items[0].metric);
    ptm_view_decref(view);
    return snapshot;
}

/* Steals `snapshot`. A subclass's __init__ is not called, as by load(). */
static PyObject *
as_class(PyObject *type, PyObject *snapshot)
{
    if (snapshot == NULL || type == (PyObject *)Py_TYPE(snapshot)) {
        return snapshot;
    }
    PyObject *attributes = ptm_get_attr(snapshot, "__dict__");
    PyObject *other = attributes == NULL ? NULL : ptm_call_method(type, "__new__", type, NULL);
    PyObject *own = other == NULL ? NULL : ptm_get_attr(other, "__dict__");
    if (own == NULL || PyDict_Update(own, attributes) < 0) {
        Py_CLEAR(other);
    }
    Py_XDECREF(own);
    Py_XDECREF(attributes);
    Py_DECREF(snapshot);
    return other;
}

static PyObject *
merge_list(PyObject *type, PyObject *list)
{
    sources all;
    ptm_face *face = ptm_face_of_type((PyTypeObject *)type);
    if (face == NULL) {
        return NULL;
    }
    if (PyList_GET_SIZE(list) == 0) {
        PyErr_SetString(PyExc_ValueError, "merge() needs at least one snapshot");
        return NULL;
    }
    if (sources_init(&all, face, list) < 0) {
        return NULL;
    }
    PyObject *snapshot = as_class(type, merged_snapshot(face, &all));
    sources_fini(&all);
    return snapshot;
}

PyObject *
ptm_snapshot_merge(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"snapshots", NULL};
    PyObject *snapshots;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:merge", names, &snapshots)) {
        return NULL;
    }
    PyObject *list = PySequence_List(snapshots);
    PyObject *merged = list == NULL ? NULL : merge_list(type, list);
    Py_XDECREF(list);
    return merged;
}
