/* SPDX-License-Identifier: MIT
 *
 * t_traceback - Traceback: a sequence of frames, either a tuple given by the caller or a stack of a
 * snapshot.
 *
 * The main face runs from the most recent frame to the oldest, the stdlib face the other way round;
 * `frames` is kept in the face's order, and made from the view only when somebody looks.
 */
#include "py/t_traceback.h"

PyObject *
ptm_traceback_of_view(ptm_face *face, ptm_view *view, ptm_tb_origin origin, uint32_t total_nframe)
{
    PyObject *total =
        total_nframe == 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(total_nframe);
    PyObject *self = total == NULL ? NULL : ptm_new_untracked(face->traceback);
    if (self == NULL) {
        Py_XDECREF(total);
        return NULL;
    }
    ptm_traceback *tb = ptm_as_traceback(self);
    tb->total = total;
    tb->view = ptm_view_incref(view);
    tb->of = origin;
    return self;
}

PyObject *
ptm_traceback_of_stack(ptm_face *face, ptm_view *view, const ptm_snap_site *site)
{
    ptm_tb_origin origin = {.kind = PTM_TB_STACK, .id = site->stack};
    return ptm_traceback_of_view(face, view, origin, site->depth);
}

/* Takes over `frames`. */
static void
set_frames(PyObject *self, PyObject *frames)
{
    ptm_slot_set(self, &ptm_as_traceback(self)->frames, frames);
    PTM_STORE_RELEASE(&ptm_as_traceback(self)->given, true);
}

static PyObject *
unknown_frames(void)
{
    return Py_BuildValue("((si))", "<unknown>", 0);
}

static PyObject *
reversed_tuple(PyObject *tuple)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    PyObject *result = PyTuple_New(n);
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyTuple_SET_ITEM(result, i, Py_NewRef(PyTuple_GET_ITEM(tuple, n - 1 - i)));
    }
    return result;
}

/* `frames` is as the engine gives them: most recent first. */
static PyObject *
in_order_of(const ptm_face *face, PyObject *frames)
{
    if (!ptm_face_is_main(face)) {
        return reversed_tuple(frames);
    }
    return PyTuple_GET_SIZE(frames) == 0 ? unknown_frames() : Py_NewRef(frames);
}

static int
traceback_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frames", "total_nframe", NULL};
    PyObject *frames, *total = Py_None;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:Traceback", names, &frames, &total)
        || (frames = PySequence_Tuple(frames)) == NULL) {
        return -1;
    }
    PyObject *ordered = in_order_of(face, frames);
    Py_DECREF(frames);
    if (ordered == NULL) {
        return -1;
    }
    ptm_slot_set(self, &ptm_as_traceback(self)->details, NULL);
    ptm_slot_set(self, &ptm_as_traceback(self)->total, Py_NewRef(total));
    set_frames(self, ordered);
    return 0;
}

static int
traceback_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(ptm_as_traceback(self)->frames);
    Py_VISIT(ptm_as_traceback(self)->total);
    Py_VISIT(ptm_as_traceback(self)->details);
    return 0;
}

static int
traceback_clear(PyObject *self)
{
    Py_CLEAR(ptm_as_traceback(self)->frames);
    Py_CLEAR(ptm_as_traceback(self)->total);
    Py_CLEAR(ptm_as_traceback(self)->details);
    return 0;
}

static void
traceback_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    traceback_clear(self);
    ptm_view_decref(ptm_as_traceback(self)->view);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- frames -- */

static PyObject *
frames_from_view(const ptm_face *face, const ptm_traceback *tb, ptm_view *view)
{
    if (!ptm_tb_is_stack(tb->of.kind)) {
        return ptm_group_frames(view, tb->of.kind, tb->of.id);
    }
    PyObject *frames = ptm_view_stack(view, tb->of.id);
    return frames == NULL ? NULL : in_order_of(face, frames);
}

/* Makes the tuple of a traceback on a view. */
static int
fill_frames(PyObject *self, ptm_view *view)
{
    ptm_face *face = ptm_face_of(self);
    ptm_traceback *tb = ptm_as_traceback(self);
    PyObject *frames = face == NULL ? NULL : frames_from_view(face, tb, view);
    return ptm_fill_slot(&tb->frames, frames) == NULL ? -1 : 0;
}

/* The tuple, a new reference. */
static PyObject *
frames_of(PyObject *self)
{
    ptm_traceback *tb = ptm_as_traceback(self);
    ptm_view *view = ptm_traceback_view(tb);
    PyObject *frames = ptm_slot_get(self, &tb->frames);
    if (frames == NULL && view != NULL) {
        if (fill_frames(self, view) < 0) {
            return NULL;
        }
        frames = ptm_slot_get(self, &tb->frames);
    }
    return frames != NULL ? frames : ptm_no_attribute(self, "_frames");
}

