/* SPDX-License-Identifier: MIT
 *
 * filters - filters on a whole snapshot: each pattern meets each file, name or module once, the
 * rest is array passes.
 *
 * A filter of another class, or one whose numbers are no plain ints, is asked instead: the main
 * face asks it once for each site, the stdlib face asks all filters for each trace.
 */
#include "py/state.h"

#include <stdlib.h>

#include "snap/ptm_filter.h"

typedef enum { MATCH_FILE, MATCH_NAME, MATCH_MODULE } match_what;

typedef struct {
    ptm_face *face;
    ptm_view *view;
    PyObject **names; /* by string id: the normalized file name; NULL: not a file's name */
    PyObject *fnmatch;
    bool asks_sites; /* a filter that cannot be compiled is asked for each site */
    ptm_filter *filters;
    size_t n_filters;
} compilation;

static int
normalize_names(compilation *c)
{
    const ptm_snap *snap = c->view->snap;
    c->names = calloc((size_t)snap->n_strings + 1, sizeof(PyObject *));
    if (c->names == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        ptm_str_id id = snap->frames[i].file;
        if (c->names[id] == NULL) {
            PyObject *name = ptm_view_string(c->view, id);
            c->names[id] = name == NULL ? NULL : ptm_late_filename(c->face, name);
        }
        if (c->names[id] == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
name_matches(PyObject *function, PyObject *name, PyObject *pattern)
{
    return ptm_truth_and_drop(PyObject_CallFunctionObjArgs(function, name, pattern, NULL));
}

int
ptm_filter_patterns_match(const ptm_face *face, PyObject *function, PyObject *name,
                          PyObject *patterns)
{
    if (!PyTuple_Check(patterns) || !ptm_face_is_main(face)) {
        return name_matches(function, name, patterns);
    }
    int matched = 0;
    for (Py_ssize_t i = 0; matched == 0 && i < PyTuple_GET_SIZE(patterns); i++) {
        matched = name_matches(function, name, PyTuple_GET_ITEM(patterns, i));
    }
    return matched;
}

/* The text of a string that is a file (normalized), a function's name or a module, borrowed. */
static PyObject *
text_to_match(compilation *c, ptm_str_id id, match_what what)
{
    return what == MATCH_FILE ? c->names[id] : ptm_view_string(c->view, id);
}

static ptm_str_id
string_of_frame(const ptm_snap *snap, const ptm_snap_frame *frame, match_what what)
{
    return what == MATCH_FILE   ? frame->file
           : what == MATCH_NAME ? frame->name
                                : ptm_snap_module(snap, frame->file);
}

/* Asks for each string that some frame has once: 1 in matches, 0; before, in done. */
static int
match_strings(compilation *c, match_what what, PyObject *function, PyObject *patterns,
              uint8_t *matches, uint8_t *done)
{
    const ptm_snap *snap = c->view->snap;
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        ptm_str_id id = string_of_frame(snap, &snap->frames[i], what);
        if (id == PTM_SNAP_NONE || done[id]) {
            continue;
        }
        PyObject *text = text_to_match(c, id, what);
        int matched =
            text == NULL ? -1 : ptm_filter_patterns_match(c->face, function, text, patterns);
        if (matched < 0) {
            return -1;
        }
        matches[id] = matched > 0;
        done[id] = 1;
    }
    return 0;
}

/* A byte per string, from malloc; NULL with an exception. */
static uint8_t *
match_names(compilation *c, match_what what, PyObject *patterns)
{
    size_t n = (size_t)c->view->snap->n_strings + 1;
    uint8_t *matches = calloc(n, 1), *done = calloc(n, 1);
    PyObject *function =
        matches == NULL || done == NULL ? PyErr_NoMemory() : ptm_get_attr(c->fnmatch, "fnmatch");
    if (function == NULL || match_strings(c, what, function, patterns, matches, done) < 0) {
        free(matches);
        matches = NULL;
    }
    Py_XDECREF(function);
    free(done);
    return matches;
}

/* An attribute that is None or an int: 1, 0 if it is something else, -1 error. */
static int
number_attribute(PyObject *filter, const char *name, int64_t any, int64_t *out)
{
    PyObject *value = ptm_get_attr(filter, name);
    int overflow = 0;
    int fits = value == NULL ? -1 : 1;
    if (value == Py_None) {
        *out = any;
    }
    else if (value != NULL && PyLong_Check(value)) {
        *out = PyLong_AsLongLongAndOverflow(value, &overflow);
        fits = overflow == 0 && *out != any;
    }
    else if (value != NULL) {
        fits = 0;
    }
    Py_XDECREF(value);
    return fits;
}

static int
truth_attribute(PyObject *filter, const char *name, bool *out)
{
    int truth = ptm_truth_and_drop(ptm_get_attr(filter, name));
    *out = truth > 0;
    return truth < 0 ? -1 : 1;
}

/* A str, or in the main face a tuple of these. */
static bool
are_patterns(const ptm_face *face, PyObject *value)
{
    bool all = PyTuple_Check(value) && ptm_face_is_main(face);
    for (Py_ssize_t i = 0; all && i < PyTuple_GET_SIZE(value); i++) {
        all = PyUnicode_Check(PyTuple_GET_ITEM(value, i));
    }
    return all || PyUnicode_Check(value);
}

/* 1, 0 if it is something else than patterns, -1 error; None matches everything. */
static int
compile_patterns(compilation *c, PyObject *filter, const char *name, match_what what,
                 const uint8_t **out)
{
    PyObject *value = ptm_get_attr(filter, name);
    int done = value == NULL ? -1 : value == Py_None ? 1 : are_patterns(c->face, value);
    if (done > 0 && value != Py_None) {
        *out = match_names(c, what, value);
        done = *out == NULL ? -1 : 1;
    }
    Py_XDECREF(value);
    return done;
}

/* The stdlib face's filters know file names only. */
static int
compile_pattern(compilation *c, PyObject *filter, ptm_filter *out)
{
    int done = compile_patterns(c, filter, "_filename_pattern", MATCH_FILE, &out->match_file);
    if (done > 0 && out->match_file == NULL) {
        return 0; /* somebody has put None there */
    }
    if (done > 0 && ptm_face_is_main(c->face)) {
        done = compile_patterns(c, filter, "function", MATCH_NAME, &out->match_name);
        if (done > 0) {
            done = compile_patterns(c, filter, "module", MATCH_MODULE, &out->match_module);
        }
    }
    return done;
}

/* 1 compiled, 0 not one of ours, -1 error. */
static int
compile_one(compilation *c, PyObject *filter, ptm_filter *out)
{
    int done = truth_attribute(filter, "inclusive", &out->inclusive);
    if (done > 0 && Py_IS_TYPE(filter, c->face->domain_filter)) {
        out->lineno = PTM_ANY_LINE;
        done = number_attribute(filter, "_domain", PTM_ANY_DOMAIN, &out->domain);
        return done > 0 && out->domain == PTM_ANY_DOMAIN ? 0 : done; /* None equals no domain */
    }
    if (done > 0 && !Py_IS_TYPE(filter, c->face->filter)) {
        return 0;
    }
    if (done > 0) {
        done = truth_attribute(filter, "all_frames", &out->all_frames);
    }
    if (done > 0) {
        done = number_attribute(filter, "lineno", PTM_ANY_LINE, &out->lineno);
    }
    if (done > 0) {
        done = number_attribute(filter, "domain", PTM_ANY_DOMAIN, &out->domain);
    }
    return done > 0 ? compile_pattern(c, filter, out) : done;
}

/* A filter answers whether it lets a trace pass: an exclusive one matches what it does not. */
static int
ask_sites(compilation *c, PyObject *filter, ptm_filter *out)
{
    const ptm_snap *snap = c->view->snap;
    uint8_t *matches = malloc((size_t)snap->n_sites + 1);
    bool failed = matches == NULL;
    if (failed) {
        PyErr_NoMemory();
    }
    for (uint32_t i = 0; !failed && i < snap->n_sites; i++) {
        PyObject *raw = ptm_view_trace(c->view, i);
        int passes =
            raw == NULL ? -1 : ptm_truth_and_drop(ptm_call_method(filter, "_match", raw, NULL));
        Py_XDECREF(raw);
        failed = passes < 0;
        matches[i] = (passes > 0) == out->inclusive;
    }
    out->match_site = matches;
    out->domain = PTM_ANY_DOMAIN;
    return failed ? -1 : 1;
}

static int
compile_all(compilation *c, PyObject *filters)
{
    Py_ssize_t n = PyList_GET_SIZE(filters);
    c->filters = calloc((size_t)n + 1, sizeof(ptm_filter));
    c->fnmatch = c->filters == NULL ? PyErr_NoMemory() : ptm_face_lookup_module(c->face, "fnmatch");
    if (c->fnmatch == NULL || normalize_names(c) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(filters) && i < n; i++) {
        c->n_filters++;
        PyObject *filter = Py_NewRef(PyList_GET_ITEM(filters, i));
        int done = compile_one(c, filter, &c->filters[i]);
        if (done == 0 && c->asks_sites) {
            done = ask_sites(c, filter, &c->filters[i]);
        }
        Py_DECREF(filter);
        if (done <= 0) {
            return done;
        }
    }
    return 1;
}

static void
compilation_fini(compilation *c)
{
    for (size_t i = 0; i < c->n_filters; i++) {
        free((void *)c->filters[i].match_file);
        free((void *)c->filters[i].match_name);
        free((void *)c->filters[i].match_module);
        free((void *)c->filters[i].match_site);
    }
    for (uint32_t i = 0; c->names != NULL && i < c->view->snap->n_strings; i++) {
        Py_XDECREF(c->names[i]);
    }
    free(c->filters);
    free(c->names);
    Py_XDECREF(c->fnmatch);
}

int
ptm_filters_compile(ptm_face *face, ptm_view *view, PyObject *filters, bool asks_sites,
                    uint8_t *keep)
{
    compilation c = {.face = face, .view = view, .asks_sites = asks_sites};
    int done = compile_all(&c, filters);
    if (done > 0) {
        ptm_err err = ptm_filter_apply(view->snap, c.filters, c.n_filters, keep);
        if (err != PTM_OK) {
            ptm_raise(err);
            done = -1;
        }
    }
    compilation_fini(&c);
    return done;
}

/* 1, 0, -1 error */
static int
ask(PyObject *filter, PyObject *raw_trace, bool *inclusive)
{
    if (truth_attribute(filter, "inclusive", inclusive) < 0) {
        return -1;
    }
    return ptm_truth_and_drop(ptm_call_method(filter, "_match", raw_trace, NULL));
}

int
ptm_filters_match(PyObject *filters, PyObject *raw_trace)
{
    bool any_inclusive = false, included = false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(filters); i++) {
        bool inclusive;
        int matched = ask(PyList_GET_ITEM(filters, i), raw_trace, &inclusive);
        if (matched < 0) {
            return -1;
        }
        if (!inclusive && !matched) {
            return 0;
        }
        any_inclusive |= inclusive;
        included |= inclusive && matched;
    }
    return !any_inclusive || included;
}
