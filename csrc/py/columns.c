/* SPDX-License-Identifier: MIT
 *
 * columns - a snapshot's tables as bytes, for what is written in Python over sites and stacks.
 *
 * How       each column is a bytes object of native numbers; a stack's frames are asked for
 *           separately, some stacks at a time, so that nobody holds all of them at once
 * Threads   under the GIL
 * Failure   NULL with an exception set
 * Cost      one copy of what is asked for; nothing is as long as the number of blocks
 */
#include "py/state.h"

#include <string.h>

/* Where a column is: `width` bytes of each of `n` records of `stride` bytes. */
typedef struct {
    const char *name;
    const void *first;
    size_t n, stride, width;
} column;

static PyObject *
column_bytes(const column *c)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(c->n * c->width));
    char *to = bytes == NULL ? NULL : PyBytes_AS_STRING(bytes);
    const char *from = c->first;
    for (size_t i = 0; to != NULL && i < c->n; i++, from += c->stride, to += c->width) {
        memcpy(to, from, c->width);
    }
    return bytes;
}

/* Takes over `value`. */
static int
put(PyObject *dict, const char *name, PyObject *value)
{
    int failed = value == NULL ? -1 : PyDict_SetItemString(dict, name, value);
    Py_XDECREF(value);
    return failed;
}

static PyObject *
all_strings(ptm_view *view)
{
    PyObject *list = PyList_New((Py_ssize_t)view->snap->n_strings);
    for (uint32_t i = 0; list != NULL && i < view->snap->n_strings; i++) {
        PyObject *text = ptm_view_string(view, i);
        if (text == NULL) {
            Py_CLEAR(list);
        }
        else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(text));
        }
    }
    return list;
}

#define COLUMN(name, table, count, field)                                          \
    {name, (const char *)(table) + offsetof(__typeof__(*(table)), field), (count), \
     sizeof(*(table)), sizeof((table)->field)}

static PyObject *
all_columns(ptm_view *view)
{
    const ptm_snap *s = view->snap;
    const column columns[] = {
        COLUMN("frame_file", s->frames, s->n_frames, file),
        COLUMN("frame_name", s->frames, s->n_frames, name),
        COLUMN("frame_line", s->frames, s->n_frames, lineno),
        COLUMN("stack_frame", s->stacks, s->n_stacks, frame),
        COLUMN("stack_nframe", s->stacks, s->n_stacks, nframe),
        COLUMN("site_stack", s->sites, s->n_sites, stack),
        COLUMN("site_size", s->sites, s->n_sites, size),
        COLUMN("site_domain", s->sites, s->n_sites, domain),
        COLUMN("site_depth", s->sites, s->n_sites, depth),
        COLUMN("site_folded", s->sites, s->n_sites, folded),
        COLUMN("site_live", s->sites, s->n_sites, live),
        COLUMN("site_peak", s->sites, s->n_sites, peak),
        COLUMN("site_allocated", s->sites, s->n_sites, allocated),
        COLUMN("site_allocated_bytes", s->sites, s->n_sites, allocated_bytes),
    };
    PyObject *dict = PyDict_New();
    bool failed = dict == NULL || put(dict, "strings", all_strings(view)) < 0;
    for (size_t i = 0; !failed && i < PTM_ARRAY_LEN(columns); i++) {
        failed = put(dict, columns[i].name, column_bytes(&columns[i])) < 0;
    }
    if (failed) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* _columns_of_snapshot(snapshot) -> dict: see _core.pyi */
PyObject *
ptm_columns_of_snapshot(PyObject *module, PyObject *snapshot)
{
    ptm_source source;
    if (ptm_source_init(&source, PyModule_GetState(module), snapshot) < 0) {
        return NULL;
    }
    PyObject *columns = all_columns(source.view);
    ptm_source_fini(&source);
    return columns;
}

static bool
are_stacks(const ptm_snap *snap, const uint32_t *stacks, size_t n, size_t *n_frames)
{
    *n_frames = 0;
    for (size_t i = 0; i < n; i++) {
        if (stacks[i] >= snap->n_stacks) {
            PyErr_Format(PyExc_IndexError, "stack %u is not in the snapshot", (unsigned)stacks[i]);
            return false;
        }
        *n_frames += snap->stacks[stacks[i]].nframe;
    }
    return true;
}

static PyObject *
frames_of(const ptm_snap *snap, const uint32_t *stacks, size_t n)
{
    size_t n_frames;
    if (!are_stacks(snap, stacks, n, &n_frames)) {
        return NULL;
    }
    PyObject *bytes =
        PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n_frames * sizeof(ptm_frame_id)));
    char *to = bytes == NULL ? NULL : PyBytes_AS_STRING(bytes);
    for (size_t i = 0; to != NULL && i < n; i++) {
        for (ptm_stack_id at = stacks[i]; at != 0; at = snap->stacks[at].parent) {
            memcpy(to, &snap->stacks[at].frame, sizeof(ptm_frame_id));
            to += sizeof(ptm_frame_id);
        }
    }
    return bytes;
}

/* _frames_of_stacks(snapshot, stacks) -> bytes: see _core.pyi */
PyObject *
ptm_columns_frames_of_stacks(PyObject *module, PyObject *args)
{
    PyObject *snapshot;
    Py_buffer stacks;
    ptm_source source;
    if (!PyArg_ParseTuple(args, "Oy*:_frames_of_stacks", &snapshot, &stacks)) {
        return NULL;
    }
    PyObject *frames = NULL;
    if (ptm_source_init(&source, PyModule_GetState(module), snapshot) == 0) {
        frames = frames_of(source.view->snap, stacks.buf, (size_t)stacks.len / sizeof(uint32_t));
        ptm_source_fini(&source);
    }
    PyBuffer_Release(&stacks);
    return frames;
}
