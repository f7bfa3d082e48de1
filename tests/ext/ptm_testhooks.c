/* SPDX-License-Identifier: MIT
 *
 * ptm_testhooks - for the tests, what Python code cannot do by itself:
 *
 *   wrap(domain), unwrap(domain)    an allocator of our own on top of what is there; unwrap puts
 *                                   that back
 *   wrapped() -> (calls of each domain)         refuse(domain, n)  the n-th request from now on
 *                                               gets NULL, once
 *   foreign_malloc(count, size) -> addresses    raw blocks from a thread that Python does not know
 *   foreign_free(addresses)
 *   detached_malloc(count, size), detached_free(addresses)      the same without the GIL on the
 *   calling thread
 *   hammer(size), hammered() -> pairs           a foreign thread allocates and frees until it is
 *                                               asked
 *   set_ref_tracer(), ref_tracer() -> (is ours in place, objects created, objects destroyed),
 *   clear_ref_tracer()
 *   positions(code) -> list                     as list(code.co_positions()), by ptm_linetable
 *   put_in_place(domain) -> bool                ptm_allocators puts the domain's allocator where it
 *                                               is; whether without PyMem_SetAllocator
 *
 * Domains: RAW 0, MEM 1, OBJ 2.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "pyver/ptm_allocators.h"
#include "pyver/ptm_linetable.h"
#include "ptm_test_module.h"

/* -- the sanitizer's allocator and fork -------------------------------------------------------- */

/* The address sanitizer's allocator does not mind forks: a lock of its own that another thread held
 * is held in the child for ever (seen with gcc 12). So under it a fork waits until the threads
 * without a GIL are out of it. Registered after the tracer's handler, hence called before it: at
 * the first use, since an import may come first. */
#ifdef __SANITIZE_ADDRESS__

static pthread_rwlock_t out_of_malloc = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static void
keep_out(void)
{
    pthread_rwlock_wrlock(&out_of_malloc);
}

static void
let_in(void)
{
    pthread_rwlock_unlock(&out_of_malloc);
}

/* Who waited for the lock stayed in the parent. */
static void
begin_again(void)
{
    out_of_malloc = (pthread_rwlock_t)PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
}

static int
mind_forks(void)
{
    static int minded;
    if (!minded) {
        minded = pthread_atfork(keep_out, let_in, begin_again) == 0;
    }
    return minded;
}

#define ENTER_MALLOC() pthread_rwlock_rdlock(&out_of_malloc)
#define LEAVE_MALLOC() pthread_rwlock_unlock(&out_of_malloc)
#else
#define mind_forks() 1
#define ENTER_MALLOC() ((void)0)
#define LEAVE_MALLOC() ((void)0)
#endif

/* -- an allocator above or below the tracer's -------------------------------------------------- */

typedef struct {
    PyMemAllocatorEx below;
    uint64_t calls;
    int64_t refuse; /* 0: never */
    int wrapped;
} wrapper;

static wrapper wrappers[3];

static int
is_refused(wrapper *w)
{
    __atomic_fetch_add(&w->calls, 1, __ATOMIC_RELAXED);
    return w->refuse > 0 && --w->refuse == 0;
}

static void *
wrapped_malloc(void *ctx, size_t size)
{
    wrapper *w = ctx;
    return is_refused(w) ? NULL : w->below.malloc(w->below.ctx, size);
}

static void *
wrapped_calloc(void *ctx, size_t count, size_t size)
{
    wrapper *w = ctx;
    return is_refused(w) ? NULL : w->below.calloc(w->below.ctx, count, size);
}

static void *
wrapped_realloc(void *ctx, void *block, size_t size)
{
    wrapper *w = ctx;
    return is_refused(w) ? NULL : w->below.realloc(w->below.ctx, block, size);
}

static void
wrapped_free(void *ctx, void *block)
{
    wrapper *w = ctx;
    __atomic_fetch_add(&w->calls, 1, __ATOMIC_RELAXED);
    w->below.free(w->below.ctx, block);
}

