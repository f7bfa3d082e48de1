/* SPDX-License-Identifier: MIT
 *
 * t_traceback - Traceback: a sequence of frames, either a tuple given by the caller or a stack of a
 * snapshot.
 *
 * The main face runs from the most recent frame to the oldest, the stdlib face the other way round;
 * `frames` is kept in the face's order, and made from the view only when somebody looks.
 */
#include "py/state.h"

typedef struct {
    PyObject_HEAD
    PyObject *frames; /* tuple of (filename, lineno) in the face's order; NULL: still in the view */
    PyObject *total;  /* total_nframe: int or None */
    PyObject *details; /* tuple of (name, end_lineno, colno, end_colno), one for each frame; NULL:
                          see the view */
    ptm_view *view;    /* NULL: made by the caller */
    ptm_tb_kind kind;
    uint32_t id; /* string, frame or stack of the view, by kind */
    /* Where the last look ended, as index << 32 | stack; 0: nowhere; atomic. Frames are visited in
     * order, and a stack is linked from the most recent one only. */
    uint64_t cursor;
} traceback_object;

static inline traceback_object *
as_traceback(PyObject *self)
{
    return (traceback_object *)self;
}

PyObject *
ptm_traceback_of_view(ptm_face *face, ptm_view *view, ptm_tb_kind kind, uint32_t id,
                      uint32_t total_nframe)
{
    PyObject *total =
        total_nframe == 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(total_nframe);
    PyObject *self = total == NULL ? NULL : face->traceback->tp_alloc(face->traceback, 0);
    if (self == NULL) {
        Py_XDECREF(total);
        return NULL;
    }
    traceback_object *tb = as_traceback(self);
    tb->total = total;
    tb->view = ptm_view_incref(view);
    tb->kind = kind;
    tb->id = id;
    return self;
}

static void
leave_view(traceback_object *tb)
{
    ptm_view *view = tb->view;
    tb->view = NULL;
    ptm_view_decref(view);
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
    leave_view(as_traceback(self));
    Py_XSETREF(as_traceback(self)->frames, ordered);
    Py_XSETREF(as_traceback(self)->total, Py_NewRef(total));
    Py_CLEAR(as_traceback(self)->details);
    return 0;
}

static int
traceback_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_traceback(self)->frames);
    Py_VISIT(as_traceback(self)->total);
    Py_VISIT(as_traceback(self)->details);
    return 0;
}

static int
traceback_clear(PyObject *self)
{
    Py_CLEAR(as_traceback(self)->frames);
    Py_CLEAR(as_traceback(self)->total);
    Py_CLEAR(as_traceback(self)->details);
    return 0;
}

static void
traceback_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    traceback_clear(self);
    leave_view(as_traceback(self));
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- frames -- */

static PyObject *
frames_from_view(const ptm_face *face, traceback_object *tb)
{
    if (!ptm_tb_is_stack(tb->kind)) {
        return ptm_group_frames(tb->view, tb->kind, tb->id);
    }
    PyObject *frames = ptm_view_stack(tb->view, tb->id);
    return frames == NULL ? NULL : in_order_of(face, frames);
}

/* The tuple, borrowed. */
static PyObject *
frames_of(PyObject *self)
{
    traceback_object *tb = as_traceback(self);
    PyObject *there = PTM_LOAD_ACQUIRE(&tb->frames);
    if (there != NULL || tb->view == NULL) {
        return there != NULL ? there : ptm_no_attribute(self, "_frames");
    }
    ptm_face *face = ptm_face_of(self);
    return ptm_fill_slot(&tb->frames, face == NULL ? NULL : frames_from_view(face, tb));
}

static Py_ssize_t
traceback_length(PyObject *self)
{
    traceback_object *tb = as_traceback(self);
    if (tb->frames == NULL && tb->view != NULL) {
        return ptm_tb_is_stack(tb->kind) ? (Py_ssize_t)tb->view->snap->stacks[tb->id].nframe : 1;
    }
    PyObject *frames = frames_of(self);
    return frames == NULL ? -1 : PySequence_Size(frames);
}

