/* SPDX-License-Identifier: MIT
 *
 * state - what the files of py/ share: the two faces, their types, and who exports what.
 *
 * A face is one set of types and functions on the one engine: `main` is the package's own API,
 * `stdlib` is the standard library's module. Each face is the state of its own module object; the
 * same C code makes both.
 *
 * Threads   called by attached threads; on free-threaded builds by several at a time
 * Failure   -1 or NULL with an exception set
 */
#ifndef PTM_PY_STATE_H
#define PTM_PY_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h> /* T_OBJECT_EX: the name of 3.11 and 3.12; later ones still have it */

#if defined(PYPY_VERSION) || PY_VERSION_HEX < 0x030B0000 || PY_VERSION_HEX >= 0x03100000
#error "pytracemalloc knows CPython 3.11 to 3.15: build it with one of these"
#endif
#if !defined(__linux__) || !defined(__GLIBC__)
#error "pytracemalloc needs Linux with glibc"
#endif

#if PY_VERSION_HEX >= 0x030C0000
#define PTM_MODULE_INTERPRETERS \
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#else
#define PTM_MODULE_INTERPRETERS
#endif
#ifdef Py_GIL_DISABLED
#define PTM_MODULE_GIL {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#else
#define PTM_MODULE_GIL
#endif

/* One thread at a time between these, for one object. With a GIL there is nothing to do, since
 * nothing between them runs Python code. */
#ifdef Py_GIL_DISABLED
#define PTM_BEGIN_ALONE(self) Py_BEGIN_CRITICAL_SECTION(self)
#define PTM_END_ALONE() Py_END_CRITICAL_SECTION()
#else
#define PTM_BEGIN_ALONE(self) {
#define PTM_END_ALONE() }
#endif

/* "too many values to unpack (expected 4, got 5)" */
#define PTM_TELLS_HOW_MANY (PY_VERSION_HEX >= 0x030E0000)

#include "snap/ptm_group.h"
#include "snap/ptm_snap.h"

#include "py/view.h"

typedef enum { PTM_FACE_MAIN, PTM_FACE_STDLIB } ptm_face_kind;

typedef struct {
    ptm_face_kind kind;
    PyObject
        *globals; /* stdlib: the dict of stdlib.py, where names are looked up late; main: NULL */
    PyObject *engine;  /* stdlib: the module object that stands for _tracemalloc; main: NULL */
    PyObject *compare; /* stdlib: the _compare_grouped_stats of stdlib.py; main: NULL */
    PyTypeObject *frame, *traceback, *trace, *traces;
    PyTypeObject *statistic, *statistic_diff;
    PyTypeObject *base_filter, *filter, *domain_filter, *snapshot;
} ptm_face;

/* -- module.c -- */
/* The face a type (or a subclass of it) belongs to; NULL with an exception only for types that are
 * not ours. */
ptm_face *ptm_face_of_type(PyTypeObject *type);
static inline ptm_face *
ptm_face_of(PyObject *self)
{
    return ptm_face_of_type(Py_TYPE(self));
}
static inline bool
ptm_face_is_main(const ptm_face *face)
{
    return face->kind == PTM_FACE_MAIN;
}
/* A module as the face's code sees it: in the stdlib face the global `name` of stdlib.py if it is
 * there, so that a test may put another one in its place; else the imported module. */
PyObject *ptm_face_lookup_module(ptm_face *face, const char *name);
PyObject *ptm_face_lookup(ptm_face *face,
                          const char *name); /* stdlib: a global of stdlib.py, or NameError */

/* Makes a heap type in `module`, wraps the methods whose text signature starts with "(self" so that
 * inspect.signature() answers as for functions written in Python, and adds it to the module as
 * `name`. */
typedef struct {
    const char *main_name, *stdlib_name; /* with the module: "pytracemalloc.Frame" */
    size_t size;                         /* bytes of an instance */
    PyType_Slot *main_slots, *stdlib_slots;
} ptm_type_recipe;
PyTypeObject *ptm_type_new(PyObject *module, const ptm_type_recipe *recipe, PyTypeObject *base);

#define PTM_KEYWORDS(function) (PyCFunction)(void (*)(void)) function, METH_VARARGS | METH_KEYWORDS

/* -- one setup per type -- */
int ptm_frame_setup(PyObject *module);
int ptm_traceback_setup(PyObject *module);
int ptm_trace_setup(PyObject *module);
int ptm_traces_setup(PyObject *module);
int ptm_statistic_setup(PyObject *module);
int ptm_filter_setup(PyObject *module);
int ptm_snapshot_setup(PyObject *module);

