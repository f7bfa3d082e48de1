/* SPDX-License-Identifier: MIT
 *
 * ptm_liar - preloaded for the tests: an interpreter that says something else of itself than it is.
 *
 *   PTM_TEST_LIE=version   Py_GetVersion() names a version that does not exist yet
 *   PTM_TEST_LIE=frames    PyFrame_GetLasti() is one instruction off
 *   PTM_TEST_LIE=pymalloc  the allocators are said to be pymalloc, whatever they are
 *
 * Only callers outside of libpython are told lies: it binds its own calls by itself.
 */
#define _GNU_SOURCE
#include <Python.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static int
lies_about(const char *what)
{
    const char *lie = getenv("PTM_TEST_LIE");
    return lie != NULL && strcmp(lie, what) == 0;
}

const char *
Py_GetVersion(void)
{
    const char *(*honest)(void) = (const char *(*)(void))dlsym(RTLD_NEXT, "Py_GetVersion");
    return lies_about("version") ? "3.99.0 (made up)" : honest();
}

const char *_PyMem_GetCurrentAllocatorName(void);

const char *
_PyMem_GetCurrentAllocatorName(void)
{
    const char *(*honest)(void) =
        (const char *(*)(void))dlsym(RTLD_NEXT, "_PyMem_GetCurrentAllocatorName");
    return lies_about("pymalloc") ? "pymalloc" : honest();
}

int
PyFrame_GetLasti(PyFrameObject *frame)
{
    int (*honest)(PyFrameObject *) = (int (*)(PyFrameObject *))dlsym(RTLD_NEXT, "PyFrame_GetLasti");
    return honest(frame) + 2 * lies_about("frames");
}