/* The i-th most recent frame of a stack. */
static ptm_frame_id
frame_at(traceback_object *tb, uint32_t i)
{
    const ptm_snap_stack *stacks = tb->view->snap->stacks;
    uint64_t cursor = PTM_LOAD(&tb->cursor);
    bool known = cursor != 0 && cursor >> 32 <= i;
    uint32_t at = known ? (uint32_t)(cursor >> 32) : 0;
    ptm_stack_id stack = known ? (ptm_stack_id)cursor : tb->id;
    for (; at < i; at++) {
        stack = stacks[stack].parent;
    }
    PTM_STORE(&tb->cursor, (uint64_t)i << 32 | stack);
    return stacks[stack].frame;
}

static int
name_from_view(traceback_object *tb, ptm_str_id name, ptm_frame_details *out)
{
    out->name = name == PTM_SNAP_NONE ? NULL : ptm_view_string(tb->view, name);
    return name != PTM_SNAP_NONE && out->name == NULL ? -1 : 0;
}

static int
details_from_view(traceback_object *tb, Py_ssize_t i, ptm_frame_details *out)
{
    if (tb->kind == PTM_TB_FUNCTION) {
        return name_from_view(tb, tb->view->snap->frames[tb->id].name, out);
    }
    if (!ptm_tb_is_stack(tb->kind) && tb->kind != PTM_TB_LINE) {
        return 0;
    }
    ptm_frame_id id = tb->kind == PTM_TB_LINE ? tb->id : frame_at(tb, (uint32_t)i);
    const ptm_snap_frame *frame =
        tb->kind == PTM_TB_STACK ? &tb->view->snap->frames[id] : ptm_view_agreed(tb->view, id);
    if (frame == NULL || name_from_view(tb, frame->name, out) < 0) {
        return -1;
    }
    out->end_lineno = frame->end_lineno;
    out->colno = frame->colno;
    out->end_colno = frame->end_colno;
    return 0;
}

/* Of the i-th frame of the main face, which runs as the stacks do; out's name is borrowed. */
static int
details_at(traceback_object *tb, Py_ssize_t i, ptm_frame_details *out)
{
    *out = PTM_FRAME_DETAILS_NONE;
    if (tb->view != NULL) {
        return details_from_view(tb, i, out);
    }
    if (tb->details != NULL && i < PyTuple_GET_SIZE(tb->details)) {
        return ptm_frame_details_unpack(PyTuple_GET_ITEM(tb->details, i), out);
    }
    return 0;
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
    ptm_frame_details details = PTM_FRAME_DETAILS_NONE;
    if (raw == NULL
        || (ptm_face_is_main(face) && details_at(as_traceback(self), i, &details) < 0)) {
        Py_XDECREF(raw);
        return NULL;
    }
    PyObject *frame = ptm_frame_new(face, raw, &details);
    Py_DECREF(raw);
    return frame;
}

static PyObject *
traceback_subscript(PyObject *self, PyObject *index)
{
    return ptm_sequence_subscript(self, index, "tuple");
}

static int
traceback_contains(PyObject *self, PyObject *frame)
{
    PyObject *raw = ptm_get_attr(frame, "_frame");
    PyObject *frames = raw == NULL ? NULL : frames_of(self);
    int found = frames == NULL ? -1 : PySequence_Contains(frames, raw);
    Py_XDECREF(raw);
    return found;
}

bool
ptm_traceback_origin(ptm_face *face, PyObject *self, ptm_view **view, ptm_tb_kind *kind,
                     uint32_t *id)
{
    if (!PyObject_TypeCheck(self, face->traceback) || as_traceback(self)->view == NULL) {
        return false;
    }
    const traceback_object *tb = as_traceback(self);
    return *view = tb->view, *kind = tb->kind, *id = tb->id, true;
}

/* -- comparing -- */

static bool
same_view(const traceback_object *a, const traceback_object *b)
{
    return a->view != NULL && a->view == b->view && a->kind == b->kind && a->id == b->id;
}

