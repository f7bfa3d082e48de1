/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_core.h"

#if PY_VERSION_HEX < 0x030E0000

/* struct _PyTraceMalloc_Config, and in 3.12 and 3.13 what comes behind it in _PyRuntime
 * (Include/internal/pycore_tracemalloc.h). */
typedef struct {
    int initialized; /* 0: not yet, 1: yes, 2: no more */
    int tracing;
    int max_nframe;
    int unused;
    PyMemAllocatorEx allocators[3];
    void *tables_lock;
    size_t traced_memory, peak_traced_memory;
} core_tracer;

static const int *tracing; /* NULL: not found */

#if PY_VERSION_HEX < 0x030C0000

PyAPI_DATA(struct _PyTraceMalloc_Config) _Py_tracemalloc_config;

void
ptm_core_find(void)
{
    tracing = &((const core_tracer *)(const void *)&_Py_tracemalloc_config)->tracing;
}

#else

PyAPI_DATA(struct pyruntimestate) _PyRuntime;

/* Where it is in 3.12.1 and 3.13.0. Later ones have put a few words before it. */
#define PLACE (PY_VERSION_HEX < 0x030D0000 ? 2768 : 10080)
#define NEAR 512

/* Asked with the GIL, so they need not wait for it. */
static bool
says_it_is_on(void)
{
    return PyTraceMalloc_Untrack(UINT_MAX, 0) != -2;
}

static bool
looks_like_it(const core_tracer *c, bool on)
{
    bool sums = on || (c->traced_memory == 0 && c->peak_traced_memory == 0);
    return c->initialized == 1 && c->tracing == (int)on && c->max_nframe >= 1
           && c->max_nframe <= PTM_NFRAME_MAX && c->tables_lock != NULL && sums;
}

/* It must be there once. */
void
ptm_core_find(void)
{
    const char *runtime = (const char *)&_PyRuntime;
    bool on = says_it_is_on();
    int n = 0;
    for (int at = PLACE - NEAR; at <= PLACE + NEAR; at += (int)sizeof(void *)) {
        const core_tracer *c = (const core_tracer *)(const void *)(runtime + at);
        if (looks_like_it(c, on)) {
            tracing = &c->tracing;
            n++;
        }
    }
    tracing = n == 1 ? tracing : NULL;
}

#endif

/* Until 3.12.8 and 3.13.1 core is made by the import of _tracemalloc, which may be after our start:
 * then there is no word to be found, but its functions look before they take the GIL. */
static bool
looks_first(void)
{
    return Py_Version < (Py_Version < 0x030D0000 ? 0x030C0900 : 0x030D0200);
}

bool
ptm_core_may_be_asked(void)
{
    return tracing != NULL ? PTM_LOAD(tracing) != 0
                           : looks_first() || ptm_tstate_attached() != NULL;
}

#else

void
ptm_core_find(void)
{
}

bool
ptm_core_may_be_asked(void)
{
    return true;
}

#endif
