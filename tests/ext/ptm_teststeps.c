/* SPDX-License-Identifier: MIT
 *
 * ptm_teststeps - a program of allocator calls, run step by step from Python without one allocation
 * of Python's own.
 *
 *   load([(what, slot, domain, a, b), ...])    at most 250 steps
 *   step(i) -> None                            i is an int that Python keeps ready (below 257)
 *   what: 'malloc' a = size, 'calloc' a = count, b = size, 'realloc' a = size, 'free'
 *
 * Blocks live in 64 slots that stay from one program to the next; realloc of an empty slot is a
 * malloc, and free of one is free(NULL). Domains: RAW 0, MEM 1, OBJ 2.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ptm_test_module.h"

#define MOST_STEPS 250
#define N_SLOTS 64

typedef enum { MALLOC, CALLOC, REALLOC, FREE, N_KINDS } kind;

static const char *const kind_names[N_KINDS] = {"malloc", "calloc", "realloc", "free"};

typedef struct {
    kind what;
    unsigned slot, domain;
    size_t a, b;
} one_step;

static one_step program[MOST_STEPS];
static Py_ssize_t n_steps;
static void *slots[N_SLOTS];

static void *
do_malloc(unsigned domain, size_t size)
{
    return domain == 0   ? PyMem_RawMalloc(size)
           : domain == 1 ? PyMem_Malloc(size)
                         : PyObject_Malloc(size);
}

static void *
do_calloc(unsigned domain, size_t count, size_t size)
{
    return domain == 0   ? PyMem_RawCalloc(count, size)
           : domain == 1 ? PyMem_Calloc(count, size)
                         : PyObject_Calloc(count, size);
}

static void *
do_realloc(unsigned domain, void *block, size_t size)
{
    return domain == 0   ? PyMem_RawRealloc(block, size)
           : domain == 1 ? PyMem_Realloc(block, size)
                         : PyObject_Realloc(block, size);
}

static void
do_free(unsigned domain, void *block)
{
    (domain == 0 ? PyMem_RawFree : domain == 1 ? PyMem_Free : PyObject_Free)(block);
}

static int
do_step(const one_step *s)
{
    void **block = &slots[s->slot];
    switch (s->what) {
    case MALLOC:
        *block = do_malloc(s->domain, s->a);
        return *block != NULL;
    case CALLOC:
        *block = do_calloc(s->domain, s->a, s->b);
        return *block != NULL;
    case REALLOC: {
        void *moved = do_realloc(s->domain, *block, s->a);
        *block = moved != NULL ? moved : *block;
        return moved != NULL;
    }
    default:
        do_free(s->domain, *block);
        *block = NULL;
        return 1;
    }
}

static PyObject *
test_step(PyObject *module, PyObject *arg)
{
    (void)module;
    long i = PyLong_AsLong(arg);
    if (i < 0 || i >= n_steps) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_IndexError, "no such step");
    }
    return do_step(&program[i]) ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static int
parse_step(PyObject *item, one_step *out)
{
    const char *what;
    Py_ssize_t a, b;
    one_step s = {.what = MALLOC};
    if (!PyArg_ParseTuple(item, "sIInn", &what, &s.slot, &s.domain, &a, &b)) {
        return -1;
    }
    while (s.what < N_KINDS && strcmp(kind_names[s.what], what) != 0) {
        s.what++;
    }
    if (s.what == N_KINDS || s.slot >= N_SLOTS || s.domain > 2 || a < 0 || b < 0) {
        PyErr_SetString(PyExc_ValueError, "not a step");
        return -1;
    }
    s.a = (size_t)a;
    s.b = (size_t)b;
    *out = s;
    return 0;
}

static PyObject *
test_load(PyObject *module, PyObject *list)
{
    (void)module;
    if (!PyList_Check(list) || PyList_GET_SIZE(list) > MOST_STEPS) {
        return PyErr_Format(PyExc_ValueError, "a list of at most %d steps is needed", MOST_STEPS);
    }
    n_steps = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        if (parse_step(PyList_GET_ITEM(list, i), &program[i]) < 0) {
            return NULL;
        }
    }
    n_steps = PyList_GET_SIZE(list);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"load", test_load, METH_O, "load(steps)"},
    {"step", test_step, METH_O, "step(i)"},
    {NULL, NULL, 0, NULL},
};

PTM_TEST_MODULE(ptm_teststeps,
                "A program of allocator calls, run without one allocation of Python's own.")