static PyObject *
traceback_compare(PyObject *self, PyObject *other, int op)
{
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || !PyObject_TypeCheck(other, face->traceback)) {
        return face == NULL ? NULL : Py_NewRef(Py_NotImplemented);
    }
    if (same_view(as_traceback(self), as_traceback(other))) {
        return PyBool_FromLong(op == Py_EQ || op == Py_LE || op == Py_GE);
    }
    PyObject *a = frames_of(self), *b = a == NULL ? NULL : frames_of(other);
    return b == NULL ? NULL : PyObject_RichCompare(a, b, op);
}

static Py_hash_t
traceback_hash(PyObject *self)
{
    PyObject *frames = frames_of(self);
    return frames == NULL ? -1 : PyObject_Hash(frames);
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
    PyObject *total = as_traceback(self)->total;
    if (total == NULL || total == Py_None) {
        return ptm_text_format("<Traceback %s>", Py_BuildValue("(N)", frames));
    }
    return ptm_text_format("<Traceback %s total_nframe=%s>", Py_BuildValue("(NO)", frames, total));
}

/* Appends the one or two lines of a frame. */
static int
format_frame(PyObject *lines, PyObject *linecache, PyObject *filename, PyObject *lineno)
{
    PyObject *head =
        ptm_text_format("  File \"%s\", line %s", Py_BuildValue("(OO)", filename, lineno));
    if (head == NULL || PyList_Append(lines, head) < 0) {
        Py_XDECREF(head);
        return -1;
    }
    Py_DECREF(head);
    PyObject *line = ptm_call_method(linecache, "getline", filename, lineno);
    PyObject *stripped = line == NULL ? NULL : ptm_call_method(line, "strip", NULL, NULL);
    Py_XDECREF(line);
    int result = stripped == NULL ? -1 : PyObject_IsTrue(stripped);
    if (result > 0) {
        PyObject *source = ptm_text_format("    %s", Py_BuildValue("(O)", stripped));
        result = source == NULL ? -1 : PyList_Append(lines, source);
        Py_XDECREF(source);
    }
    Py_XDECREF(stripped);
    return result;
}

/* The standard library's rule on frames from the oldest on: a positive limit keeps the most recent
 * ones, another one cuts as a slice's end does. */
static int
apply_limit(PyObject *limit, Py_ssize_t n, Py_ssize_t *start, Py_ssize_t *stop)
{
    *start = 0;
    *stop = n;
    if (limit == Py_None) {
        return 0;
    }
    PyObject *zero = PyLong_FromLong(0);
    int positive = zero == NULL ? -1 : PyObject_RichCompareBool(limit, zero, Py_GT);
    Py_XDECREF(zero);
    Py_ssize_t wanted = positive < 0 ? -1 : PyNumber_AsSsize_t(limit, NULL);
    if (wanted == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (positive) {
        *start = wanted < n ? n - wanted : 0;
    }
    else {
        *stop = wanted == 0 || -n > wanted ? 0 : n + wanted;
    }
    return 0;
}

static int
format_frames(PyObject *lines, PyObject *frames, PyObject *linecache, Py_ssize_t first,
              Py_ssize_t n, int step)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *raw = PySequence_GetItem(frames, first + i * step);
        PyObject *filename = raw == NULL ? NULL : ptm_item(raw, 0);
        PyObject *lineno = filename == NULL ? NULL : ptm_item(raw, 1);
        int failed = lineno == NULL ? -1 : format_frame(lines, linecache, filename, lineno);
        Py_XDECREF(lineno);
        Py_XDECREF(filename);
        Py_XDECREF(raw);
        if (failed < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
traceback_format(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"limit", "most_recent_first", NULL};
    PyObject *limit = Py_None;
    int most_recent_first = 0;
    Py_ssize_t start, stop;
    ptm_face *face = ptm_face_of(self);
    PyObject *frames = face == NULL ? NULL : frames_of(self);
    if (frames == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|Op:format", names, &limit,
                                        &most_recent_first)) {
        return NULL;
    }
    Py_ssize_t n = PySequence_Size(frames);
    if (n < 0 || apply_limit(limit, n, &start, &stop) < 0) {
        return NULL;
    }
    /* start and stop count from the oldest frame; `first` is the place in `frames` of the line
     * printed first. */
    Py_ssize_t first = most_recent_first ? stop - 1 : start;
    int step = most_recent_first ? -1 : 1;
    if (ptm_face_is_main(face)) {
        first = n - 1 - first;
        step = -step;
    }
    PyObject *lines = PyList_New(0);
    PyObject *linecache = lines == NULL ? NULL : ptm_face_lookup_module(face, "linecache");
    Py_INCREF(frames); /* what linecache runs may put others in their place */
    if (linecache == NULL
        || format_frames(lines, frames, linecache, first, stop - start, step) < 0) {
        Py_CLEAR(lines);
    }
    Py_DECREF(frames);
    Py_XDECREF(linecache);
    return lines;
}