/* -- sequence.c: what Traceback and the traces share -- */
/* A type's own functions: those in the slots of a subclass call __getitem__, which is the type's
 * subscript. */
typedef struct {
    lenfunc length;
    ssizeargfunc item; /* IndexError for negative numbers, too */
    const char *noun;  /* in error messages */
} ptm_sequence_items;
/* An index or a slice of `self`; slices are tuples. */
PyObject *ptm_sequence_subscript(PyObject *self, PyObject *index, const ptm_sequence_items *own);
PyObject *ptm_sequence_index(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ptm_sequence_count(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ptm_sequence_reversed(PyObject *self, PyObject *unused);
/* clang-format off */
#define PTM_SEQUENCE_METHODS                                                                    \
    {"index", (PyCFunction)(void (*)(void))ptm_sequence_index, METH_VARARGS | METH_KEYWORDS,    \
     PyDoc_STR("index(self, value, start=0, stop=None)\n--\n\n"                                 \
               "Return first index of value. Raises ValueError if the value is not present.")}, \
    {"count", (PyCFunction)(void (*)(void))ptm_sequence_count, METH_VARARGS | METH_KEYWORDS,    \
     PyDoc_STR("count(self, value)\n--\n\nReturn number of occurrences of value.")},            \
    {"__reversed__", ptm_sequence_reversed, METH_NOARGS, NULL}
/* clang-format on */

/* -- objects.c: what the C API leaves to be done -- */
/* obj.name, by an interned name: any other would take a place of its own in the types' method
 * cache. */
PyObject *ptm_get_attr(PyObject *obj, const char *name);
/* obj.name = value for each item of the dict; the caller keeps it. */
int ptm_set_attrs(PyObject *obj, PyObject *attributes);
/* obj.name(first, second); either may be NULL for fewer arguments. */
PyObject *ptm_call_method(PyObject *obj, const char *name, PyObject *first, PyObject *second);
/* Fills a slot that is filled once, unless another thread was quicker; takes over `fresh` (NULL: an
 * exception is set). The slot's object, borrowed. */
PyObject *ptm_fill_slot(PyObject **slot, PyObject *fresh);
/* What `self` holds in a slot that somebody may set meanwhile, another thread or the Python code
 * that the caller runs: a new reference, or NULL without an exception. Setting takes over `value`,
 * which may be NULL. */
PyObject *ptm_slot_get(PyObject *self, PyObject **slot);
void ptm_slot_set(PyObject *self, PyObject **slot, PyObject *value);
/* Before a setter does: what is not there cannot be deleted, in Python's words for __slots__. */
int ptm_may_set(bool is_there, PyObject *value, const char *name);
/* Of what comes in hundreds of thousands and refers to nothing that could refer back: the collector
 * need not look at it, until somebody sets a slot. */
PyObject *ptm_new_untracked(PyTypeObject *type);
/* What `dict` (or NULL) has there: a new reference, or NULL without an exception. */
PyObject *ptm_dict_get(PyObject *dict, const char *name);
/* obj[i], with Python's words if obj has no items. */
PyObject *ptm_item(PyObject *obj, Py_ssize_t i);
/* These take over what they are given; if it is NULL, an exception is set, and stays. */
PyObject *ptm_item_and_drop(PyObject *obj, Py_ssize_t i); /* obj[i] */
Py_ssize_t ptm_size_and_drop(PyObject *obj);
int ptm_truth_and_drop(PyObject *obj); /* 1, 0, -1 error */
Py_hash_t ptm_hash_and_drop(PyObject *obj);
PyObject *ptm_compare_and_drop(PyObject *a, PyObject *b, int op);
/* AttributeError as for a slot that nobody has set; always NULL. */
PyObject *ptm_no_attribute(PyObject *self, const char *name);
/* The setter of a property that has none; `name` is the getset's closure. */
int ptm_no_setter(PyObject *self, PyObject *value, void *name);
#define PTM_DICT_GETSET {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL}
#define PTM_PROPERTY(name, get, doc) {name, get, ptm_no_setter, PyDoc_STR(doc), name}

/* -- errors.c -- */
PyObject *ptm_raise(ptm_err err); /* sets the exception for `err`; always NULL */

/* -- raw.c -- */
PyObject *ptm_raw_trace_parts(PyObject *trace); /* its four parts as a new tuple, or ValueError */
PyObject *ptm_raw_frame_parts(PyObject *frame); /* (filename, lineno) as a new tuple, the same */

/* -- text.c -- */
PyObject *ptm_text_size(PyObject *size, bool with_sign); /* "5002 B", "+4.9 KiB" */
/* os.path.normcase, then .pyc (main: and .pyo) becomes .py */
PyObject *ptm_text_filename(ptm_face *face, PyObject *filename);
PyObject *ptm_text_format(const char *format,
                          PyObject *args); /* Python's %; steals args, NULL passes through */

/* -- t_frame.c -- */
typedef struct {
    PyObject *name;                       /* str or NULL (unknown); owned */
    int32_t end_lineno, colno, end_colno; /* -1: unknown */
} ptm_frame_details;
#define PTM_FRAME_DETAILS_NONE ((ptm_frame_details){NULL, -1, -1, -1})
/* `raw` is the tuple (filename, lineno); details' name is borrowed. */
PyObject *ptm_frame_new(ptm_face *face, PyObject *raw, const ptm_frame_details *details);
PyObject *ptm_frame_details_pack(const ptm_frame_details *details); /* tuple of four */
int ptm_frame_details_unpack(PyObject *tuple,
                             ptm_frame_details *out); /* out's name is borrowed from the tuple */

/* -- t_traceback.c -- */
/* What a traceback on a view is of. The last is a stack with its own names and columns; all others
 * are the keys of a group, in the order of ptm_by, of which lines and stacks (PTM_TB_GROUP) show a
 * name or a column only if all members agree. */
typedef enum {
    PTM_TB_FILE,
    PTM_TB_LINE,
    PTM_TB_GROUP,
    PTM_TB_FUNCTION,
    PTM_TB_MODULE,
    PTM_TB_SIZE,
    PTM_TB_DOMAIN,
    PTM_TB_STACK
} ptm_tb_kind;
typedef struct {
    ptm_tb_kind kind;
    uint32_t id;         /* string, frame, stack or site of the view, by kind */
    ptm_counted counted; /* PTM_TB_LINE and PTM_TB_GROUP: which frames are asked for names */
} ptm_tb_origin;
/* total_nframe 0: not known. */
PyObject *ptm_traceback_of_view(ptm_face *face, ptm_view *view, ptm_tb_origin origin,
                                uint32_t total_nframe);
PyObject *ptm_traceback_of_stack(ptm_face *face, ptm_view *view, const ptm_snap_site *site);
/* What it is of, the view being borrowed; false: it is not on a view, or no longer. */
bool ptm_traceback_origin(ptm_face *face, PyObject *traceback, ptm_view **view, ptm_tb_kind *kind,
                          uint32_t *id);

/* -- traceback_details.c -- */
PyObject *
ptm_traceback_details(PyObject *traceback); /* its `_details`: None or a tuple, new reference */
/* Puts what somebody sets as `_details` into the slot of a traceback or a trace. */
int ptm_details_set(PyObject *self, PyObject **slot, PyObject *details);

/* -- format_frames.c -- */
/* Traceback.format() of frames in the face's order, a tuple of raw ones: a list of str. */
PyObject *ptm_format_frames(ptm_face *face, PyObject *frames, PyObject *limit,
                            bool most_recent_first);

/* -- group_key.c: what groups are called; all but stacks are one frame -- */
static inline bool
ptm_tb_is_stack(ptm_tb_kind kind)
{
    return kind == PTM_TB_GROUP || kind == PTM_TB_STACK;
}
PyObject *ptm_group_frames(ptm_view *view, ptm_tb_kind kind, uint32_t id); /* tuple of one frame */
PyObject *ptm_group_key(ptm_face *face, PyObject *traceback); /* Statistic.key, see there */
/* What stands before the numbers in str(Statistic): a text, or the traceback itself. */
PyObject *ptm_group_heading(ptm_face *face, PyObject *traceback);

/* -- t_trace.c -- */
PyObject *ptm_trace_of_view(ptm_face *face, ptm_view *view, uint32_t site);
PyObject *ptm_trace_of_raw(ptm_face *face, PyObject *raw);
PyObject *ptm_trace_raw(PyObject *trace); /* its `_trace`, as a new reference */

/* -- t_traces.c -- */
PyObject *ptm_traces_of_view(ptm_face *face, ptm_view *view, ptm_metric metric);
PyObject *ptm_traces_of_raw(ptm_face *face, PyObject *raw);
/* The view of lazy traces (borrowed), or NULL without an exception: they hold a list, or are not
 * ours. */
ptm_view *ptm_traces_view(ptm_face *face, PyObject *traces, ptm_metric *metric);
PyObject *ptm_traces_list(ptm_view *view, ptm_metric metric); /* new list of raw tuples */

/* -- t_statistic.c -- */
/* `type` is the face's Statistic, or its StatisticDiff. */
PyObject *ptm_statistic_new(PyTypeObject *type, ptm_view *view, ptm_tb_origin group,
                            const ptm_group_row *row);

/* -- statistic_text.c -- */
/* The attributes, borrowed from their tuple; the differences are NULL in a Statistic. */
typedef struct {
    PyObject *traceback, *size, *count, *size_diff, *count_diff;
} ptm_statistic_values;
ptm_statistic_values ptm_statistic_by_name(PyObject *values); /* as the constructor takes them */
/* "subject: size=5002 B, count=2, average=2501 B", with its differences where it has them. */
PyObject *ptm_statistic_text(ptm_face *face, PyObject *subject, const ptm_statistic_values *v);

/* -- t_filter.c -- */
/* What the instance's own dict has of this name: a new reference, or NULL without an exception. */
PyObject *ptm_filter_own(PyObject *filter, const char *name);

/* -- filter_match.c: methods of the filters -- */
PyObject *ptm_filter_match_frame_impl(PyObject *self, PyObject *args);
PyObject *ptm_filter_match_frame(PyObject *self, PyObject *args);
PyObject *ptm_filter_match_traceback(PyObject *self, PyObject *frames);
PyObject *ptm_filter_match(PyObject *self, PyObject *trace);
PyObject *ptm_filter_match_domain(PyObject *self, PyObject *trace); /* DomainFilter's _match */
PyObject *ptm_filter_match_base(PyObject *self, PyObject *trace);   /* BaseFilter's: it has none */

/* -- filters.c: filters on a whole snapshot -- */
/* Which sites the filters keep: 1 done, 0 some filter must be asked trace by trace, -1 error. With
 * `asks_sites` such a filter is asked here, once for each site. */
int ptm_filters_compile(ptm_face *face, ptm_view *view, PyObject *filters, bool asks_sites,
                        uint8_t *keep);
/* 1 kept, 0 dropped, -1 error: the standard library's rule, by calling each filter's _match. */
int ptm_filters_match(PyObject *filters, PyObject *raw_trace);
/* What `function` (fnmatch.fnmatch) says of a name and a pattern, in the main face also of any
 * pattern of a tuple: 1, 0, -1 error. */
int ptm_filter_patterns_match(const ptm_face *face, PyObject *function, PyObject *name,
                              PyObject *patterns);

/* -- t_snapshot.c -- */
PyObject *ptm_snapshot_new(ptm_face *face, PyObject *traces,
                           PyObject *traceback_limit); /* steals both */
PyObject *ptm_snapshot_of_view(ptm_face *face, ptm_view *view, ptm_metric metric);
/* -- snapshot_group.c, snapshot_filter.c, snapshot_merge.c: methods of Snapshot -- */
PyObject *ptm_snapshot_statistics(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ptm_snapshot_compare_to(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ptm_snapshot_group_by(PyObject *self, PyObject *args);
PyObject *ptm_snapshot_filter_traces(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *ptm_snapshot_filter_trace(PyObject *self, PyObject *args);
PyObject *ptm_snapshot_merge(PyObject *type, PyObject *args, PyObject *kwargs);

/* -- arrow.c: a method of Snapshot -- */
PyObject *ptm_snapshot_arrow_stream(PyObject *self, PyObject *args, PyObject *kwargs);

/* -- source.c -- */
/* What a snapshot shows: the view of its traces, made for the moment if they are a list. */
typedef struct {
    ptm_view *view; /* owned */
    ptm_metric metric;
    PyObject *raw; /* the list, owned; NULL if the traces are lazy */
} ptm_source;
int ptm_source_init(ptm_source *source, ptm_face *face, PyObject *snapshot);
void ptm_source_fini(ptm_source *source);

/* -- metric.c: which of a site's counts a snapshot shows -- */
int ptm_metric_from_object(PyObject *at, bool allow_allocated,
                           ptm_metric *out); /* 'end', 'peak', 'allocated' */
const char *ptm_metric_name(ptm_metric metric);
int ptm_metric_from_word(PyObject *word,
                         ptm_metric *out); /* 'live', 'peak', 'allocated', 'freed' */
int ptm_metric_check(const ptm_view *view, ptm_metric metric); /* ValueError if it is not known */

/* -- engine.c: what the C module of the standard library has; the same functions serve both faces
 * -- */
extern PyMethodDef ptm_engine_methods[];
int ptm_nframe_from_object(PyObject *value, uint32_t *out);
PyObject *ptm_pair_of_counts(uint64_t first, uint64_t second); /* a tuple of two ints */
int ptm_view_of_object(PyObject *obj, ptm_view **out);         /* *out NULL: not traced */
PyObject *ptm_engine_start_tracing(uint32_t nframe);
PyObject *ptm_engine_stop(PyObject *module, PyObject *unused);
PyObject *ptm_engine_is_tracing(PyObject *module, PyObject *unused);
PyObject *ptm_engine_clear_traces(PyObject *module, PyObject *unused);
PyObject *ptm_engine_reset_peak(PyObject *module, PyObject *unused);
PyObject *ptm_engine_get_traceback_limit(PyObject *module, PyObject *unused);
PyObject *ptm_engine_get_traced_memory(PyObject *module, PyObject *unused);
PyObject *ptm_engine_get_tracemalloc_memory(PyObject *module, PyObject *unused);
PyObject *ptm_engine_get_traces(PyObject *module, PyObject *unused);
PyObject *ptm_engine_get_object_traceback(PyObject *module, PyObject *obj);
/* A tuple of frames; what core's tracer says of blocks that ours has not. */
PyObject *ptm_engine_get_block_traceback(unsigned domain, uintptr_t address);

/* -- functions.c, main face; late.c, stdlib face -- */
ptm_view *ptm_view_taken_now(const ptm_face *face); /* RuntimeError when not tracing */
extern PyMethodDef ptm_main_functions[];
extern PyMethodDef ptm_process_end_functions[]; /* process_end.c */
extern PyMethodDef ptm_stdlib_functions[];

/* The first two of text.c, by what stands for them in the globals of stdlib.py; main: the same. */
PyObject *ptm_late_size(ptm_face *face, PyObject *size, bool with_sign);
PyObject *ptm_late_filename(ptm_face *face, PyObject *filename);

/* -- modules.c -- */
int ptm_modules_of_sys_path(ptm_snap *snap); /* of a snapshot that nobody else has seen */

/* -- profile.c: snapshots as bytes -- */
PyObject *ptm_profile_encode(ptm_view *view, const char *json, Py_ssize_t json_len); /* bytes */
PyObject *ptm_profile_encode_snapshot(PyObject *module, PyObject *args);
PyObject *ptm_profile_fold_snapshot(PyObject *module, PyObject *args);
PyObject *ptm_profile_decode(PyObject *module, PyObject *data);
PyObject *ptm_profile_decode_folded(PyObject *module, PyObject *args);
PyObject *ptm_profile_traces(PyObject *module, PyObject *args);
PyObject *ptm_profile_decode_pickle(PyObject *module, PyObject *data);

/* -- gzip.c -- */
PyObject *ptm_gzip_fold(const void *data, size_t len, int level); /* bytes: one member */
/* A ptm_array. NULL unless data is one whole gzip member that says it unfolds to at most `most`
 * bytes, and does: what else there is, and what is wrong, is for zlib to tell. */
uint8_t *ptm_gzip_unfold(const Py_buffer *data, size_t most, size_t *len);

/* -- columns.c: a snapshot's tables as bytes -- */
PyObject *ptm_columns_of_snapshot(PyObject *module, PyObject *snapshot);
PyObject *ptm_columns_frames_of_stacks(PyObject *module, PyObject *args);

/* -- pickles.c -- */
PyObject *ptm_pickle_reduce_ex(PyObject *self, PyObject *protocol);
PyObject *ptm_pickle_copy(PyObject *self, PyObject *unused);
PyObject *ptm_pickle_deepcopy(PyObject *self, PyObject *memo);
/* clang-format off */
#define PTM_PICKLE_METHODS                                                                  \
    {"__reduce_ex__", ptm_pickle_reduce_ex, METH_O, PyDoc_STR("Helper for pickle.")},       \
    {"__copy__", ptm_pickle_copy, METH_NOARGS, PyDoc_STR("Helper for copy.copy().")},       \
    {"__deepcopy__", ptm_pickle_deepcopy, METH_O, PyDoc_STR("Helper for copy.deepcopy().")}
/* clang-format on */

#endif
