/* SPDX-License-Identifier: MIT
 *
 * t_frame - Frame: a file and a line, and in the main face the function and the columns, where they
 * are known.
 *
 * Equality, hash, order and text are those of the tuple (filename, lineno) alone.
 */
#include "py/state.h"

typedef struct {
    PyObject_HEAD
    PyObject *raw;             /* (filename, lineno), or whatever the constructor was given */
    ptm_frame_details details; /* name is owned */
} frame_object;

static inline frame_object *
as_frame(PyObject *self)
{
    return (frame_object *)self;
}

PyObject *
ptm_frame_new(ptm_face *face, PyObject *raw, const ptm_frame_details *details)
{
    PyObject *self = face->frame->tp_alloc(face->frame, 0);
    if (self != NULL) {
        as_frame(self)->raw = Py_NewRef(raw);
        as_frame(self)->details = *details;
        Py_XINCREF(details->name);
    }
    return self;
}

/* Takes over the name. */
static void
set_details(PyObject *self, ptm_frame_details details)
{
    ptm_frame_details old;
    PTM_BEGIN_ALONE(self);
    old = as_frame(self)->details;
    as_frame(self)->details = details;
    PTM_END_ALONE();
    Py_XDECREF(old.name);
}

/* The caller owns the name. */
static ptm_frame_details
details_of(PyObject *self)
{
    ptm_frame_details details;
    PTM_BEGIN_ALONE(self);
    details = as_frame(self)->details;
    Py_XINCREF(details.name);
    PTM_END_ALONE();
    return details;
}

static int
frame_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frame", NULL};
    PyObject *raw;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Frame", names, &raw)) {
        return -1;
    }
    ptm_slot_set(self, &as_frame(self)->raw, Py_NewRef(raw));
    set_details(self, PTM_FRAME_DETAILS_NONE);
    return 0;
}

static int
frame_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_frame(self)->raw);
    return 0;
}

static int
frame_clear(PyObject *self)
{
    Py_CLEAR(as_frame(self)->raw);
    Py_CLEAR(as_frame(self)->details.name);
    return 0;
}

static void
frame_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    frame_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* The raw tuple, a new reference; AttributeError if __init__ never ran. */
static PyObject *
raw_of(PyObject *self)
{
    PyObject *raw = ptm_slot_get(self, &as_frame(self)->raw);
    return raw != NULL ? raw : ptm_no_attribute(self, "_frame");
}

static PyObject *
raw_item(PyObject *self, Py_ssize_t i)
{
    return ptm_item_and_drop(raw_of(self), i);
}

static PyObject *
frame_get_filename(PyObject *self, void *unused)
{
    (void)unused;
    return raw_item(self, 0);
}

static PyObject *
frame_get_lineno(PyObject *self, void *unused)
{
    (void)unused;
    return raw_item(self, 1);
}

static PyObject *
frame_compare(PyObject *self, PyObject *other, int op)
{
    ptm_face *face = ptm_face_of(self);
    if (face == NULL || !PyObject_TypeCheck(other, face->frame)) {
        return face == NULL ? NULL : Py_NewRef(Py_NotImplemented);
    }
    PyObject *a = raw_of(self);
    return ptm_compare_and_drop(a, a == NULL ? NULL : raw_of(other), op);
}

static Py_hash_t
frame_hash(PyObject *self)
{
    return ptm_hash_and_drop(raw_of(self));
}

static PyObject *
frame_text(PyObject *self, const char *format)
{
    PyObject *filename = ptm_get_attr(self, "filename");
    PyObject *lineno = filename == NULL ? NULL : ptm_get_attr(self, "lineno");
    if (lineno == NULL) {
        Py_XDECREF(filename);
        return NULL;
    }
    return ptm_text_format(format, Py_BuildValue("(NN)", filename, lineno));
}

static PyObject *
frame_str(PyObject *self)
{
    return frame_text(self, "%s:%s");
}

static PyObject *
frame_repr(PyObject *self)
{
    return frame_text(self, "<Frame filename=%r lineno=%r>");
}

/* -- what the main face adds -- */

static PyObject *
frame_get_name(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *name = details_of(self).name;
    return name == NULL ? Py_NewRef(Py_None) : name;
}

static PyObject *
int_or_none(int32_t value)
{
    return value < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(value);
}

static PyObject *
frame_get_end_lineno(PyObject *self, void *unused)
{
    (void)unused;
    return int_or_none(PTM_LOAD(&as_frame(self)->details.end_lineno));
}

static PyObject *
frame_get_colno(PyObject *self, void *unused)
{
    (void)unused;
    return int_or_none(PTM_LOAD(&as_frame(self)->details.colno));
}