/* -- attributes -- */

static PyObject *
traceback_get_total_nframe(PyObject *self, void *unused)
{
    (void)unused;
    if (as_traceback(self)->total == NULL) {
        ptm_no_attribute(self, "_total_nframe");
        return NULL;
    }
    return Py_NewRef(as_traceback(self)->total);
}

static PyObject *
traceback_get_frames(PyObject *self, void *unused)
{
    (void)unused;
    return Py_XNewRef(frames_of(self));
}

static int
traceback_set_frames(PyObject *self, PyObject *frames, void *unused)
{
    (void)unused;
    leave_view(as_traceback(self));
    Py_XSETREF(as_traceback(self)->frames, Py_XNewRef(frames));
    return 0;
}

static PyObject *
packed_details(traceback_object *tb, Py_ssize_t n)
{
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; tuple != NULL && i < n; i++) {
        ptm_frame_details details;
        PyObject *packed =
            details_at(tb, i, &details) < 0 ? NULL : ptm_frame_details_pack(&details);
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
    traceback_object *tb = as_traceback(self);
    if (tb->view == NULL) {
        return Py_NewRef(tb->details == NULL ? Py_None : tb->details);
    }
    return packed_details(tb, traceback_length(self));
}

static PyObject *
traceback_get_details(PyObject *self, void *unused)
{
    (void)unused;
    return ptm_traceback_details(self);
}

static int
traceback_set_details(PyObject *self, PyObject *details, void *unused)
{
    (void)unused;
    if (details == NULL || (details != Py_None && !PyTuple_Check(details))) {
        PyErr_SetString(PyExc_TypeError, "_details must be None or a tuple");
        return -1;
    }
    Py_XSETREF(as_traceback(self)->details, details == Py_None ? NULL : Py_NewRef(details));
    return 0;
}

static PyMemberDef traceback_members[] = {
    {"_total_nframe", T_OBJECT_EX, offsetof(traceback_object, total), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* clang-format off */
#define TRACEBACK_GETSET                                                                  \
    PTM_PROPERTY("total_nframe", traceback_get_total_nframe,                              \
                 "Number of frames before the traceback was cut at the limit, or None."), \
    {"_frames", traceback_get_frames, traceback_set_frames, NULL, NULL}
/* clang-format on */

static PyGetSetDef stdlib_getset[] = {
    TRACEBACK_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef main_getset[] = {
    TRACEBACK_GETSET,
    {"_details", traceback_get_details, traceback_set_details, NULL, NULL},
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
    {Py_sq_length, traceback_length},       \
    {Py_sq_item, traceback_item},           \
    {Py_sq_contains, traceback_contains},   \
    {Py_mp_length, traceback_length},       \
    {Py_mp_subscript, traceback_subscript}, \
    {Py_tp_members, traceback_members},     \
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
        sizeof(traceback_object),
        main_slots,
        stdlib_slots,
    };
    ptm_face *face = PyModule_GetState(module);
    face->traceback = ptm_type_new(module, &recipe, NULL);
    return face->traceback == NULL ? -1 : 0;
}
