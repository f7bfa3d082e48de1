/* SPDX-License-Identifier: MIT
 *
 * filters - filters on a whole snapshot: each pattern meets each file name once, the rest is array
 * passes.
 *
 * A filter of another class, or one whose numbers are no plain ints, is asked trace by trace
 * instead.
 */
#include "py/state.h"

#include <stdlib.h>

#include "snap/ptm_filter.h"

typedef struct {
    ptm_face *face;
    ptm_view *view;
    PyObject **names; /* by string id: the normalized file name; NULL: not a file's name */
    PyObject *fnmatch;
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
            c->names[id] = name == NULL ? NULL : ptm_text_filename(c->face, name);
        }
        if (c->names[id] == NULL) {
            return -1;
        }
    }
    return 0;
}

/* A byte per string, from malloc; NULL with an exception. */
static uint8_t *
match_names(compilation *c, PyObject *pattern)
{
    uint32_t n = c->view->snap->n_strings;
    uint8_t *matches = calloc((size_t)n + 1, 1);
    PyObject *function = matches == NULL ? PyErr_NoMemory() : ptm_get_attr(c->fnmatch, "fnmatch");
    bool failed = function == NULL;
    for (uint32_t i = 0; i < n && !failed; i++) {
        if (c->names[i] != NULL) {
            PyObject *answer = PyObject_CallFunctionObjArgs(function, c->names[i], pattern, NULL);
            int matched = answer == NULL ? -1 : PyObject_IsTrue(answer);
            Py_XDECREF(answer);
            failed = matched < 0;
            matches[i] = matched > 0;
        }
    }
    Py_XDECREF(function);
    if (failed) {
        free(matches);
        matches = NULL;
    }
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
    PyObject *value = ptm_get_attr(filter, name);
    int truth = value == NULL ? -1 : PyObject_IsTrue(value);
    Py_XDECREF(value);
    *out = truth > 0;
    return truth < 0 ? -1 : 1;
}

static int
compile_pattern(compilation *c, PyObject *filter, ptm_filter *out)
{
    PyObject *pattern = ptm_get_attr(filter, "_filename_pattern");
    int done = pattern == NULL ? -1 : PyUnicode_Check(pattern);
    if (done > 0) {
        out->match_file = match_names(c, pattern);
        done = out->match_file == NULL ? -1 : 1;
    }
    Py_XDECREF(pattern);
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
        int done = compile_one(c, PyList_GET_ITEM(filters, i), &c->filters[i]);
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
    }
    for (uint32_t i = 0; c->names != NULL && i < c->view->snap->n_strings; i++) {
        Py_XDECREF(c->names[i]);
    }
    free(c->filters);
    free(c->names);
    Py_XDECREF(c->fnmatch);
}

int
ptm_filters_compile(ptm_face *face, ptm_view *view, PyObject *filters, uint8_t *keep)
{
    compilation c = {.face = face, .view = view};
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
    PyObject *answer = ptm_call_method(filter, "_match", raw_trace, NULL);
    int matched = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return matched;
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
