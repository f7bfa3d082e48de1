/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_newref.h"

#include "base/ptm_base.h"

#if PY_VERSION_HEX >= 0x030D0000

static void (*call_created)(PyObject *object);
static PyRefTracer chained;
static void *chained_data;

static int
on_event(PyObject *object, PyRefTracerEvent event, void *data)
{
    (void)data;
    if (event == PyRefTracer_CREATE) {
        call_created(object);
    }
    return PTM_UNLIKELY(chained != NULL) ? chained(object, event, chained_data) : 0;
}

void
ptm_newref_install(void (*created)(PyObject *object))
{
    void *data;
    PyRefTracer there = PyRefTracer_GetTracer(&data);
    if (there != on_event) {
        call_created = created;
        chained = there;
        chained_data = data;
        (void)PyRefTracer_SetTracer(on_event, NULL);
    }
}

void
ptm_newref_remove(void)
{
    void *data;
    if (PyRefTracer_GetTracer(&data) == on_event) {
        (void)PyRefTracer_SetTracer(chained, chained_data);
        chained = NULL;
    }
}

#else

void
ptm_newref_install(void (*created)(PyObject *object))
{
    (void)created;
}

void
ptm_newref_remove(void)
{
}

#endif
