/* SPDX-License-Identifier: MIT
 *
 * profile - snapshots as the bytes of a pprof profile and back, for files and pickles.
 */
#include "py/state.h"

#include "base/ptm_array.h"
#include "format/ptm_pickle.h"
#include "format/ptm_pprof.h"

static int
write_profile(ptm_view *view, const char *json, Py_ssize_t json_len, ptm_buf *buf)
{
    ptm_pprof_extra extra = {json, (size_t)json_len, view->time_nanos};
    ptm_buf_init(buf);
    ptm_err err = ptm_pprof_write(view->snap, &extra, buf);
    return err == PTM_OK ? 0 : (ptm_raise(err), -1);
}

PyObject *
ptm_profile_encode(ptm_view *view, const char *json, Py_ssize_t json_len)
{
    ptm_buf buf;
    PyObject *bytes = write_profile(view, json, json_len, &buf) < 0
                          ? NULL
                          : PyBytes_FromStringAndSize((const char *)buf.data, (Py_ssize_t)buf.len);
    ptm_buf_fini(&buf);
    return bytes;
}

/* The same as a gzip member, and how many bytes it unfolds to. */
static PyObject *
encode_folded(ptm_view *view, const char *json, Py_ssize_t json_len, int level)
{
    ptm_buf buf;
    PyObject *folded = write_profile(view, json, json_len, &buf) < 0
                           ? NULL
                           : ptm_gzip_fold(buf.data, buf.len, level);
    PyObject *pair = folded == NULL ? NULL : Py_BuildValue("(Nn)", folded, (Py_ssize_t)buf.len);
    ptm_buf_fini(&buf);
    return pair;
}

#define NOT_FOLDED (-1)

/* What the arguments say: a snapshot, JSON, and if `format` has it, a level. */
static PyObject *
encode_arguments(PyObject *module, PyObject *args, const char *format)
{
    PyObject *snapshot;
    const char *json;
    Py_ssize_t json_len;
    int level = NOT_FOLDED;
    ptm_source source;
    if (!PyArg_ParseTuple(args, format, &snapshot, &json, &json_len, &level)
        || ptm_source_init(&source, PyModule_GetState(module), snapshot) < 0) {
        return NULL;
    }
    PyObject *profile = level == NOT_FOLDED ? ptm_profile_encode(source.view, json, json_len)
                                            : encode_folded(source.view, json, json_len, level);
    ptm_source_fini(&source);
    return profile;
}

/* _profile_of_snapshot(snapshot, json: bytes) -> bytes */
PyObject *
ptm_profile_encode_snapshot(PyObject *module, PyObject *args)
{
    return encode_arguments(module, args, "Oy#:_profile_of_snapshot");
}

/* _folded_profile_of_snapshot(snapshot, json: bytes, level: int) -> (bytes, int) */
PyObject *
ptm_profile_fold_snapshot(PyObject *module, PyObject *args)
{
    return encode_arguments(module, args, "Oy#i:_folded_profile_of_snapshot");
}

/* Takes over `snap`. */
static ptm_view *
view_of_result(ptm_err err, ptm_snap *snap, const ptm_format_why *why)
{
    if (err == PTM_EFORMAT) {
        PyErr_SetString(PyExc_ValueError, why->text);
        return NULL;
    }
    return err == PTM_OK ? ptm_view_new(snap) : (ptm_raise(err), NULL);
}

/* A view of the profile in `data`; `json` (borrows from data) may be NULL. */
static ptm_view *
view_of_profile(const void *data, size_t len, ptm_pprof_extra *extra)
{
    ptm_snap *snap = NULL;
    ptm_format_why why = {""};
    ptm_err err = ptm_pprof_read(data, len, &snap, extra, &why);
    ptm_view *view = view_of_result(err, snap, &why);
    if (view != NULL) {
        view->time_nanos = extra->time_nanos;
    }
    return view;
}

