/* SPDX-License-Identifier: MIT
 *
 * t_statistic - Statistic and StatisticDiff: plain attributes, any of which may be set. The main
 * face's have a key, which tells the group they were made for and takes no part in comparing.
 */
#include "py/state.h"

/* What its traceback and its group are: both of the view; or somebody set the first, or both. */
typedef enum { FROM_VIEW, TRACEBACK_GIVEN, MADE_BY_HAND } origin;

/* The last two are asked of a StatisticDiff only. */
typedef enum { SIZE, COUNT, SIZE_DIFF, COUNT_DIFF, N_NUMBERS } number;

typedef struct {
    PyObject_HEAD
    PyObject *traceback;        /* unless it is the group; NULL: there is none */
    PyObject *given[N_NUMBERS]; /* what somebody has set; NULL: nothing */
    int64_t counted[N_NUMBERS]; /* what holds instead, if it says so: */
    bool is_counted[N_NUMBERS]; /* atomic */
    PyObject *group;  /* a traceback that knows its group; NULL: nobody has looked, or by hand */
    ptm_view *view;   /* of the group; NULL: made by hand from the beginning */
    ptm_tb_origin of; /* the group in the view */
    origin came_by;   /* atomic */
} statistic_object;

static inline statistic_object *
as_statistic(PyObject *self)
{
    return (statistic_object *)self;
}

/* Says of a number what was counted, before anybody else sees the object. */
static void
count(statistic_object *stat, number which, int64_t counted)
{
    stat->counted[which] = counted;
    stat->is_counted[which] = true;
}

PyObject *
ptm_statistic_new(PyTypeObject *type, ptm_view *view, ptm_tb_origin group, const ptm_group_row *row)
{
    PyObject *self = ptm_new_untracked(type);
    if (self == NULL) {
        return NULL;
    }
    statistic_object *stat = as_statistic(self);
    stat->view = ptm_view_incref(view);
    stat->of = group;
    count(stat, SIZE, row->size);
    count(stat, COUNT, row->count);
    count(stat, SIZE_DIFF, row->size_diff);
    count(stat, COUNT_DIFF, row->count_diff);
    return self;
}

/* -- numbers -- */

static const char *const number_names[] = {"size", "count", "size_diff", "count_diff"};

/* A new reference; NULL, perhaps without an exception: there is none. */
static PyObject *
number_of(PyObject *self, number which)
{
    statistic_object *stat = as_statistic(self);
    if (PTM_LOAD_ACQUIRE(&stat->is_counted[which])) {
        return PyLong_FromLongLong(stat->counted[which]);
    }
    return ptm_slot_get(self, &stat->given[which]);
}

/* Takes over `value`; NULL: there is none any more. */
static void
set_number(PyObject *self, number which, PyObject *value)
{
    statistic_object *stat = as_statistic(self);
    ptm_slot_set(self, &stat->given[which], value);
    PTM_STORE_RELEASE(&stat->is_counted[which], false);
}

static PyObject *
statistic_get_number(PyObject *self, void *which)
{
    PyObject *value = number_of(self, (number)(intptr_t)which);
    return value != NULL || PyErr_Occurred()
               ? value
               : ptm_no_attribute(self, number_names[(intptr_t)which]);
}

static int
statistic_set_number(PyObject *self, PyObject *value, void *closure)
{
    statistic_object *stat = as_statistic(self);
    number which = (number)(intptr_t)closure;
    bool there = PTM_LOAD(&stat->is_counted[which]) || PTM_LOAD(&stat->given[which]) != NULL;
    if (ptm_may_set(there, value, number_names[which]) < 0) {
        return -1;
    }
    set_number(self, which, Py_XNewRef(value));
    return 0;
}

/* -- traceback and group: there are many of them, and made only when somebody looks -- */

/* A new reference; NULL without an exception if it was made by hand, see `failed`. */
static PyObject *
group_of(ptm_face *face, PyObject *self, bool *failed)
{
    statistic_object *stat = as_statistic(self);
    *failed = false;
    PyObject *group = ptm_slot_get(self, &stat->group);
    if (group != NULL || stat->view == NULL || PTM_LOAD_ACQUIRE(&stat->came_by) == MADE_BY_HAND) {
        return group;
    }
    group = ptm_traceback_of_view(face, stat->view, stat->of, 0);
    *failed = ptm_fill_slot(&stat->group, group) == NULL;
    return ptm_slot_get(self, &stat->group);
}

