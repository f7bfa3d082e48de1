/* SPDX-License-Identifier: MIT
 *
 * traceback_details - a name and columns for each frame of a main face's Traceback, its `_details`:
 * from the view it is on, or as somebody has set them.
 */
#include "py/t_traceback.h"

/* The i-th most recent frame of a stack. */
static ptm_frame_id
frame_at(ptm_traceback *tb, uint32_t i)
{
    const ptm_snap_stack *stacks = tb->view->snap->stacks;
    uint64_t cursor = PTM_LOAD(&tb->cursor);
    bool known = cursor != 0 && cursor >> 32 <= i;
    uint32_t at = known ? (uint32_t)(cursor >> 32) : 0;
    ptm_stack_id stack = known ? (ptm_stack_id)cursor : tb->of.id;
    for (; at < i; at++) {
        stack = stacks[stack].parent;
    }
    PTM_STORE(&tb->cursor, (uint64_t)i << 32 | stack);
    return stacks[stack].frame;
}

static int
name_from_view(ptm_traceback *tb, ptm_str_id name, ptm_frame_details *out)
{
    out->name = name == PTM_SNAP_NONE ? NULL : ptm_view_string(tb->view, name);
    return name != PTM_SNAP_NONE && out->name == NULL ? -1 : 0;
}

static int
details_from_view(ptm_traceback *tb, Py_ssize_t i, ptm_frame_details *out)
{
    if (tb->of.kind == PTM_TB_FUNCTION) {
        return name_from_view(tb, tb->view->snap->frames[tb->of.id].name, out);
    }
    if (ptm_tb_is_stack(tb->of.kind) && i >= (Py_ssize_t)tb->view->snap->stacks[tb->of.id].nframe) {
        return 0; /* another thread is just giving it more frames */
    }
    if (!ptm_tb_is_stack(tb->of.kind) && tb->of.kind != PTM_TB_LINE) {
        return 0;
    }
    ptm_frame_id id = tb->of.kind == PTM_TB_LINE ? tb->of.id : frame_at(tb, (uint32_t)i);
    const ptm_snap_frame *frame = tb->of.kind == PTM_TB_STACK
                                      ? &tb->view->snap->frames[id]
                                      : ptm_view_agreed(tb->view, id, tb->of.counted);
    if (frame == NULL || name_from_view(tb, frame->name, out) < 0) {
        return -1;
    }
    out->end_lineno = frame->end_lineno;
    out->colno = frame->colno;
    out->end_colno = frame->end_colno;
    return 0;
}

static int
details_given(PyObject *self, Py_ssize_t i, ptm_frame_details *out)
{
    PyObject *details = ptm_slot_get(self, &ptm_as_traceback(self)->details);
    int failed = 0;
    if (details != NULL && i < PyTuple_GET_SIZE(details)) {
        failed = ptm_frame_details_unpack(PyTuple_GET_ITEM(details, i), out);
    }
    Py_XINCREF(out->name);
    Py_XDECREF(details);
    return failed;
}

int
ptm_traceback_details_at(PyObject *self, Py_ssize_t i, ptm_frame_details *out)
{
    *out = PTM_FRAME_DETAILS_NONE;
    if (ptm_traceback_view(ptm_as_traceback(self)) == NULL) {
        return details_given(self, i, out);
    }
    int failed = details_from_view(ptm_as_traceback(self), i, out);
    Py_XINCREF(out->name);
    return failed;
}

static PyObject *
packed_details(PyObject *self, Py_ssize_t n)
{
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; tuple != NULL && i < n; i++) {
        ptm_frame_details details;
        PyObject *packed = ptm_traceback_details_at(self, i, &details) < 0
                               ? NULL
                               : ptm_frame_details_pack(&details);
        Py_XDECREF(details.name);
        if (packed == NULL) {
            Py_CLEAR(tuple);
        }
        else {
            PyTuple_SET_ITEM(tuple, i, packed);
        }
    }
    return tuple;
}

PyObject *
ptm_traceback_details(PyObject *self)
{
    ptm_traceback *tb = ptm_as_traceback(self);
    if (ptm_traceback_view(tb) == NULL) {
        PyObject *details = ptm_slot_get(self, &tb->details);
        return details == NULL ? Py_NewRef(Py_None) : details;
    }
    Py_ssize_t n = ptm_traceback_length(self);
    return n < 0 ? NULL : packed_details(self, n);
}

PyObject *
ptm_traceback_get_details(PyObject *self, void *unused)
{
    (void)unused;
    return ptm_traceback_details(self);
}

int
ptm_details_set(PyObject *self, PyObject **slot, PyObject *details)
{
    if (details == NULL || (details != Py_None && !PyTuple_Check(details))) {
        PyErr_SetString(PyExc_TypeError, "_details must be None or a tuple");
        return -1;
    }
    ptm_slot_set(self, slot, details == Py_None ? NULL : Py_NewRef(details));
    return 0;
}

int
ptm_traceback_set_details(PyObject *self, PyObject *details, void *unused)
{
    (void)unused;
    return ptm_details_set(self, &ptm_as_traceback(self)->details, details);
}
