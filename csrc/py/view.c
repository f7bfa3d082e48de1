/* SPDX-License-Identifier: MIT
 *
 * view - Python objects from columns, each made once.
 */
#include "py/view.h"

#include <stdlib.h>

#include "base/ptm_array.h"
#include "py/state.h"

/* The caches come from malloc: the tracer does not see them. */
ptm_view *
ptm_view_new(ptm_snap *snap)
{
    ptm_view *view = calloc(1, sizeof(*view));
    if (view == NULL) {
        ptm_snap_decref(snap);
        PyErr_NoMemory();
        return NULL;
    }
    view->refs = 1;
    view->snap = snap;
    view->strings = calloc((size_t)snap->n_strings + 1, sizeof(PyObject *));
    view->lines = calloc((size_t)snap->n_frames + 1, sizeof(PyObject *));
    if (view->strings == NULL || view->lines == NULL) {
        ptm_view_decref(view);
        PyErr_NoMemory();
        return NULL;
    }
    return view;
}

static void
drop_all(PyObject **objects, uint32_t n)
{
    for (uint32_t i = 0; objects != NULL && i < n; i++) {
        Py_XDECREF(objects[i]);
    }
    free(objects);
}

void
ptm_view_decref(ptm_view *view)
{
    if (view == NULL || PTM_FETCH_SUB_ACQ_REL(&view->refs, 1) > 1) {
        return;
    }
    drop_all(view->stacks, view->snap->n_stacks);
    drop_all(view->lines, view->snap->n_frames);
    drop_all(view->strings, view->snap->n_strings);
    ptm_array_free(view->shared);
    for (size_t i = 0; i < PTM_ARRAY_LEN(view->agreed); i++) {
        ptm_array_free(view->agreed[i]);
    }
    ptm_snap_decref(view->snap);
    free(view);
}

static PyObject *
string_new(const ptm_view *view, ptm_str_id id)
{
    size_t len;
    const char *utf8 = ptm_snap_string(view->snap, id, &len);
    return PyUnicode_DecodeUTF8(utf8, (Py_ssize_t)len, "surrogatepass");
}

PyObject *
ptm_view_string(ptm_view *view, ptm_str_id id)
{
    PyObject *there = PTM_LOAD_ACQUIRE(&view->strings[id]);
    return there != NULL ? there : ptm_fill_slot(&view->strings[id], string_new(view, id));
}

static PyObject *
line_new(ptm_view *view, ptm_frame_id key)
{
    const ptm_snap_frame *line = &view->snap->frames[key];
    PyObject *file = ptm_view_string(view, line->file);
    return file == NULL ? NULL : Py_BuildValue("(Oi)", file, (int)line->lineno);
}

PyObject *
ptm_view_line(ptm_view *view, ptm_frame_id frame)
{
    uint32_t key = view->snap->frames[frame].line_key;
    PyObject *there = PTM_LOAD_ACQUIRE(&view->lines[key]);
    return there != NULL ? there : ptm_fill_slot(&view->lines[key], line_new(view, key));
}

static PyObject *
stack_new(ptm_view *view, ptm_stack_id stack)
{
    const ptm_snap_stack *stacks = view->snap->stacks;
    PyObject *tuple = PyTuple_New((Py_ssize_t)stacks[stack].nframe);
    for (Py_ssize_t i = 0; tuple != NULL && stack != 0; i++, stack = stacks[stack].parent) {
        PyObject *line = ptm_view_line(view, stacks[stack].frame);
        if (line == NULL) {
            Py_CLEAR(tuple);
        }
        else {
            PyTuple_SET_ITEM(tuple, i, Py_NewRef(line));
        }
    }
    return tuple;
}

/* The slots of all stacks, made when one is first asked for; NULL: no memory. */
static PyObject **
stack_slots(ptm_view *view)
{
    PyObject **there = PTM_LOAD_ACQUIRE(&view->stacks), **fresh;
    if (there != NULL || (fresh = calloc(view->snap->n_stacks, sizeof(PyObject *))) == NULL) {
        return there;
    }
    if (PTM_COMPARE_EXCHANGE(&view->stacks, &there, fresh)) {
        return fresh;
    }
    free(fresh);
    return there;
}

PyObject *
ptm_view_stack(ptm_view *view, ptm_stack_id stack)
{
    PyObject **slots = stack_slots(view);
    if (slots == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *there = PTM_LOAD_ACQUIRE(&slots[stack]);
    return there != NULL ? there : ptm_fill_slot(&slots[stack], stack_new(view, stack));
}

/* Which lines several frames have; NULL: no memory. */
static const uint8_t *
shared_lines(ptm_view *view)
{
    uint8_t *there = PTM_LOAD_ACQUIRE(&view->shared), *fresh;
    if (there != NULL || (fresh = ptm_agree_shared(view->snap)) == NULL) {
        return there;
    }
    if (PTM_COMPARE_EXCHANGE(&view->shared, &there, fresh)) {
        return fresh;
    }
    ptm_array_free(fresh);
    return there;
}

static const ptm_snap_frame *
all_agreed(ptm_view *view, ptm_counted counted)
{
    ptm_snap_frame **slot = &view->agreed[counted];
    ptm_snap_frame *there = PTM_LOAD_ACQUIRE(slot), *fresh;
    if (there != NULL || (fresh = ptm_agree(view->snap, counted)) == NULL) {
        return there;
    }
    if (PTM_COMPARE_EXCHANGE(slot, &there, fresh)) {
        return fresh;
    }
    ptm_array_free(fresh);
    return there;
}

/* Nearly all lines have one frame, and then nobody has to look at the sites. */
const ptm_snap_frame *
ptm_view_agreed(ptm_view *view, ptm_frame_id frame, ptm_counted counted)
{
    uint32_t key = view->snap->frames[frame].line_key;
    const uint8_t *shared = shared_lines(view);
    if (shared != NULL && shared[key] == 0) {
        return &view->snap->frames[frame];
    }
    const ptm_snap_frame *agreed = shared == NULL ? NULL : all_agreed(view, counted);
    if (agreed == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    return &agreed[key];
}

PyObject *
ptm_view_trace(ptm_view *view, ptm_site_id site_id)
{
    const ptm_snap_site *site = &view->snap->sites[site_id];
    PyObject *frames = ptm_view_stack(view, site->stack);
    if (frames == NULL) {
        return NULL;
    }
    PyObject *total = site->depth == 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(site->depth);
    return Py_BuildValue("(IKON)", site->domain, (unsigned long long)site->size, frames, total);
}