/* Nobody has set its traceback. */
static bool
is_of_view(const statistic_object *stat)
{
    return stat->view != NULL && PTM_LOAD_ACQUIRE(&stat->came_by) == FROM_VIEW;
}

/* A new reference, or AttributeError. */
static PyObject *
traceback_of(ptm_face *face, PyObject *self)
{
    bool failed = false;
    PyObject *traceback = is_of_view(as_statistic(self)) ? group_of(face, self, &failed) : NULL;
    if (traceback == NULL && !failed) { /* also if somebody has set it just now */
        traceback = ptm_slot_get(self, &as_statistic(self)->traceback);
    }
    return traceback != NULL || failed ? traceback : ptm_no_attribute(self, "traceback");
}

static PyObject *
statistic_get_traceback(PyObject *self, void *unused)
{
    (void)unused;
    ptm_face *face = ptm_face_of(self);
    return face == NULL ? NULL : traceback_of(face, self);
}

static void
set_traceback(PyObject *self, PyObject *traceback, origin came_by)
{
    statistic_object *stat = as_statistic(self);
    ptm_slot_set(self, &stat->traceback, Py_XNewRef(traceback));
    if (PTM_LOAD(&stat->came_by) < came_by) {
        PTM_STORE_RELEASE(&stat->came_by, came_by);
    }
}

static int
statistic_set_traceback(PyObject *self, PyObject *traceback, void *unused)
{
    (void)unused;
    statistic_object *stat = as_statistic(self);
    bool there = PTM_LOAD(&stat->traceback) != NULL || is_of_view(stat);
    if (ptm_may_set(there, traceback, "traceback") < 0) {
        return -1;
    }
    set_traceback(self, traceback, TRACEBACK_GIVEN);
    return 0;
}

static void
set_values(PyObject *self, PyObject *traceback, PyObject *size, PyObject *count)
{
    set_traceback(self, traceback, MADE_BY_HAND);
    set_number(self, SIZE, Py_NewRef(size));
    set_number(self, COUNT, Py_NewRef(count));
    ptm_slot_set(self, &as_statistic(self)->group, NULL);
}

static int
statistic_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"traceback", "size", "count", NULL};
    PyObject *traceback, *size, *count;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO:Statistic", names, &traceback, &size,
                                     &count)) {
        return -1;
    }
    set_values(self, traceback, size, count);
    return 0;
}

static int
diff_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"traceback", "size", "size_diff", "count", "count_diff", NULL};
    PyObject *traceback, *size, *size_diff, *count, *count_diff;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO:StatisticDiff", names, &traceback, &size,
                                     &size_diff, &count, &count_diff)) {
        return -1;
    }
    set_values(self, traceback, size, count);
    set_number(self, SIZE_DIFF, Py_NewRef(size_diff));
    set_number(self, COUNT_DIFF, Py_NewRef(count_diff));
    return 0;
}

static int
statistic_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_statistic(self)->traceback);
    for (int i = 0; i < N_NUMBERS; i++) {
        Py_VISIT(as_statistic(self)->given[i]);
    }
    Py_VISIT(as_statistic(self)->group);
    return 0;
}

static int
statistic_clear(PyObject *self)
{
    Py_CLEAR(as_statistic(self)->traceback);
    for (int i = 0; i < N_NUMBERS; i++) {
        Py_CLEAR(as_statistic(self)->given[i]);
    }
    Py_CLEAR(as_statistic(self)->group);
    return 0;
}

static void
statistic_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    statistic_clear(self);
    ptm_view_decref(as_statistic(self)->view);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- comparing: by the attributes in the order of the constructor -- */

static bool
is_diff(ptm_face *face, PyObject *self)
{
    return PyObject_TypeCheck(self, face->statistic_diff);
}

/* A new tuple of the traceback and of n numbers. */
static PyObject *
values_in(ptm_face *face, PyObject *self, const number *numbers, Py_ssize_t n)
{
    PyObject *values = PyTuple_New(n + 1);
    for (Py_ssize_t i = 0; values != NULL && i <= n; i++) {
        PyObject *value = i == 0 ? traceback_of(face, self) : number_of(self, numbers[i - 1]);
        if (value == NULL) {
            Py_CLEAR(values);
            if (!PyErr_Occurred()) {
                ptm_no_attribute(self, "traceback");
            }
        }
        else {
            PyTuple_SET_ITEM(values, i, value);
        }
    }
    return values;
}

