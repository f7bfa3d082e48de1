/* SPDX-License-Identifier: MIT
 *
 * arrow - Snapshot.__arrow_c_stream__: the capsule around the stream of format/ptm_arrow.
 *
 * Owns      the stream in the capsule, until a consumer moves it out
 * Threads   called with the GIL; what the consumer does with the stream needs none
 */
#include "py/state.h"

#include <stdlib.h>

#include "format/ptm_arrow.h"

#define STREAM_CAPSULE "arrow_array_stream"
#define SCHEMA_CAPSULE "arrow_schema"

/* A consumer that took the stream has left NULL in `release`. */
static void
free_capsule(PyObject *capsule)
{
    ptm_arrow_stream *stream = PyCapsule_GetPointer(capsule, STREAM_CAPSULE);
    if (stream != NULL && stream->release != NULL) {
        stream->release(stream);
    }
    free(stream);
}

static PyObject *
capsule_of_snap(ptm_snap *snap, ptm_metric metric)
{
    ptm_arrow_stream *stream = malloc(sizeof(*stream));
    if (stream == NULL || ptm_arrow_export(snap, metric, stream) != PTM_OK) {
        free(stream);
        return PyErr_NoMemory();
    }
    PyObject *capsule = PyCapsule_New(stream, STREAM_CAPSULE, free_capsule);
    if (capsule == NULL) {
        stream->release(stream);
        free(stream);
    }
    return capsule;
}

/* A schema is a wish; ours is always the same. What is no schema is refused. */
static int
check_requested(PyObject *schema)
{
    if (schema == Py_None || PyCapsule_IsValid(schema, SCHEMA_CAPSULE)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "requested_schema must be a PyCapsule named '" SCHEMA_CAPSULE
                 "' or None, not %.200s",
                 Py_TYPE(schema)->tp_name);
    return -1;
}

PyObject *
ptm_snapshot_arrow_stream(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"requested_schema", NULL};
    PyObject *schema = Py_None;
    ptm_source source;
    ptm_face *face = ptm_face_of(self);
    if (face == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O:__arrow_c_stream__", names, &schema)
        || check_requested(schema) < 0 || ptm_source_init(&source, face, self) < 0) {
        return NULL;
    }
    PyObject *capsule = capsule_of_snap(source.view->snap, source.metric);
    ptm_source_fini(&source);
    return capsule;
}
