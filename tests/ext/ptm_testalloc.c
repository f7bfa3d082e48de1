/* SPDX-License-Identifier: MIT
 *
 * ptm_testalloc - Python's allocators as Python functions, for the tests.
 *
 *   malloc(domain, size) -> address     calloc(domain, count, size) -> address
 *   realloc(domain, address, size) -> address                 free(domain, address)
 *   churn(n, size)   n raw allocations and frees without the GIL
 *   play(domain, seed, n) -> int      n random calls, of small sizes mostly; each block is filled,
 *                    and looked at before it goes; a hash of the small ones' places in their pools
 *
 * Domains: RAW 0, MEM 1, OBJ 2. An address is an int; 0 stands for NULL.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
} domain;

static const domain domains[] = {
    {PyMem_RawMalloc, PyMem_RawCalloc, PyMem_RawRealloc, PyMem_RawFree},
    {PyMem_Malloc, PyMem_Calloc, PyMem_Realloc, PyMem_Free},
    {PyObject_Malloc, PyObject_Calloc, PyObject_Realloc, PyObject_Free},
};

static const domain *
domain_of(unsigned which)
{
    if (which >= sizeof(domains) / sizeof(domains[0])) {
        PyErr_SetString(PyExc_ValueError, "domain must be 0 (raw), 1 (mem) or 2 (obj)");
        return NULL;
    }
    return &domains[which];
}

static PyObject *
address_or_no_memory(void *block)
{
    return block != NULL ? PyLong_FromVoidPtr(block) : PyErr_NoMemory();
}

static PyObject *
test_malloc(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned which;
    Py_ssize_t size;
    const domain *d;
    if (!PyArg_ParseTuple(args, "In:malloc", &which, &size) || (d = domain_of(which)) == NULL) {
        return NULL;
    }
    return address_or_no_memory(d->malloc((size_t)size));
}

static PyObject *
test_calloc(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned which;
    Py_ssize_t count, size;
    const domain *d;
    if (!PyArg_ParseTuple(args, "Inn:calloc", &which, &count, &size)
        || (d = domain_of(which)) == NULL) {
        return NULL;
    }
    return address_or_no_memory(d->calloc((size_t)count, (size_t)size));
}

static PyObject *
test_realloc(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned which;
    Py_ssize_t size;
    unsigned long long address;
    const domain *d;
    if (!PyArg_ParseTuple(args, "IKn:realloc", &which, &address, &size)
        || (d = domain_of(which)) == NULL) {
        return NULL;
    }
    return address_or_no_memory(d->realloc((void *)(uintptr_t)address, (size_t)size));
}

static PyObject *
test_free(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned which;
    unsigned long long address;
    const domain *d;
    if (!PyArg_ParseTuple(args, "IK:free", &which, &address) || (d = domain_of(which)) == NULL) {
        return NULL;
    }
    d->free((void *)(uintptr_t)address);
    Py_RETURN_NONE;
}

static PyObject *
test_churn(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_ssize_t n, size, done = 0;
    if (!PyArg_ParseTuple(args, "nn:churn", &n, &size)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    for (; done < n; done++) {
        void *block = PyMem_RawMalloc((size_t)size);
        if (block == NULL) {
            break;
        }
        PyMem_RawFree(block);
    }
    Py_END_ALLOW_THREADS
    return PyLong_FromSsize_t(done);
}

#define N_PLAYED 2048
#define MOST_PLAYED 700 /* bytes */
#define SMALL 512       /* pymalloc's own: the others are the system's */
#define POOL (16 << 10) /* in memory that the system puts where it likes */

typedef struct {
    unsigned char *block;
    size_t size;
} played;

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static unsigned char
content(const played *p)
{
    return (unsigned char)(uintptr_t)p;
}

/* Whether the first bytes are what was written into them. */
static int
is_untouched(const played *p, size_t size)
{
    int right = 1;
    for (size_t i = 0; i < size && i < p->size; i++) {
        right = right && p->block[i] == content(p);
    }
    return right;
}

static void
play_got(played *p, void *block, size_t size)
{
    *p = (played){block, size};
    memset(block, content(p), size);
}

static int
play_free(const domain *d, played *p)
{
    int right = is_untouched(p, p->size);
    d->free(p->block);
    p->block = NULL;
    return right;
}

/* The block may stay one of the system's. Where pymalloc puts it is seen by the next ones. */
static int
play_realloc(const domain *d, played *p, size_t size)
{
    void *block = d->realloc(p->block, size);
    p->block = block;
    int right = is_untouched(p, size);
    play_got(p, block, size);
    return right;
}

static int
play_step(const domain *d, played *p, uint64_t random, uint64_t *hash)
{
    size_t size = random % MOST_PLAYED;
    bool now_and_then = random >> 60 == 0;
    if (p->block != NULL) {
        return now_and_then ? play_realloc(d, p, size) : play_free(d, p);
    }
    play_got(p, now_and_then ? d->calloc(1, size) : d->malloc(size), size);
    uint64_t place = size - 1 < SMALL ? (uintptr_t)p->block % POOL : 0;
    *hash = (*hash ^ place) * 0x9e3779b97f4a7c15u;
    return 1;
}

static PyObject *
test_play(PyObject *Py_UNUSED(module), PyObject *args)
{
    static played all[N_PLAYED];
    unsigned which;
    unsigned long long seed;
    Py_ssize_t n;
    const domain *d;
    if (!PyArg_ParseTuple(args, "IKn:play", &which, &seed, &n) || (d = domain_of(which)) == NULL) {
        return NULL;
    }
    int right = 1;
    uint64_t random = seed, hash = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        uint64_t now = next_random(&random);
        right &= play_step(d, &all[now >> 32 & (N_PLAYED - 1)], now, &hash);
    }
    for (size_t i = 0; i < N_PLAYED; i++) {
        right &= all[i].block == NULL || play_free(d, &all[i]);
    }
    if (!right) {
        PyErr_SetString(PyExc_AssertionError, "a block was overwritten");
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(hash);
}

static PyMethodDef methods[] = {
    {"malloc", test_malloc, METH_VARARGS, "malloc(domain, size) -> address"},
    {"calloc", test_calloc, METH_VARARGS, "calloc(domain, count, size) -> address"},
    {"realloc", test_realloc, METH_VARARGS, "realloc(domain, address, size) -> address"},
    {"free", test_free, METH_VARARGS, "free(domain, address)"},
    {"churn", test_churn, METH_VARARGS,
     "churn(n, size) -> raw blocks allocated and freed without the GIL"},
    {"play", test_play, METH_VARARGS, "play(domain, seed, n) -> hash of the places"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ptm_testalloc",
    .m_doc = "Python's allocators as Python functions.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_ptm_testalloc(void);

PyMODINIT_FUNC
PyInit_ptm_testalloc(void)
{
    return PyModuleDef_Init(&module);
}