/* A new tuple of all attributes, as they are now: what is made of them runs Python code, and others
 * may set them. */
static PyObject *
values_of(ptm_face *face, PyObject *self)
{
    static const number all[] = {SIZE, COUNT}, all_of_diff[] = {SIZE, SIZE_DIFF, COUNT, COUNT_DIFF};
    return is_diff(face, self) ? values_in(face, self, all_of_diff, PTM_ARRAY_LEN(all_of_diff))
                               : values_in(face, self, all, PTM_ARRAY_LEN(all));
}

static PyObject *
statistic_compare(PyObject *self, PyObject *other, int op)
{
    ptm_face *face = ptm_face_of(self);
    if (face == NULL) {
        return NULL;
    }
    PyTypeObject *type = is_diff(face, self) ? face->statistic_diff : face->statistic;
    if ((op != Py_EQ && op != Py_NE) || !PyObject_TypeCheck(other, type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *a = values_of(face, self);
    return ptm_compare_and_drop(a, a == NULL ? NULL : values_of(face, other), op);
}

static Py_hash_t
statistic_hash(PyObject *self)
{
    ptm_face *face = ptm_face_of(self);
    return ptm_hash_and_drop(face == NULL ? NULL : values_of(face, self));
}

/* -- text -- */

/* What it is about: the group's name, unless it is the traceback or somebody has put another. */
static PyObject *
subject_of(ptm_face *face, PyObject *self, PyObject *traceback)
{
    bool failed;
    PyObject *group = group_of(face, self, &failed);
    bool is_group = group == traceback;
    Py_XDECREF(group);
    return failed ? NULL : is_group ? ptm_group_heading(face, traceback) : Py_NewRef(traceback);
}

static PyObject *
statistic_str(PyObject *self)
{
    ptm_face *face = ptm_face_of(self);
    PyObject *values = face == NULL ? NULL : values_of(face, self);
    if (values == NULL) {
        return NULL;
    }
    ptm_statistic_values v = ptm_statistic_by_name(values);
    PyObject *subject = subject_of(face, self, v.traceback);
    PyObject *text = subject == NULL ? NULL : ptm_statistic_text(face, subject, &v);
    Py_XDECREF(subject);
    Py_DECREF(values);
    return text;
}

static PyObject *
statistic_repr(PyObject *self)
{
    ptm_face *face = ptm_face_of(self);
    PyObject *values = face == NULL ? NULL : values_of(face, self);
    if (values == NULL) {
        return NULL;
    }
    return ptm_text_format(is_diff(face, self)
                               ? "<StatisticDiff traceback=%r size=%i (%+i) count=%i (%+i)>"
                               : "<Statistic traceback=%r size=%i count=%i>",
                           values);
}

static PyObject *
statistic_sort_key(PyObject *self, PyObject *unused)
{
    (void)unused;
    ptm_face *face = ptm_face_of(self);
    PyObject *values = face == NULL ? NULL : values_of(face, self);
    if (values == NULL) {
        return NULL;
    }
    ptm_statistic_values v = ptm_statistic_by_name(values);
    PyObject *key = NULL;
    if (v.size_diff == NULL) {
        key = PyTuple_Pack(3, v.size, v.count, v.traceback);
    }
    else {
        PyObject *size_diff = PyNumber_Absolute(v.size_diff);
        PyObject *count_diff = size_diff == NULL ? NULL : PyNumber_Absolute(v.count_diff);
        if (count_diff != NULL) {
            key = PyTuple_Pack(5, size_diff, v.size, count_diff, v.count, v.traceback);
        }
        Py_XDECREF(count_diff);
        Py_XDECREF(size_diff);
    }
    Py_DECREF(values);
    return key;
}

static PyObject *
statistic_get_key(PyObject *self, void *unused)
{
    (void)unused;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL) {
        return NULL;
    }
    bool failed;
    PyObject *group = group_of(face, self, &failed);
    if (group == NULL) {
        return failed ? NULL : traceback_of(face, self);
    }
    PyObject *key = ptm_group_key(face, group);
    Py_DECREF(group);
    return key;
}

PyDoc_STRVAR(key_doc,
             "The group, by group_by: 'filename' a str, 'lineno' (filename, lineno),\n"
             "'traceback' the Traceback, 'function' (filename, name or None), 'module' a str\n"
             "or None, 'size' an int or None, 'domain' an int. Made by hand: the traceback.");

/* clang-format off */
#define NUMBER(name, which, doc)                                                      \
    {name, statistic_get_number, statistic_set_number, PyDoc_STR(doc), (void *)(intptr_t)which}
#define STATISTIC_GETSET                                                              \
    {"traceback", statistic_get_traceback, statistic_set_traceback,                   \
     PyDoc_STR("Traceback where the memory block was allocated."), NULL},             \
    NUMBER("size", SIZE, "Total size of memory blocks in bytes (int)."),              \
    NUMBER("count", COUNT, "Number of memory blocks (int).")
#define DIFF_GETSET                                                                   \
    STATISTIC_GETSET,                                                                 \
    NUMBER("size_diff", SIZE_DIFF,                                                    \
           "Difference of total size of memory blocks in bytes between the snapshots (int)."), \
    NUMBER("count_diff", COUNT_DIFF,                                                  \
           "Difference of number of memory blocks between the snapshots (int).")
#define KEY_GETSET PTM_PROPERTY("key", statistic_get_key, key_doc)
#define END_GETSET {NULL, NULL, NULL, NULL, NULL}
/* clang-format on */

static PyGetSetDef main_getset[] = {STATISTIC_GETSET, KEY_GETSET, END_GETSET};
static PyGetSetDef main_diff_getset[] = {DIFF_GETSET, KEY_GETSET, END_GETSET};
static PyGetSetDef stdlib_getset[] = {STATISTIC_GETSET, END_GETSET};
static PyGetSetDef stdlib_diff_getset[] = {DIFF_GETSET, END_GETSET};

static PyMethodDef statistic_methods[] = {
    {"_sort_key", statistic_sort_key, METH_NOARGS, PyDoc_STR("_sort_key(self)\n--\n\n")},
    PTM_PICKLE_METHODS,
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(statistic_doc,
             "Statistic(traceback, size, count)\n--\n\nStatistic on memory allocations.");

PyDoc_STRVAR(diff_doc, "StatisticDiff(traceback, size, size_diff, count, count_diff)\n--\n\n"
                       "Statistic difference on memory allocations between an old and a new\n"
                       "Snapshot instance.");

/* clang-format off */
#define STATISTIC_SLOTS(doc, init, getset) \
    {Py_tp_doc, (void *)doc},               \
    {Py_tp_init, init},                     \
    {Py_tp_dealloc, statistic_dealloc},     \
    {Py_tp_traverse, statistic_traverse},   \
    {Py_tp_clear, statistic_clear},         \
    {Py_tp_richcompare, statistic_compare}, \
    {Py_tp_hash, statistic_hash},           \
    {Py_tp_str, statistic_str},             \
    {Py_tp_repr, statistic_repr},           \
    {Py_tp_methods, statistic_methods},     \
    {Py_tp_getset, getset},     \
    {0, NULL}
/* clang-format on */

static PyType_Slot main_slots[] = {STATISTIC_SLOTS(statistic_doc, statistic_init, main_getset)};
static PyType_Slot stdlib_slots[] = {STATISTIC_SLOTS(statistic_doc, statistic_init, stdlib_getset)};
static PyType_Slot main_diff_slots[] = {STATISTIC_SLOTS(diff_doc, diff_init, main_diff_getset)};
static PyType_Slot stdlib_diff_slots[] = {STATISTIC_SLOTS(diff_doc, diff_init, stdlib_diff_getset)};

int
ptm_statistic_setup(PyObject *module)
{
    static const ptm_type_recipe statistic = {
        "pytracemalloc.Statistic",
        "tracemalloc.Statistic",
        sizeof(statistic_object),
        main_slots,
        stdlib_slots,
    };
    static const ptm_type_recipe diff = {
        "pytracemalloc.StatisticDiff",
        "tracemalloc.StatisticDiff",
        sizeof(statistic_object),
        main_diff_slots,
        stdlib_diff_slots,
    };
    ptm_face *face = PyModule_GetState(module);
    face->statistic = ptm_type_new(module, &statistic, NULL);
    face->statistic_diff = ptm_type_new(module, &diff, NULL);
    return face->statistic == NULL || face->statistic_diff == NULL ? -1 : 0;
}