/* (Snapshot, json: bytes or None) */
static PyObject *
decoded(PyObject *module, const void *data, size_t len)
{
    ptm_pprof_extra extra = {NULL, 0, 0};
    ptm_view *view = view_of_profile(data, len, &extra);
    PyObject *snapshot =
        view == NULL ? NULL
                     : ptm_snapshot_of_view(PyModule_GetState(module), view, PTM_METRIC_LIVE);
    PyObject *json = NULL;
    if (snapshot != NULL) {
        json = extra.json == NULL
                   ? Py_NewRef(Py_None)
                   : PyBytes_FromStringAndSize(extra.json, (Py_ssize_t)extra.json_len);
    }
    ptm_view_decref(view);
    if (json == NULL) {
        Py_XDECREF(snapshot);
        return NULL;
    }
    return Py_BuildValue("(NN)", snapshot, json);
}

/* _snapshot_of_profile(data) -> (Snapshot, json: bytes or None) */
PyObject *
ptm_profile_decode(PyObject *module, PyObject *arg)
{
    Py_buffer data;
    if (PyObject_GetBuffer(arg, &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *pair = decoded(module, data.buf, (size_t)data.len);
    PyBuffer_Release(&data);
    return pair;
}

/* None instead of what is wrong with it. */
static PyObject *
decoded_if_sound(PyObject *module, const uint8_t *data, size_t len)
{
    PyObject *pair = data == NULL ? NULL : decoded(module, data, len);
    if (pair == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
    }
    return pair != NULL || PyErr_Occurred() ? pair : Py_NewRef(Py_None);
}

/* _snapshot_of_folded_profile(data, most) -> (Snapshot, json: bytes or None), or None */
PyObject *
ptm_profile_decode_folded(PyObject *module, PyObject *args)
{
    Py_buffer data;
    Py_ssize_t most;
    size_t len = 0;
    if (!PyArg_ParseTuple(args, "y*n:_snapshot_of_folded_profile", &data, &most)) {
        return NULL;
    }
    uint8_t *unfolded = most < 0 ? NULL : ptm_gzip_unfold(&data, (size_t)most, &len);
    PyObject *pair = decoded_if_sound(module, unfolded, len);
    ptm_array_free(unfolded);
    PyBuffer_Release(&data);
    return pair;
}

/* _snapshot_of_pickle(data) -> Snapshot */
PyObject *
ptm_profile_decode_pickle(PyObject *module, PyObject *arg)
{
    Py_buffer data;
    ptm_snap *snap = NULL;
    ptm_format_why why = {""};
    if (PyObject_GetBuffer(arg, &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    ptm_err err = ptm_pickle_read(data.buf, (size_t)data.len, &snap, &why);
    PyBuffer_Release(&data);
    ptm_view *view = view_of_result(err, snap, &why);
    PyObject *snapshot =
        view == NULL ? NULL
                     : ptm_snapshot_of_view(PyModule_GetState(module), view, PTM_METRIC_LIVE);
    ptm_view_decref(view);
    return snapshot;
}

/* _traces_of_profile(data, at) -> Traces: what a pickle of the main face calls. */
PyObject *
ptm_profile_traces(PyObject *module, PyObject *args)
{
    Py_buffer data;
    PyObject *at;
    ptm_metric metric;
    ptm_pprof_extra extra = {NULL, 0, 0};
    if (!PyArg_ParseTuple(args, "y*O:_traces_of_profile", &data, &at)) {
        return NULL;
    }
    ptm_view *view = ptm_metric_from_object(at, true, &metric) < 0
                         ? NULL
                         : view_of_profile(data.buf, (size_t)data.len, &extra);
    PyObject *traces =
        view == NULL ? NULL : ptm_traces_of_view(PyModule_GetState(module), view, metric);
    ptm_view_decref(view);
    PyBuffer_Release(&data);
    return traces;
}