Py_ssize_t
ptm_traceback_length(PyObject *self)
{
    const ptm_traceback *tb = ptm_as_traceback(self);
    const ptm_view *view = ptm_traceback_view(tb);
    if (view != NULL) {
        return ptm_tb_is_stack(tb->of.kind) ? (Py_ssize_t)view->snap->stacks[tb->of.id].nframe : 1;
    }
    return ptm_size_and_drop(frames_of(self));
}

static PyObject *
traceback_item(PyObject *self, Py_ssize_t i)
{
    if (i < 0) { /* the length was added once already */
        PyErr_SetString(PyExc_IndexError, "tuple index out of range");
        return NULL;
    }
    ptm_face *face = ptm_face_of(self);
    PyObject *frames = face == NULL ? NULL : frames_of(self);
    PyObject *raw = frames == NULL ? NULL : ptm_item(frames, i);
    PyObject *frame = NULL;
    ptm_frame_details details = PTM_FRAME_DETAILS_NONE;
    if (raw != NULL
        && (!ptm_face_is_main(face) || ptm_traceback_details_at(self, i, &details) == 0)) {
        frame = ptm_frame_new(face, raw, &details);
    }
    Py_XDECREF(details.name);
    Py_XDECREF(raw);
    Py_XDECREF(frames);
    return frame;
}

static PyObject *
traceback_subscript(PyObject *self, PyObject *index)
{
    static const ptm_sequence_items own = {ptm_traceback_length, traceback_item, "tuple"};
    return ptm_sequence_subscript(self, index, &own);
}

static int
traceback_contains(PyObject *self, PyObject *frame)
{
    PyObject *raw = ptm_get_attr(frame, "_frame");
    PyObject *frames = raw == NULL ? NULL : frames_of(self);
    int found = frames == NULL ? -1 : PySequence_Contains(frames, raw);
    Py_XDECREF(frames);
    Py_XDECREF(raw);
    return found;
}

bool
ptm_traceback_origin(ptm_face *face, PyObject *self, ptm_view **view, ptm_tb_kind *kind,
                     uint32_t *id)
{
    if (!PyObject_TypeCheck(self, face->traceback)) {
        return false;
    }
    const ptm_traceback *tb = ptm_as_traceback(self);
    *view = ptm_traceback_view(tb), *kind = tb->of.kind, *id = tb->of.id;
    return *view != NULL;
}

/* -- comparing -- */

static bool
same_view(const ptm_traceback *a, const ptm_traceback *b)
{
    const ptm_view *view = ptm_traceback_view(a);
    return view != NULL && view == ptm_traceback_view(b) && a->of.kind == b->of.kind
           && a->of.id == b->of.id;
}

static PyObject *
traceback_compare(PyObject *self, PyObject *other, int op)
{
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || !PyObject_TypeCheck(other, face->traceback)) {
        return face == NULL ? NULL : Py_NewRef(Py_NotImplemented);
    }
    if (same_view(ptm_as_traceback(self), ptm_as_traceback(other))) {
        return PyBool_FromLong(op == Py_EQ || op == Py_LE || op == Py_GE);
    }
    PyObject *a = frames_of(self);
    return ptm_compare_and_drop(a, a == NULL ? NULL : frames_of(other), op);
}

static Py_hash_t
traceback_hash(PyObject *self)
{
    return ptm_hash_and_drop(frames_of(self));
}

/* -- text -- */

static PyObject *
traceback_str(PyObject *self)
{
    PyObject *first = PySequence_GetItem(self, 0);
    PyObject *text = first == NULL ? NULL : PyObject_Str(first);
    Py_XDECREF(first);
    return text;
}

static PyObject *
traceback_repr(PyObject *self)
{
    PyObject *frames = PySequence_Tuple(self);
    if (frames == NULL) {
        return NULL;
    }
    PyObject *total = ptm_slot_get(self, &ptm_as_traceback(self)->total);
    if (total == NULL || total == Py_None) {
        Py_XDECREF(total);
        return ptm_text_format("<Traceback %s>", Py_BuildValue("(N)", frames));
    }
    return ptm_text_format("<Traceback %s total_nframe=%s>", Py_BuildValue("(NN)", frames, total));
}