static PyObject *
frame_get_end_colno(PyObject *self, void *unused)
{
    (void)unused;
    return int_or_none(PTM_LOAD(&as_frame(self)->details.end_colno));
}

PyObject *
ptm_frame_details_pack(const ptm_frame_details *details)
{
    PyObject *name = details->name == NULL ? Py_None : details->name;
    return Py_BuildValue("(ONNN)", name, int_or_none(details->end_lineno),
                         int_or_none(details->colno), int_or_none(details->end_colno));
}

static int
position_from_object(PyObject *value, int32_t *out)
{
    long number = value == Py_None ? -1 : PyLong_AsLong(value);
    if (number < -1 || number > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a position must be None or an int from 0 to 2147483647");
    }
    *out = (int32_t)number;
    return PyErr_Occurred() ? -1 : 0;
}

int
ptm_frame_details_unpack(PyObject *tuple, ptm_frame_details *out)
{
    PyObject *name, *end_lineno, *colno, *end_colno;
    if (!PyTuple_Check(tuple)
        || !PyArg_ParseTuple(tuple, "OOOO", &name, &end_lineno, &colno, &end_colno)
        || (name != Py_None && !PyUnicode_Check(name))) {
        PyErr_SetString(PyExc_TypeError, "details must be (name, end_lineno, colno, end_colno)");
        return -1;
    }
    out->name = name == Py_None ? NULL : name;
    if (position_from_object(end_lineno, &out->end_lineno) < 0
        || position_from_object(colno, &out->colno) < 0) {
        return -1;
    }
    return position_from_object(end_colno, &out->end_colno);
}

static PyObject *
frame_get_details(PyObject *self, void *unused)
{
    (void)unused;
    ptm_frame_details details = details_of(self);
    PyObject *packed = ptm_frame_details_pack(&details);
    Py_XDECREF(details.name);
    return packed;
}

static int
frame_set_details(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    ptm_frame_details details;
    if (value == NULL || ptm_frame_details_unpack(value, &details) < 0) {
        if (value == NULL) {
            PyErr_SetString(PyExc_AttributeError, "_details cannot be deleted");
        }
        return -1;
    }
    Py_XINCREF(details.name);
    set_details(self, details);
    return 0;
}

static PyMemberDef frame_members[] = {
    {"_frame", T_OBJECT_EX, offsetof(frame_object, raw), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef frame_methods[] = {
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

/* clang-format off */
#define FRAME_GETSET                                                 \
    PTM_PROPERTY("filename", frame_get_filename, "Filename (str)."), \
    PTM_PROPERTY("lineno", frame_get_lineno, "Line number (int).")
/* clang-format on */

static PyGetSetDef stdlib_getset[] = {
    FRAME_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef main_getset[] = {
    FRAME_GETSET,
    PTM_PROPERTY("name", frame_get_name,
                 "Qualified name of the function (str), or None if it is not known\n"
                 "or several functions share this line."),
    PTM_PROPERTY("end_lineno", frame_get_end_lineno, "Last line of the expression (int), or None."),
    PTM_PROPERTY("colno", frame_get_colno,
                 "Where the expression begins in its line, in UTF-8 bytes from 0 (int), or None."),
    PTM_PROPERTY(
        "end_colno", frame_get_end_colno,
        "Where the expression ends in its last line, in UTF-8 bytes from 0 (int), or None."),
    {"_details", frame_get_details, frame_set_details, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(frame_doc, "Frame(frame)\n--\n\nFrame of a traceback.");

/* clang-format off */
#define FRAME_SLOTS(getset)             \
    {Py_tp_doc, (void *)frame_doc},     \
    {Py_tp_init, frame_init},           \
    {Py_tp_dealloc, frame_dealloc},     \
    {Py_tp_traverse, frame_traverse},   \
    {Py_tp_clear, frame_clear},         \
    {Py_tp_richcompare, frame_compare}, \
    {Py_tp_hash, frame_hash},           \
    {Py_tp_str, frame_str},             \
    {Py_tp_repr, frame_repr},           \
    {Py_tp_members, frame_members},     \
    {Py_tp_methods, frame_methods},     \
    {Py_tp_getset, getset},             \
    {0, NULL}
/* clang-format on */

static PyType_Slot main_slots[] = {FRAME_SLOTS(main_getset)};
static PyType_Slot stdlib_slots[] = {FRAME_SLOTS(stdlib_getset)};

int
ptm_frame_setup(PyObject *module)
{
    static const ptm_type_recipe recipe = {
        "pytracemalloc.Frame", "tracemalloc.Frame", sizeof(frame_object), main_slots, stdlib_slots,
    };
    ptm_face *face = PyModule_GetState(module);
    face->frame = ptm_type_new(module, &recipe, NULL);
    return face->frame == NULL ? -1 : 0;
}
