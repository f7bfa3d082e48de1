/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_allocators.h"

#include <string.h>

/* _PyRuntime.allocators.standard (Include/internal/pycore_pymem.h): raw, mem, obj. */
static PyMemAllocatorEx *standard; /* NULL: not found */

#if PY_VERSION_HEX >= 0x030C0000

PyAPI_DATA(struct pyruntimestate) _PyRuntime;

#define DOMAINS 3

/* It begins at 96 in 3.12.1, at 704 in 3.13.0, 880 in 3.14.10 and 1008 in 3.15.2; the structure is
 * many times as large. */
#define WITHIN 8192

void
ptm_allocators_find(void)
{
    PyMemAllocatorEx now[DOMAINS];
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &now[0]);
    PyMem_GetAllocator(PYMEM_DOMAIN_MEM, &now[1]);
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &now[2]);
    char *runtime = (char *)&_PyRuntime;
    for (size_t at = 0; at < WITHIN && standard == NULL; at += sizeof(void *)) {
        if (memcmp(runtime + at, now, sizeof(now)) == 0) {
            standard = (PyMemAllocatorEx *)(void *)(runtime + at);
        }
    }
}

#else

void
ptm_allocators_find(void)
{
}

#endif

bool
ptm_allocators_found(void)
{
    return standard != NULL;
}

void
ptm_allocators_put(PyMemAllocatorDomain domain, const PyMemAllocatorEx *allocator)
{
    if (standard == NULL) {
        PyMemAllocatorEx copy = *allocator;
        PyMem_SetAllocator(domain, &copy);
        return;
    }
    PyMemAllocatorEx *place = &standard[domain];
    PTM_STORE_RELEASE(&place->malloc, allocator->malloc);
    PTM_STORE_RELEASE(&place->calloc, allocator->calloc);
    PTM_STORE_RELEASE(&place->realloc, allocator->realloc);
    PTM_STORE_RELEASE(&place->free, allocator->free);
}