static wrapper *
wrapper_of(PyObject *domain, PyMemAllocatorDomain *out)
{
    long n = PyLong_AsLong(domain);
    if (n < 0 || n > 2) {
        PyErr_SetString(PyExc_ValueError, "domain must be 0 (raw), 1 (mem) or 2 (obj)");
        return NULL;
    }
    *out = (PyMemAllocatorDomain)n;
    return &wrappers[n];
}

static PyObject *
test_wrap(PyObject *module, PyObject *arg)
{
    (void)module;
    PyMemAllocatorDomain domain;
    wrapper *w = wrapper_of(arg, &domain);
    if (w == NULL || w->wrapped) {
        return w == NULL ? NULL : PyErr_Format(PyExc_RuntimeError, "wrapped already");
    }
    PyMem_GetAllocator(domain, &w->below);
    PyMemAllocatorEx ours = {w, wrapped_malloc, wrapped_calloc, wrapped_realloc, wrapped_free};
    w->wrapped = 1;
    PyMem_SetAllocator(domain, &ours);
    Py_RETURN_NONE;
}

static PyObject *
test_unwrap(PyObject *module, PyObject *arg)
{
    (void)module;
    PyMemAllocatorDomain domain;
    wrapper *w = wrapper_of(arg, &domain);
    if (w == NULL || !w->wrapped) {
        return w == NULL ? NULL : PyErr_Format(PyExc_RuntimeError, "not wrapped");
    }
    PyMem_SetAllocator(domain, &w->below);
    w->wrapped = 0;
    Py_RETURN_NONE;
}

static PyObject *
test_wrapped(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return Py_BuildValue("KKK", (unsigned long long)wrappers[0].calls,
                         (unsigned long long)wrappers[1].calls,
                         (unsigned long long)wrappers[2].calls);
}

static PyObject *
test_refuse(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *which;
    long long n;
    PyMemAllocatorDomain domain;
    if (!PyArg_ParseTuple(args, "OL:refuse", &which, &n)) {
        return NULL;
    }
    wrapper *w = wrapper_of(which, &domain);
    if (w == NULL) {
        return NULL;
    }
    w->refuse = n;
    Py_RETURN_NONE;
}

/* -- raw blocks without the GIL ---------------------------------------------------------------- */

typedef struct {
    Py_ssize_t count;
    size_t size; /* 0: free the blocks */
    void **blocks;
} job;

static void *
do_job(void *arg)
{
    job *j = arg;
    for (Py_ssize_t i = 0; i < j->count; i++) {
        ENTER_MALLOC();
        if (j->size != 0) {
            j->blocks[i] = PyMem_RawMalloc(j->size);
        }
        else {
            PyMem_RawFree(j->blocks[i]);
        }
        LEAVE_MALLOC();
    }
    return NULL;
}

static int
on_foreign_thread(job *j)
{
    pthread_t thread;
    int err;
    Py_BEGIN_ALLOW_THREADS
    err = pthread_create(&thread, NULL, do_job, j);
    if (err == 0) {
        err = pthread_join(thread, NULL);
    }
    Py_END_ALLOW_THREADS
    return err;
}

static int
detached(job *j)
{
    Py_BEGIN_ALLOW_THREADS
    do_job(j);
    Py_END_ALLOW_THREADS
    return 0;
}

static PyObject *
run_malloc(PyObject *args, int (*run)(job *))
{
    Py_ssize_t count, size;
    if (!mind_forks() || !PyArg_ParseTuple(args, "nn", &count, &size) || size <= 0 || count < 0) {
        return PyErr_Occurred() ? NULL
                                : PyErr_Format(PyExc_ValueError, "count and size must be positive");
    }
    job j = {count, (size_t)size, calloc((size_t)count + 1, sizeof(void *))};
    if (j.blocks == NULL || run(&j) != 0) {
        free(j.blocks);
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyList_SET_ITEM(list, i, PyLong_FromVoidPtr(j.blocks[i]));
    }
    free(j.blocks);
    return list;
}

