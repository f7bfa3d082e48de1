/* SPDX-License-Identifier: MIT
 *
 * ptm_testtrack - for the tests, calls of core's API for other people's blocks, from everywhere:
 *
 *   track(domain, address, size), untrack(domain, address)     with the GIL
 *   track_detached(domain, address, size), untrack_detached(domain, address)     without it, on
 *                                   this thread
 *   get_traceback(domain, address)  what _PyTraceMalloc_GetTraceback says
 *   track_by_pointer(…)             by a pointer that the linker filled in
 *   track_looked_up(…)              by what dlsym() finds now
 *   foreign_track(domain, address, size, n), foreign_untrack(…) -> how many were answered with 0:
 *                                   n blocks of `size` at `address` and after it, by a thread that
 *                                   Python does not know, while this one keeps the GIL
 *   hammer(n), hammered() -> (calls, wrong answers)      n such threads go on until they are asked
 *   at_the_very_end(domain, address)     when the process ends, long after the interpreter has:
 *                                   another block is tracked, and both are untracked; prints the
 *                                   answers
 *
 * Answers are those of the C functions: 0, -1 no memory, -2 not tracing.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ptm_test_module.h"

PyAPI_FUNC(PyObject *) _PyTraceMalloc_GetTraceback(unsigned int domain, uintptr_t address);

typedef int tracking(unsigned int domain, uintptr_t address, size_t size);

typedef struct {
    unsigned domain;
    uintptr_t address;
    size_t size;
} block;

static int
parse_block(PyObject *args, block *b, int with_size)
{
    unsigned long long address, size = 0;
    int parsed = with_size ? PyArg_ParseTuple(args, "IKK", &b->domain, &address, &size)
                           : PyArg_ParseTuple(args, "IK", &b->domain, &address);
    b->address = (uintptr_t)address;
    b->size = (size_t)size;
    return parsed;
}

/* -- one call ---------------------------------------------------------------------------------- */

static PyObject *
test_track(PyObject *Py_UNUSED(module), PyObject *args)
{
    block b;
    if (!parse_block(args, &b, 1)) {
        return NULL;
    }
    return PyLong_FromLong(PyTraceMalloc_Track(b.domain, b.address, b.size));
}

static PyObject *
test_untrack(PyObject *Py_UNUSED(module), PyObject *args)
{
    block b;
    if (!parse_block(args, &b, 0)) {
        return NULL;
    }
    return PyLong_FromLong(PyTraceMalloc_Untrack(b.domain, b.address));
}

