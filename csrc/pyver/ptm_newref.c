/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_newref.h"

#include "os/ptm_os.h"

PTM_DEFINE_THREAD_LOCAL ptm_newest_block ptm_newest;

#if PY_VERSION_HEX >= 0x030D0000

/* Atomic, all three: events come from other threads meanwhile. */
static int (*call_created)(PyObject *object);
static PyRefTracer chained;
static void *chained_data;

/* It comes to life on the newest block: no news, once. */
static PTM_ALWAYS_INLINE bool
is_newest(const PyObject *object)
{
    if (PTM_UNLIKELY((uintptr_t)object - ptm_newest.block >= ptm_newest.bytes)) {
        return false;
    }
    ptm_newest.bytes = 0;
    return true;
}

/* Most objects are no news: the call is the last thing done, so nothing is kept for after it. */
static int
on_event(PyObject *object, PyRefTracerEvent event, void *data)
{
    (void)data;
    bool news = event == PyRefTracer_CREATE && !is_newest(object);
    return news ? PTM_LOAD(&call_created)(object) : 0;
}

/* The same where another tracer was there. NULL: ours is replaced, which is nothing to others. */
static int
on_event_chained(PyObject *object, PyRefTracerEvent event, void *data)
{
    PyRefTracer next = PTM_LOAD(&chained);
    (void)on_event(object, event, data);
    return next != NULL && object != NULL ? next(object, event, PTM_LOAD(&chained_data)) : 0;
}

static bool
is_ours(PyRefTracer tracer)
{
    return tracer == on_event || tracer == on_event_chained;
}

/* From 3.15 on the interpreter tells a tracer that it is replaced, and that one may give up what it
 * needs. The interpreter's own (tracemalloc) has nothing to give up. */
static bool
may_be_chained(PyRefTracer there)
{
#if PY_VERSION_HEX >= 0x030F0000
    return ptm_os_same_library((uintptr_t)there, (uintptr_t)PyRefTracer_SetTracer);
#else
    return there != NULL;
#endif
}

PTM_THREAD_LOCAL bool reached;

static int
probe(PyObject *object)
{
    (void)object;
    reached = true;
    return 0;
}

/* Whether a new object is told to us although another tracer lies on top: one that was set after
 * ours and calls it. */
static bool
is_wrapped(void)
{
    if (call_created == NULL) {
        return false;
    }
    reached = false;
    PTM_STORE(&call_created, probe);
    ptm_newest.bytes = 0;
    PyObject *object = PyList_New(0);
    PyErr_Clear();
    Py_XDECREF(object);
    return reached;
}

/* On 3.15 a tracer may refuse to be replaced; it stays then. */
static void
set_tracer(PyRefTracer tracer, void *data)
{
    if (PyRefTracer_SetTracer(tracer, data) < 0) {
        PyErr_Clear();
    }
}

void
ptm_newref_install(int (*created)(PyObject *object))
{
    void *data;
    PyRefTracer there = PyRefTracer_GetTracer(&data);
    bool wrapped = there != NULL && !is_ours(there) && is_wrapped();
    PTM_STORE(&call_created, created);
    if (!is_ours(there) && !wrapped) {
        PyRefTracer next = may_be_chained(there) ? there : NULL;
        PTM_STORE(&chained_data, data);
        PTM_STORE(&chained, next);
        set_tracer(next != NULL ? on_event_chained : on_event, NULL);
    }
}

void
ptm_newref_remove(void)
{
    void *data;
    if (is_ours(PyRefTracer_GetTracer(&data))) {
        set_tracer(chained, chained_data);
        PTM_STORE(&chained, NULL);
    }
}

#else

void
ptm_newref_install(int (*created)(PyObject *object))
{
    (void)created;
}

void
ptm_newref_remove(void)
{
}

#endif
