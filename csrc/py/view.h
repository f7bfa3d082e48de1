/* SPDX-License-Identifier: MIT
 *
 * view - a snapshot's columns with the Python objects made from them so far.
 *
 * Owns      one reference to a ptm_snap, and str and tuple caches: equal names are one object,
 *           equal tracebacks one tuple
 * How       one slot per string, line and stack, filled when somebody asks
 * Threads   any attached ones: a slot is filled once, by whoever comes first, and never changes
 *           again; the reference count is atomic
 * Failure   NULL with an exception set
 * Cost      two pointers per string and line; a pointer per stack once a stack has been asked for;
 *           a byte per frame once a group's details have, and what ptm_agree takes for each way of
 *           counting once a line that several frames have is among them
 */
#ifndef PTM_PY_VIEW_H
#define PTM_PY_VIEW_H

#include <Python.h>

#include "base/ptm_atomic.h"
#include "snap/ptm_agree.h"

typedef struct ptm_view {
    Py_ssize_t refs;
    ptm_snap *snap;
    int64_t time_nanos; /* when the snapshot was taken, since the epoch; 0: not known */
    PyObject **strings; /* by string id: str */
    PyObject **lines;   /* by line_key: (filename, lineno) */
    PyObject **stacks;  /* by stack id: tuple of lines, most recent first */
    uint8_t *shared;    /* by line_key: whether several frames have the line */
    /* by what counts, then by line_key: what the frames of a line agree on; see ptm_agree */
    ptm_snap_frame *agreed[PTM_N_COUNTED];
} ptm_view;

ptm_view *ptm_view_new(ptm_snap *snap); /* takes over the caller's reference, on failure too */
void ptm_view_decref(ptm_view *view);   /* NULL is ignored */

static inline ptm_view *
ptm_view_incref(ptm_view *view)
{
    (void)PTM_FETCH_ADD(&view->refs, 1);
    return view;
}

/* Answers live as long as the view; references are borrowed. */
PyObject *ptm_view_string(ptm_view *view, ptm_str_id id);
PyObject *ptm_view_line(ptm_view *view, ptm_frame_id frame);
PyObject *ptm_view_stack(ptm_view *view, ptm_stack_id stack);
/* What the frames of this one's line agree on, as far as they count. */
const ptm_snap_frame *ptm_view_agreed(ptm_view *view, ptm_frame_id frame, ptm_counted counted);

PyObject *ptm_view_trace(ptm_view *view,
                         ptm_site_id site); /* new: (domain, size, frames, total_nframe) */

/* A view of a list of raw traces, one site for each, in the list's order. */
ptm_view *ptm_view_of_raw(PyObject *traces, uint32_t traceback_limit);

#endif
