/* SPDX-License-Identifier: MIT
 *
 * group_key - what groups are called: the one frame that stands for a group, Statistic.key, and the
 * text before the numbers.
 *
 *     group_by   the frame, with line 0    key                      text
 *     filename   file                      file                     the traceback's
 *     lineno     file and line             (file, line)             the traceback's
 *     traceback  (all frames)              the Traceback            the traceback's
 *     function   file; its name is known   (file, name or None)     "file in name"
 *     module     dotted name               dotted name or None      "dotted name"
 *     size       "<64 bytes>"              int or None              "<64 bytes>"
 *     domain     "<domain 0>"              int                      "<domain 0>"
 *
 * A module or a size that is not known is None, and its frame is "<unknown>":0.
 */
#include "py/state.h"

static const ptm_snap_frame *
frame_of(const ptm_view *view, uint32_t id)
{
    return &view->snap->frames[id];
}

/* The module, borrowed, or None; NULL with an exception. */
static PyObject *
module_of(ptm_view *view, uint32_t frame)
{
    ptm_str_id module = ptm_snap_module(view->snap, frame_of(view, frame)->file);
    return module == PTM_SNAP_NONE ? Py_None : ptm_view_string(view, module);
}

static PyObject *
module_text(ptm_view *view, uint32_t frame)
{
    PyObject *module = module_of(view, frame);
    return module == Py_None ? PyUnicode_FromString("<unknown>") : Py_XNewRef(module);
}

static PyObject *
size_text(const ptm_snap_site *site)
{
    if (site->folded) {
        return PyUnicode_FromString("<unknown>");
    }
    return PyUnicode_FromFormat(site->size == 1 ? "<%llu byte>" : "<%llu bytes>",
                                (unsigned long long)site->size);
}

/* The file of the group's frame, as a new reference. */
static PyObject *
file_of(ptm_view *view, ptm_tb_kind kind, uint32_t id)
{
    switch (kind) {
    case PTM_TB_FILE:
        return Py_XNewRef(ptm_view_string(view, id));
    case PTM_TB_FUNCTION:
        return Py_XNewRef(ptm_view_string(view, frame_of(view, id)->file));
    case PTM_TB_MODULE:
        return module_text(view, id);
    case PTM_TB_SIZE:
        return size_text(&view->snap->sites[id]);
    default:
        return PyUnicode_FromFormat("<domain %u>", (unsigned)view->snap->sites[id].domain);
    }
}

PyObject *
ptm_group_frames(ptm_view *view, ptm_tb_kind kind, uint32_t id)
{
    if (kind == PTM_TB_LINE) {
        PyObject *line = ptm_view_line(view, id);
        return line == NULL ? NULL : PyTuple_Pack(1, line);
    }
    PyObject *file = file_of(view, kind, id);
    return file == NULL ? NULL : Py_BuildValue("((Ni))", file, 0);
}

static PyObject *
function_key(ptm_view *view, uint32_t id)
{
    const ptm_snap_frame *frame = frame_of(view, id);
    PyObject *file = ptm_view_string(view, frame->file);
    PyObject *name = frame->name == PTM_SNAP_NONE ? Py_None : ptm_view_string(view, frame->name);
    return file == NULL || name == NULL ? NULL : PyTuple_Pack(2, file, name);
}

PyObject *
ptm_group_key(ptm_face *face, PyObject *traceback)
{
    ptm_view *view;
    ptm_tb_kind kind;
    uint32_t id;
    if (!ptm_traceback_origin(face, traceback, &view, &kind, &id)) {
        return Py_NewRef(traceback);
    }
    switch (kind) {
    case PTM_TB_FILE:
        return Py_XNewRef(ptm_view_string(view, id));
    case PTM_TB_LINE:
        return Py_XNewRef(ptm_view_line(view, id));
    case PTM_TB_FUNCTION:
        return function_key(view, id);
    case PTM_TB_MODULE:
        return Py_XNewRef(module_of(view, id));
    case PTM_TB_SIZE:
        return view->snap->sites[id].folded
                   ? Py_NewRef(Py_None)
                   : PyLong_FromUnsignedLongLong(view->snap->sites[id].size);
    case PTM_TB_DOMAIN:
        return PyLong_FromUnsignedLong(view->snap->sites[id].domain);
    default:
        return Py_NewRef(traceback);
    }
}

static PyObject *
function_heading(ptm_view *view, uint32_t id)
{
    PyObject *key = function_key(view, id);
    if (key == NULL || PyTuple_GET_ITEM(key, 1) != Py_None) {
        return key == NULL ? NULL : ptm_text_format("%s in %s", key);
    }
    return ptm_text_format("%s in <unknown>", Py_BuildValue("(O)", PyTuple_GET_ITEM(key, 0)));
}

PyObject *
ptm_group_heading(ptm_face *face, PyObject *traceback)
{
    ptm_view *view;
    ptm_tb_kind kind;
    uint32_t id;
    if (!ptm_traceback_origin(face, traceback, &view, &kind, &id) || ptm_tb_is_stack(kind)
        || kind == PTM_TB_FILE || kind == PTM_TB_LINE) {
        return Py_NewRef(traceback);
    }
    return kind == PTM_TB_FUNCTION ? function_heading(view, id) : file_of(view, kind, id);
}
