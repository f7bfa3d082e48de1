/* SPDX-License-Identifier: MIT
 *
 * modules - sys.path at the moment of a snapshot, from which its files get the names of their
 * modules. What is no str in sys.path is no folder that import searches; without a current folder
 * what is relative has no module.
 */
#include "py/state.h"

#include <stdlib.h>

#include "snap/ptm_modules.h"

/* UTF-8 as the snapshot has its strings, as a new reference; NULL with an exception. */
static PyObject *
utf8_of(PyObject *text)
{
    return PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
}

static ptm_modules_path
path_of(PyObject *bytes)
{
    return (ptm_modules_path){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
}

/* Empty if there is none: it was removed, or must not be read. */
static PyObject *
current_folder(void)
{
    PyObject *posix = PyImport_ImportModule("posix");
    PyObject *folder = posix == NULL ? NULL : ptm_call_method(posix, "getcwd", NULL, NULL);
    Py_XDECREF(posix);
    if (folder == NULL && PyErr_ExceptionMatches(PyExc_OSError)) {
        PyErr_Clear();
        return PyBytes_FromString("");
    }
    PyObject *utf8 = folder == NULL ? NULL : utf8_of(folder);
    Py_XDECREF(folder);
    return utf8;
}

/* sys.path as it is now, a tuple; empty if somebody has deleted it. */
static PyObject *
sys_path(void)
{
    PyObject *sys = PyImport_ImportModule("sys");
    PyObject *path = sys == NULL ? NULL : ptm_get_attr(sys, "path");
    Py_XDECREF(sys);
    if (path == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return PyTuple_New(0);
    }
    PyObject *items = path == NULL         ? NULL
                      : PyList_Check(path) ? PyList_AsTuple(path)
                                           : PyTuple_New(0);
    Py_XDECREF(path);
    return items;
}

/* The folders as a new list of bytes. */
static PyObject *
search_folders(void)
{
    PyObject *path = sys_path();
    PyObject *folders = path == NULL ? NULL : PyList_New(0);
    for (Py_ssize_t i = 0; folders != NULL && i < PyTuple_GET_SIZE(path); i++) {
        PyObject *folder = PyTuple_GET_ITEM(path, i);
        PyObject *utf8 = PyUnicode_Check(folder) ? utf8_of(folder) : NULL;
        if ((utf8 != NULL && PyList_Append(folders, utf8) < 0) || PyErr_Occurred()) {
            Py_CLEAR(folders);
        }
        Py_XDECREF(utf8);
    }
    Py_XDECREF(path);
    return folders;
}

static int
give_modules(ptm_snap *snap, PyObject *folders, PyObject *current)
{
    Py_ssize_t n = PyList_GET_SIZE(folders);
    ptm_modules_path *paths = calloc((size_t)n + 1, sizeof(*paths));
    for (Py_ssize_t i = 0; paths != NULL && i < n; i++) {
        paths[i] = path_of(PyList_GET_ITEM(folders, i));
    }
    ptm_modules_search search = {paths, (size_t)n, path_of(current)};
    ptm_err err = paths == NULL ? PTM_ENOMEM : ptm_modules_give(snap, &search);
    free(paths);
    if (err != PTM_OK) {
        ptm_raise(err);
        return -1;
    }
    return 0;
}

int
ptm_modules_of_sys_path(ptm_snap *snap)
{
    PyObject *folders = search_folders();
    PyObject *current = folders == NULL ? NULL : current_folder();
    int failed = current == NULL ? -1 : give_modules(snap, folders, current);
    Py_XDECREF(current);
    Py_XDECREF(folders);
    return failed;
}