static PyObject *
run_free(PyObject *list, int (*run)(job *))
{
    if (!PyList_Check(list)) {
        return PyErr_Format(PyExc_TypeError, "a list of addresses is needed");
    }
    job j = {PyList_GET_SIZE(list), 0, calloc((size_t)PyList_GET_SIZE(list) + 1, sizeof(void *))};
    for (Py_ssize_t i = 0; j.blocks != NULL && i < j.count; i++) {
        j.blocks[i] = PyLong_AsVoidPtr(PyList_GET_ITEM(list, i));
    }
    int failed = j.blocks == NULL || run(&j) != 0;
    free(j.blocks);
    return failed ? PyErr_NoMemory() : Py_NewRef(Py_None);
}

static PyObject *
test_foreign_malloc(PyObject *module, PyObject *args)
{
    (void)module;
    return run_malloc(args, on_foreign_thread);
}

static PyObject *
test_foreign_free(PyObject *module, PyObject *list)
{
    (void)module;
    return run_free(list, on_foreign_thread);
}

static PyObject *
test_detached_malloc(PyObject *module, PyObject *args)
{
    (void)module;
    return run_malloc(args, detached);
}

static PyObject *
test_detached_free(PyObject *module, PyObject *list)
{
    (void)module;
    return run_free(list, detached);
}

/* -- a foreign thread that does not rest ------------------------------------------------------- */

static pthread_t hammer_thread;
static int hammer_goes_on;
static uint64_t hammer_pairs;

static void *
hammer(void *arg)
{
    size_t size = (size_t)(uintptr_t)arg;
    while (__atomic_load_n(&hammer_goes_on, __ATOMIC_RELAXED)) {
        ENTER_MALLOC();
        void *block = PyMem_RawMalloc(size);
        block = PyMem_RawRealloc(block, size * 3);
        PyMem_RawFree(block);
        LEAVE_MALLOC();
        __atomic_fetch_add(&hammer_pairs, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static PyObject *
test_hammer(PyObject *module, PyObject *arg)
{
    (void)module;
    size_t size = PyLong_AsSize_t(arg);
    if (PyErr_Occurred() || hammer_goes_on || !mind_forks()) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_RuntimeError, "it runs already");
    }
    hammer_pairs = 0;
    hammer_goes_on = 1;
    if (pthread_create(&hammer_thread, NULL, hammer, (void *)(uintptr_t)size) != 0) {
        hammer_goes_on = 0;
        return PyErr_NoMemory();
    }
    while (__atomic_load_n(&hammer_pairs, __ATOMIC_RELAXED) == 0) {
        sched_yield(); /* its start is behind it */
    }
    Py_RETURN_NONE;
}

static PyObject *
test_hammered(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (hammer_goes_on) {
        __atomic_store_n(&hammer_goes_on, 0, __ATOMIC_RELAXED);
        Py_BEGIN_ALLOW_THREADS
        pthread_join(hammer_thread, NULL);
        Py_END_ALLOW_THREADS
    }
    return PyLong_FromUnsignedLongLong(hammer_pairs);
}

/* -- a reference tracer ------------------------------------------------------------------------ */

#if PY_VERSION_HEX >= 0x030D0000

static uint64_t n_created, n_destroyed, n_removed;
static int tracer_data;

static int
count_event(PyObject *object, PyRefTracerEvent event, void *data)
{
    (void)object;
    if (data == &tracer_data) {
        *(event == PyRefTracer_CREATE    ? &n_created
          : event == PyRefTracer_DESTROY ? &n_destroyed
                                         : &n_removed) += 1;
    }
    return 0;
}

static PyObject *
test_set_ref_tracer(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyRefTracer_SetTracer(count_event, &tracer_data);
    Py_RETURN_NONE;
}

static PyObject *
test_ref_tracer(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    void *data;
    int ours = PyRefTracer_GetTracer(&data) == count_event && data == &tracer_data;
    return Py_BuildValue("NKKK", PyBool_FromLong(ours), (unsigned long long)n_created,
                         (unsigned long long)n_destroyed, (unsigned long long)n_removed);
}

static PyObject *
test_clear_ref_tracer(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyRefTracer_SetTracer(NULL, NULL);
    Py_RETURN_NONE;
}

#endif

/* -- lines ------------------------------------------------------------------------------------- */

static PyObject *
number_or_none(int32_t value)
{
    return value < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(value);
}

static PyObject *
tuple_of_position(ptm_position p)
{
    return Py_BuildValue("NNNN", number_or_none(p.lineno), number_or_none(p.end_lineno),
                         number_or_none(p.colno), number_or_none(p.end_colno));
}

/* Looked for from the place where the one before was found; the first units, and then every 13th
 * (which is quadratic), from the start as well. */
static PyObject *
test_positions(PyObject *module, PyObject *arg)
{
    (void)module;
    if (!PyCode_Check(arg)) {
        return PyErr_Format(PyExc_TypeError, "a code object is needed");
    }
    PyCodeObject *code = (PyCodeObject *)arg;
    const uint8_t *table = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    size_t len = (size_t)PyBytes_GET_SIZE(code->co_linetable);
    ptm_linetable_place place = {0, 0, code->co_firstlineno};
    PyObject *list = PyList_New(Py_SIZE(code));
    for (Py_ssize_t i = 0; list != NULL && i < Py_SIZE(code); i++) {
        ptm_position on = ptm_linetable_find_on(table, len, &place, (int)i * 2);
        ptm_position p = on;
        if (i < 64 || i % 13 == 0) {
            p = ptm_linetable_find(table, len, code->co_firstlineno, (int)i * 2);
        }
        if (memcmp(&p, &on, sizeof(p)) != 0) {
            Py_DECREF(list);
            return PyErr_Format(PyExc_AssertionError, "unit %zd is found at two places", i);
        }
        PyList_SET_ITEM(list, i, tuple_of_position(p));
    }
    return list;
}

static PyObject *
test_put_in_place(PyObject *module, PyObject *arg)
{
    (void)module;
    PyMemAllocatorEx now;
    long domain = PyLong_AsLong(arg);
    if (domain < 0 || domain > 2) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "no such domain");
    }
    PyMem_GetAllocator((PyMemAllocatorDomain)domain, &now);
    ptm_allocators_find();
    ptm_allocators_put((PyMemAllocatorDomain)domain, &now);
    return PyBool_FromLong(ptm_allocators_found());
}