static PyObject *
test_track_detached(PyObject *Py_UNUSED(module), PyObject *args)
{
    block b;
    int answer;
    if (!parse_block(args, &b, 1)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    answer = PyTraceMalloc_Track(b.domain, b.address, b.size);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(answer);
}

static PyObject *
test_untrack_detached(PyObject *Py_UNUSED(module), PyObject *args)
{
    block b;
    int answer;
    if (!parse_block(args, &b, 0)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    answer = PyTraceMalloc_Untrack(b.domain, b.address);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(answer);
}

static PyObject *
test_get_traceback(PyObject *Py_UNUSED(module), PyObject *args)
{
    block b;
    return parse_block(args, &b, 0) ? _PyTraceMalloc_GetTraceback(b.domain, b.address) : NULL;
}

static tracking *const pointers[] = {PyTraceMalloc_Track};

static PyObject *
test_track_by_pointer(PyObject *Py_UNUSED(module), PyObject *args)
{
    block b;
    if (!parse_block(args, &b, 1)) {
        return NULL;
    }
    return PyLong_FromLong((*(tracking *const volatile *)pointers)(b.domain, b.address, b.size));
}

static PyObject *
test_track_looked_up(PyObject *Py_UNUSED(module), PyObject *args)
{
    block b;
    tracking *found = (tracking *)(uintptr_t)dlsym(RTLD_DEFAULT, "PyTraceMalloc_Track");
    if (!parse_block(args, &b, 1)) {
        return NULL;
    }
    return PyLong_FromLong(found(b.domain, b.address, b.size));
}

/* -- a thread that Python does not know -------------------------------------------------------- */

typedef struct {
    block first;
    Py_ssize_t n, done;
    int untracks;
} job;

static void *
do_job(void *arg)
{
    job *j = arg;
    for (Py_ssize_t i = 0; i < j->n; i++) {
        uintptr_t address = j->first.address + (uintptr_t)i * 16;
        int answer = j->untracks ? PyTraceMalloc_Untrack(j->first.domain, address)
                                 : PyTraceMalloc_Track(j->first.domain, address, j->first.size);
        j->done += answer == 0;
    }
    return NULL;
}

#define PATIENCE 60 /* seconds */

/* Keeps the GIL. A thread that waits for it would wait for us: then the process ends. */
static PyObject *
run_foreign(PyObject *args, int untracks)
{
    job j = {.untracks = untracks};
    unsigned long long address, size;
    pthread_t thread;
    struct timespec until;
    if (!PyArg_ParseTuple(args, "IKKn", &j.first.domain, &address, &size, &j.n)) {
        return NULL;
    }
    j.first.address = (uintptr_t)address;
    j.first.size = (size_t)size;
    if (pthread_create(&thread, NULL, do_job, &j) != 0) {
        return PyErr_NoMemory();
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE;
    if (pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT) {
        fprintf(stderr, "the thread without a GIL waits for it\n");
        _Exit(3);
    }
    return PyLong_FromSsize_t(j.done);
}

static PyObject *
test_foreign_track(PyObject *Py_UNUSED(module), PyObject *args)
{
    return run_foreign(args, 0);
}

static PyObject *
test_foreign_untrack(PyObject *Py_UNUSED(module), PyObject *args)
{
    return run_foreign(args, 1);
}

/* -- threads that do not rest ------------------------------------------------------------------ */

#define MOST_THREADS 8

typedef struct {
    pthread_t thread;
    unsigned number;
    uint64_t calls, wrong;
} hammer;

static hammer hammers[MOST_THREADS];
static int n_hammers, hammers_go_on;

static void *
run_hammer(void *arg)
{
    hammer *h = arg;
    unsigned domain = 1000 + h->number % 3;
    for (uint64_t i = 0; __atomic_load_n(&hammers_go_on, __ATOMIC_RELAXED); i++) {
        uintptr_t address = ((uintptr_t)h->number << 32) + (i % 1000) * 16;
        int tracked = PyTraceMalloc_Track(domain, address, 100 + i % 7);
        int untracked = i % 4 != 0 ? PyTraceMalloc_Untrack(domain, address) : 0;
        h->wrong += (tracked != 0 && tracked != -2) || (untracked != 0 && untracked != -2);
        __atomic_store_n(&h->calls, h->calls + 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static PyObject *
test_hammer(PyObject *Py_UNUSED(module), PyObject *arg)
{
    long n = PyLong_AsLong(arg);
    if (n < 1 || n > MOST_THREADS || n_hammers != 0) {
        return PyErr_Format(PyExc_ValueError, "1 to %d threads, once", MOST_THREADS);
    }
    hammers_go_on = 1;
    for (; n_hammers < n; n_hammers++) {
        hammer *h = &hammers[n_hammers];
        *h = (hammer){.number = (unsigned)n_hammers + 1};
        if (pthread_create(&h->thread, NULL, run_hammer, h) != 0) {
            return PyErr_NoMemory();
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
test_hammered(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    uint64_t calls = 0, wrong = 0;
    __atomic_store_n(&hammers_go_on, 0, __ATOMIC_RELAXED);
    Py_BEGIN_ALLOW_THREADS
    for (int i = 0; i < n_hammers; i++) {
        pthread_join(hammers[i].thread, NULL);
        calls += hammers[i].calls;
        wrong += hammers[i].wrong;
    }
    Py_END_ALLOW_THREADS
    n_hammers = 0;
    return Py_BuildValue("KK", (unsigned long long)calls, (unsigned long long)wrong);
}

/* -- after the interpreter --------------------------------------------------------------------- */

static block last;

static void
call_at_the_very_end(void)
{
    int tracked = PyTraceMalloc_Track(last.domain, last.address + 16, 1);
    int untracked = PyTraceMalloc_Untrack(last.domain, last.address + 16);
    printf("%d %d %d\n", tracked, untracked, PyTraceMalloc_Untrack(last.domain, last.address));
    fflush(stdout);
}

static PyObject *
test_at_the_very_end(PyObject *Py_UNUSED(module), PyObject *args)
{
    if (!parse_block(args, &last, 0) || atexit(call_at_the_very_end) != 0) {
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"track", test_track, METH_VARARGS, "track(domain, address, size) -> answer"},
    {"untrack", test_untrack, METH_VARARGS, "untrack(domain, address) -> answer"},
    {"track_detached", test_track_detached, METH_VARARGS,
     "track_detached(domain, address, size) -> answer"},
    {"untrack_detached", test_untrack_detached, METH_VARARGS,
     "untrack_detached(domain, address) -> answer"},
    {"get_traceback", test_get_traceback, METH_VARARGS, "get_traceback(domain, address)"},
    {"track_by_pointer", test_track_by_pointer, METH_VARARGS,
     "track_by_pointer(domain, address, size) -> answer"},
    {"track_looked_up", test_track_looked_up, METH_VARARGS,
     "track_looked_up(domain, address, size) -> answer"},
    {"foreign_track", test_foreign_track, METH_VARARGS,
     "foreign_track(domain, address, size, n) -> tracked"},
    {"foreign_untrack", test_foreign_untrack, METH_VARARGS,
     "foreign_untrack(domain, address, size, n) -> untracked"},
    {"hammer", test_hammer, METH_O, "hammer(n)"},
    {"hammered", test_hammered, METH_NOARGS, "hammered() -> (calls, wrong answers)"},
    {"at_the_very_end", test_at_the_very_end, METH_VARARGS, "at_the_very_end(domain, address)"},
    {NULL, NULL, 0, NULL},
};

PTM_TEST_MODULE(ptm_testtrack, "Calls of PyTraceMalloc_Track from everywhere.")
