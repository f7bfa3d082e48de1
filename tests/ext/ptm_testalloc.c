/* SPDX-License-Identifier: MIT
 *
 * ptm_testalloc - Python's allocators as Python functions, for the tests.
 *
 *   malloc(domain, size) -> address     calloc(domain, count, size) -> address
 *   realloc(domain, address, size) -> address                 free(domain, address)
 *   churn(n, size)   n raw allocations and frees without the GIL
 *
 * Domains: RAW 0, MEM 1, OBJ 2. An address is an int; 0 stands for NULL.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>

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

static PyMethodDef methods[] = {
    {"malloc", test_malloc, METH_VARARGS, "malloc(domain, size) -> address"},
    {"calloc", test_calloc, METH_VARARGS, "calloc(domain, count, size) -> address"},
    {"realloc", test_realloc, METH_VARARGS, "realloc(domain, address, size) -> address"},
    {"free", test_free, METH_VARARGS, "free(domain, address)"},
    {"churn", test_churn, METH_VARARGS,
     "churn(n, size) -> raw blocks allocated and freed without the GIL"},
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