static PyMethodDef methods[] = {
    {"wrap", test_wrap, METH_O, "wrap(domain)"},
    {"unwrap", test_unwrap, METH_O, "unwrap(domain)"},
    {"wrapped", test_wrapped, METH_NOARGS, "wrapped() -> calls of each domain"},
    {"refuse", test_refuse, METH_VARARGS, "refuse(domain, n)"},
    {"foreign_malloc", test_foreign_malloc, METH_VARARGS,
     "foreign_malloc(count, size) -> addresses"},
    {"foreign_free", test_foreign_free, METH_O, "foreign_free(addresses)"},
    {"detached_malloc", test_detached_malloc, METH_VARARGS,
     "detached_malloc(count, size) -> addresses"},
    {"detached_free", test_detached_free, METH_O, "detached_free(addresses)"},
    {"hammer", test_hammer, METH_O, "hammer(size)"},
    {"hammered", test_hammered, METH_NOARGS, "hammered() -> pairs done"},
#if PY_VERSION_HEX >= 0x030D0000
    {"set_ref_tracer", test_set_ref_tracer, METH_NOARGS, "set_ref_tracer()"},
    {"ref_tracer", test_ref_tracer, METH_NOARGS,
     "ref_tracer() -> (in place, created, destroyed, told of its removal)"},
    {"clear_ref_tracer", test_clear_ref_tracer, METH_NOARGS, "clear_ref_tracer()"},
#endif
    {"positions", test_positions, METH_O, "positions(code) -> list of 4-tuples"},
    {"put_in_place", test_put_in_place, METH_O, "put_in_place(domain) -> bool"},
    {NULL, NULL, 0, NULL},
};

PTM_TEST_MODULE(ptm_testhooks, "What Python code cannot do by itself, for the tests.")