static PyObject *
traceback_format(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"limit", "most_recent_first", NULL};
    PyObject *limit = Py_None;
    int most_recent_first = 0;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|Op:format", names, &limit,
                                        &most_recent_first)) {
        return NULL;
    }
    PyObject *frames = frames_of(self);
    PyObject *lines =
        frames == NULL ? NULL : ptm_format_frames(face, frames, limit, most_recent_first != 0);
    Py_XDECREF(frames);
    return lines;
}

/* -- attributes -- */

static PyObject *
traceback_get_total_nframe(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *total = ptm_slot_get(self, &ptm_as_traceback(self)->total);
    return total != NULL ? total : ptm_no_attribute(self, "_total_nframe");
}

static PyObject *
traceback_get_frames(PyObject *self, void *unused)
{
    (void)unused;
    return frames_of(self);
}

static int
traceback_set_frames(PyObject *self, PyObject *frames, void *unused)
{
    (void)unused;
    set_frames(self, Py_XNewRef(frames));
    return 0;
}

static int
traceback_set_total(PyObject *self, PyObject *total, void *unused)
{
    (void)unused;
    PyObject **slot = &ptm_as_traceback(self)->total;
    if (ptm_may_set(PTM_LOAD(slot) != NULL, total, "_total_nframe") < 0) {
        return -1;
    }
    ptm_slot_set(self, slot, Py_XNewRef(total));
    return 0;
}

/* clang-format off */
#define TRACEBACK_GETSET                                                                  \
    PTM_PROPERTY("total_nframe", traceback_get_total_nframe,                              \
                 "Number of frames before the traceback was cut at the limit, or None."), \
    {"_total_nframe", traceback_get_total_nframe, traceback_set_total, NULL, NULL},       \
    {"_frames", traceback_get_frames, traceback_set_frames, NULL, NULL}
/* clang-format on */

static PyGetSetDef stdlib_getset[] = {
    TRACEBACK_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef main_getset[] = {
    TRACEBACK_GETSET,
    {"_details", ptm_traceback_get_details, ptm_traceback_set_details, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(format_doc,
             "format(self, limit=None, most_recent_first=False)\n--\n\n"
             "Format the traceback as a list of lines. The oldest frame comes first unless\n"
             "most_recent_first is true; a positive limit keeps the most recent frames.");

static PyMethodDef traceback_methods[] = {
    {"format", (PyCFunction)(void (*)(void))traceback_format, METH_VARARGS | METH_KEYWORDS,
     format_doc},
    PTM_SEQUENCE_METHODS,
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(main_doc, "Traceback(frames, total_nframe=None)\n--\n\n"
                       "Sequence of Frame instances sorted from the most recent frame\n"
                       "to the oldest frame.");

PyDoc_STRVAR(stdlib_doc, "Traceback(frames, total_nframe=None)\n--\n\n"
                         "Sequence of Frame instances sorted from the oldest frame\n"
                         "to the most recent frame.");

/* clang-format off */
#define TRACEBACK_SLOTS(doc, getset)        \
    {Py_tp_doc, (void *)doc},               \
    {Py_tp_init, traceback_init},           \
    {Py_tp_dealloc, traceback_dealloc},     \
    {Py_tp_traverse, traceback_traverse},   \
    {Py_tp_clear, traceback_clear},         \
    {Py_tp_richcompare, traceback_compare}, \
    {Py_tp_hash, traceback_hash},           \
    {Py_tp_str, traceback_str},             \
    {Py_tp_repr, traceback_repr},           \
    {Py_tp_iter, PySeqIter_New},            \
    {Py_sq_length, ptm_traceback_length},   \
    {Py_sq_item, traceback_item},           \
    {Py_sq_contains, traceback_contains},   \
    {Py_mp_length, ptm_traceback_length},   \
    {Py_mp_subscript, traceback_subscript}, \
    {Py_tp_methods, traceback_methods},     \
    {Py_tp_getset, getset},                 \
    {0, NULL}
/* clang-format on */

static PyType_Slot main_slots[] = {TRACEBACK_SLOTS(main_doc, main_getset)};
static PyType_Slot stdlib_slots[] = {TRACEBACK_SLOTS(stdlib_doc, stdlib_getset)};

int
ptm_traceback_setup(PyObject *module)
{
    static const ptm_type_recipe recipe = {
        "pytracemalloc.Traceback",
        "tracemalloc.Traceback",
        sizeof(ptm_traceback),
        main_slots,
        stdlib_slots,
    };
    ptm_face *face = PyModule_GetState(module);
    face->traceback = ptm_type_new(module, &recipe, NULL);
    return face->traceback == NULL ? -1 : 0;
}
