/* SPDX-License-Identifier: MIT
 *
 * t_traceback - what t_traceback.c and traceback_details.c know of a Traceback; nobody else looks
 * into one.
 *
 * Threads   frames, total and details are slots (ptm_slot_get, ptm_slot_set); what is not marked as
 *           atomic was written before anybody else saw the traceback
 * Failure   -1 or NULL with an exception set
 */
#ifndef PTM_PY_T_TRACEBACK_H
#define PTM_PY_T_TRACEBACK_H

#include "py/state.h"

typedef struct {
    PyObject_HEAD
    PyObject *frames; /* tuple of (filename, lineno) in the face's order; NULL: still in the view */
    PyObject *total;  /* total_nframe: int or None */
    PyObject *details; /* tuple of (name, end_lineno, colno, end_colno), one for each frame; NULL:
                          see the view */
    ptm_view *view; /* kept to the end, since others may be reading it; NULL: there never was one */
    bool given;     /* by a caller: frames and details are the truth; atomic */
    ptm_tb_origin of; /* in the view */
    /* Where the last look ended, as index << 32 | stack; 0: nowhere; atomic. Frames are visited in
     * order, and a stack is linked from the most recent one only. */
    uint64_t cursor;
} ptm_traceback;

static inline ptm_traceback *
ptm_as_traceback(PyObject *self)
{
    return (ptm_traceback *)self;
}

/* NULL: frames and details are the truth. */
static inline ptm_view *
ptm_traceback_view(const ptm_traceback *tb)
{
    return PTM_LOAD_ACQUIRE(&tb->given) ? NULL : tb->view;
}

/* -- t_traceback.c -- */
Py_ssize_t ptm_traceback_length(PyObject *self);

/* -- traceback_details.c -- */
/* Of the i-th frame of the main face, which runs as the stacks do; the caller owns out's name. */
int ptm_traceback_details_at(PyObject *self, Py_ssize_t i, ptm_frame_details *out);
PyObject *ptm_traceback_get_details(PyObject *self, void *unused);
int ptm_traceback_set_details(PyObject *self, PyObject *details, void *unused);

#endif
