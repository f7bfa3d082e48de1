/* SPDX-License-Identifier: MIT
 *
 * module - `pytracemalloc._core`, the module object of the stdlib face, and the one that stands for
 * _tracemalloc.
 *
 * The three are made from three definitions. Only the first is imported; bind_stdlib() makes the
 * other two and is called by stdlib.py with its globals.
 */
#include "py/state.h"

#include <string.h>

#include "pyver/ptm_pools.h"
#include "trace/ptm_tracer.h"
#include "trace/ptm_track.h"

static struct PyModuleDef main_def, stdlib_def;

/* -- faces -- */

static ptm_face *
face_of_exact(PyTypeObject *type)
{
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        return NULL;
    }
    PyObject *module = ((PyHeapTypeObject *)type)->ht_module;
    PyModuleDef *def = module == NULL ? NULL : PyModule_GetDef(module);
    return def == &main_def || def == &stdlib_def ? PyModule_GetState(module) : NULL;
}

ptm_face *
ptm_face_of_type(PyTypeObject *type)
{
    ptm_face *face = face_of_exact(type);
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; face == NULL && mro != NULL && i < PyTuple_GET_SIZE(mro); i++) {
        face = face_of_exact((PyTypeObject *)PyTuple_GET_ITEM(mro, i));
    }
    if (face == NULL) {
        PyErr_Format(PyExc_TypeError, "%.200s is not a type of pytracemalloc", type->tp_name);
    }
    return face;
}

/* A global of stdlib.py: new reference, or NULL without an exception if there is none. */
static PyObject *
global_or_null(ptm_face *face, const char *name)
{
    return ptm_dict_get(face->globals, name);
}

PyObject *
ptm_face_lookup_module(ptm_face *face, const char *name)
{
    PyObject *module = global_or_null(face, name);
    return module != NULL ? module : PyImport_ImportModule(name);
}

PyObject *
ptm_face_lookup(ptm_face *face, const char *name)
{
    PyObject *value = global_or_null(face, name);
    if (value == NULL) {
        PyErr_Format(PyExc_NameError, "name '%s' is not defined", name);
    }
    return value;
}

/* -- types -- */

/* A method descriptor counts `self` as positional-only; a function in an instancemethod does not.
 */
static int
wrap_method(PyObject *type, const char *name)
{
    PyObject *descriptor = ptm_get_attr(type, name);
    PyObject *wrapped = descriptor == NULL ? NULL : PyInstanceMethod_New(descriptor);
    int failed = wrapped == NULL ? -1 : PyObject_SetAttrString(type, name, wrapped);
    Py_XDECREF(wrapped);
    Py_XDECREF(descriptor);
    return failed;
}

static bool
takes_self_by_name(const PyMethodDef *method)
{
    size_t n = strlen(method->ml_name);
    return method->ml_doc != NULL && strncmp(method->ml_doc, method->ml_name, n) == 0
           && strncmp(method->ml_doc + n, "(self", 5) == 0;
}

static int
wrap_methods(PyObject *type, const PyType_Slot *slots)
{
    for (; slots->slot != 0; slots++) {
        const PyMethodDef *method = slots->slot == Py_tp_methods ? slots->pfunc : NULL;
        for (; method != NULL && method->ml_name != NULL; method++) {
            if (takes_self_by_name(method) && wrap_method(type, method->ml_name) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* Error messages name a class written in Python without its module. */
static int
use_short_name(PyObject *type, const char *name)
{
    PyObject *short_name = PyUnicode_FromString(strrchr(name, '.') + 1);
    int failed = short_name == NULL ? -1 : PyObject_SetAttrString(type, "__name__", short_name);
    Py_XDECREF(short_name);
    return failed;
}

PyTypeObject *
ptm_type_new(PyObject *module, const ptm_type_recipe *recipe, PyTypeObject *base)
{
    const ptm_face *face = PyModule_GetState(module);
    PyType_Spec spec = {
        .name = ptm_face_is_main(face) ? recipe->main_name : recipe->stdlib_name,
        .basicsize = (int)recipe->size,
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
        .slots = ptm_face_is_main(face) ? recipe->main_slots : recipe->stdlib_slots,
    };
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, (PyObject *)base);
    if (type != NULL && !ptm_face_is_main(face) && use_short_name(type, spec.name) < 0) {
        Py_CLEAR(type);
    }
    if (type != NULL
        && (wrap_methods(type, spec.slots) < 0
            || PyModule_AddType(module, (PyTypeObject *)type) < 0)) {
        Py_CLEAR(type);
    }
    return (PyTypeObject *)type;
}

/* Both are sequences to isinstance(); the abstract class itself is no base, it would bring its
 * metaclass along. */
static int
register_sequences(const ptm_face *face)
{
    PyObject *abc =
        PyImport_ImportModule("_collections_abc"); /* there since start-up; the other is not */
    PyObject *sequence = abc == NULL ? NULL : ptm_get_attr(abc, "Sequence");
    Py_XDECREF(abc);
    PyTypeObject *const types[] = {face->traceback, face->traces};
    bool failed = sequence == NULL;
    for (size_t i = 0; i < PTM_ARRAY_LEN(types) && !failed; i++) {
        PyObject *registered = ptm_call_method(sequence, "register", (PyObject *)types[i], NULL);
        failed = registered == NULL;
        Py_XDECREF(registered);
    }
    Py_XDECREF(sequence);
    return failed ? -1 : 0;
}

static int
setup_types(PyObject *module)
{
    static int (*const setups[])(PyObject *) = {
        ptm_frame_setup,     ptm_traceback_setup, ptm_trace_setup,    ptm_traces_setup,
        ptm_statistic_setup, ptm_filter_setup,    ptm_snapshot_setup,
    };
    for (size_t i = 0; i < PTM_ARRAY_LEN(setups); i++) {
        if (setups[i](module) < 0) {
            return -1;
        }
    }
    return register_sequences(PyModule_GetState(module));
}

/* -- the main module -- */

static void
raise_unsupported(const char *why)
{
    const char *running = Py_GetVersion();
    char version[24];
    PyOS_snprintf(version, sizeof(version), "%.*s", (int)strcspn(running, " "), running);
    PyErr_Format(
        PyExc_ImportError,
        "pytracemalloc cannot trace this interpreter, CPython %s: %s; install it anew with "
        "this interpreter, or use another version of Python",
        version, why);
}

/* The engine is one per process, whatever the number of interpreters that import us. */
static int
init_engine(void)
{
    const char *why = "";
    ptm_err err = ptm_tracer_init(&why);
    if (err == PTM_OK) {
        ptm_track_use(ptm_engine_get_block_traceback);
    }
    else if (err == PTM_EUNSUPPORTED) {
        raise_unsupported(why);
    }
    else {
        PyErr_Format(PyExc_ImportError, "pytracemalloc cannot start: %s", why);
    }
    return err == PTM_OK ? 0 : -1;
}

static PyObject *
leave(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    ptm_tracer_leave();
    Py_RETURN_NONE;
}

static PyMethodDef leave_def = {"_leave", leave, METH_NOARGS, NULL};

/* Of the main interpreter: its end begins with the functions that atexit has. */
static int
hear_of_the_end(void)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        return 0;
    }
    ptm_tracer_stay();
    PyObject *atexit = PyImport_ImportModule("atexit");
    PyObject *function = atexit == NULL ? NULL : PyCFunction_New(&leave_def, NULL);
    PyObject *done = function == NULL ? NULL : ptm_call_method(atexit, "register", function, NULL);
    Py_XDECREF(function);
    Py_XDECREF(atexit);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
main_exec(PyObject *module)
{
    ptm_face *face = PyModule_GetState(module);
    face->kind = PTM_FACE_MAIN;
    if (init_engine() < 0 || hear_of_the_end() < 0 || setup_types(module) < 0
        || PyModule_AddFunctions(module, ptm_main_functions) < 0
        || PyModule_AddFunctions(module, ptm_process_end_functions) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "__version__", PTM_VERSION);
}

static int
stdlib_exec(PyObject *module)
{
    ptm_face *face = PyModule_GetState(module);
    face->kind = PTM_FACE_STDLIB;
    return setup_types(module) < 0 ? -1 : PyModule_AddFunctions(module, ptm_stdlib_functions);
}

static int
face_traverse(PyObject *module, visitproc visit, void *arg)
{
    ptm_face *face = PyModule_GetState(module);
    Py_VISIT(face->globals);
    Py_VISIT(face->engine);
    Py_VISIT(face->compare);
    Py_VISIT(face->frame);
    Py_VISIT(face->traceback);
    Py_VISIT(face->trace);
    Py_VISIT(face->traces);
    Py_VISIT(face->statistic);
    Py_VISIT(face->statistic_diff);
    Py_VISIT(face->base_filter);
    Py_VISIT(face->filter);
    Py_VISIT(face->domain_filter);
    Py_VISIT(face->snapshot);
    return 0;
}

static int
face_clear(PyObject *module)
{
    ptm_face *face = PyModule_GetState(module);
    Py_CLEAR(face->globals);
    Py_CLEAR(face->engine);
    Py_CLEAR(face->compare);
    Py_CLEAR(face->frame);
    Py_CLEAR(face->traceback);
    Py_CLEAR(face->trace);
    Py_CLEAR(face->traces);
    Py_CLEAR(face->statistic);
    Py_CLEAR(face->statistic_diff);
    Py_CLEAR(face->base_filter);
    Py_CLEAR(face->filter);
    Py_CLEAR(face->domain_filter);
    Py_CLEAR(face->snapshot);
    return 0;
}

static void
face_free(void *module)
{
    face_clear(module);
}

/* -- the other two -- */

/* A module object of this name that nobody imports. */
static PyObject *
module_from_def(PyModuleDef *def, const char *name)
{
    PyObject *types = PyImport_ImportModule("types");
    PyObject *namespace = types == NULL ? NULL : ptm_get_attr(types, "SimpleNamespace");
    Py_XDECREF(types);
    PyObject *args = namespace == NULL ? NULL : PyTuple_New(0);
    PyObject *kwargs = args == NULL ? NULL : Py_BuildValue("{ss}", "name", name);
    PyObject *spec = kwargs == NULL ? NULL : PyObject_Call(namespace, args, kwargs);
    PyObject *module = spec == NULL ? NULL : PyModule_FromDefAndSpec(def, spec);
    if (module != NULL && PyModule_ExecDef(module, def) < 0) {
        Py_CLEAR(module);
    }
    Py_XDECREF(spec);
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(namespace);
    return module;
}

static PyModuleDef_Slot engine_slots[] = {PTM_MODULE_INTERPRETERS PTM_MODULE_GIL{0, NULL}};

static struct PyModuleDef engine_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_tracemalloc",
    .m_doc = "Debug module to trace memory blocks allocated by Python.",
    .m_methods = ptm_engine_methods,
    .m_slots = engine_slots,
};

static PyModuleDef_Slot stdlib_slots[] = {
    {Py_mod_exec, stdlib_exec},
    PTM_MODULE_INTERPRETERS PTM_MODULE_GIL{0, NULL},
};

static struct PyModuleDef stdlib_def = {
    PyModuleDef_HEAD_INIT,   .m_name = "tracemalloc",     .m_size = sizeof(ptm_face),
    .m_slots = stdlib_slots, .m_traverse = face_traverse, .m_clear = face_clear,
    .m_free = face_free,
};

/* Every public name of a module object, functions and types, into `globals`. */
static int
copy_names(PyObject *globals, PyObject *module)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(PyModule_GetDict(module), &position, &key, &value)) {
        bool special = PyUnicode_Check(key) && strncmp(PyUnicode_AsUTF8(key), "__", 2) == 0;
        if (!special && PyDict_SetItem(globals, key, value) < 0) {
            return -1;
        }
    }
    return 0;
}

PyDoc_STRVAR(bind_stdlib_doc,
             "_bind_stdlib($module, globals, /)\n--\n\n"
             "Make the stdlib face, put its names into the dict globals, and look names up\n"
             "there from now on; what is there already is ours. Return the module object that "
             "stands for _tracemalloc.");

static PyObject *
core_bind_stdlib(PyObject *module, PyObject *globals)
{
    (void)module;
    if (!PyDict_Check(globals)) {
        return PyErr_Format(PyExc_TypeError, "globals must be a dict, not %.200s",
                            Py_TYPE(globals)->tp_name);
    }
    PyObject *engine = module_from_def(&engine_def, "_tracemalloc");
    PyObject *stdlib = engine == NULL ? NULL : module_from_def(&stdlib_def, "tracemalloc");
    if (stdlib == NULL || copy_names(globals, engine) < 0 || copy_names(globals, stdlib) < 0) {
        Py_CLEAR(engine);
    }
    else {
        ptm_face *face = PyModule_GetState(stdlib);
        face->globals = Py_NewRef(globals);
        face->engine = Py_NewRef(engine);
        face->compare = ptm_dict_get(globals, "_compare_grouped_stats");
    }
    Py_XDECREF(stdlib);
    return engine;
}

/* Test-only. */
static PyObject *
core_fail_after(PyObject *module, PyObject *value)
{
    (void)module;
    long long n = PyLong_AsLongLong(value);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    ptm_tracer_fail_after(n);
    Py_RETURN_NONE;
}

/* Test-only. */
static PyObject *
core_uses_pools(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyBool_FromLong(ptm_pools_used());
}

static PyMethodDef main_methods[] = {
    {"_fail_after", core_fail_after, METH_O,
     PyDoc_STR("_fail_after($module, n, /)\n--\n\n"
               "For tests: the tracer gets n more pieces of memory and none after; -1: all.")},
    {"_uses_pools", core_uses_pools, METH_NOARGS,
     PyDoc_STR("_uses_pools($module, /)\n--\n\n"
               "For tests: whether the hooks that were put in last take small blocks from the "
               "interpreter's own pools.")},
    {"_bind_stdlib", core_bind_stdlib, METH_O, bind_stdlib_doc},
    {"_profile_of_snapshot", ptm_profile_encode_snapshot, METH_VARARGS,
     PyDoc_STR("_profile_of_snapshot($module, snapshot, json, /)\n--\n\n"
               "The bytes of a pprof profile, not compressed, with the JSON text in it.")},
    {"_folded_profile_of_snapshot", ptm_profile_fold_snapshot, METH_VARARGS,
     PyDoc_STR("_folded_profile_of_snapshot($module, snapshot, json, level, /)\n--\n\n"
               "The same as a gzip member, and how many bytes it unfolds to; level 0 stores, 1 is "
               "the quickest.")},
    {"_snapshot_of_profile", ptm_profile_decode, METH_O,
     PyDoc_STR("_snapshot_of_profile($module, data, /)\n--\n\n"
               "(Snapshot, JSON text or None) of a pprof profile, or ValueError.")},
    {"_snapshot_of_folded_profile", ptm_profile_decode_folded, METH_VARARGS,
     PyDoc_STR("_snapshot_of_folded_profile($module, data, most, /)\n--\n\n"
               "The same of one whole gzip member that unfolds to at most so many bytes; None if "
               "it is not one, or no profile.")},
    {"_traces_of_profile", ptm_profile_traces, METH_VARARGS,
     PyDoc_STR(
         "_traces_of_profile($module, data, at, /)\n--\n\nWhat pickled traces are made from.")},
    {"_snapshot_of_pickle", ptm_profile_decode_pickle, METH_O,
     PyDoc_STR("_snapshot_of_pickle($module, data, /)\n--\n\n"
               "The Snapshot in a pickle of the standard library's, or ValueError; runs nothing.")},
    {"_columns_of_snapshot", ptm_columns_of_snapshot, METH_O,
     PyDoc_STR("_columns_of_snapshot($module, snapshot, /)\n--\n\n"
               "The tables of a snapshot: a dict from names to bytes of native numbers.")},
    {"_frames_of_stacks", ptm_columns_frames_of_stacks, METH_VARARGS,
     PyDoc_STR("_frames_of_stacks($module, snapshot, stacks, /)\n--\n\n"
               "The frames of each of the stacks, most recent first, one after the other.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot main_slots[] = {
    {Py_mod_exec, main_exec},
    PTM_MODULE_INTERPRETERS PTM_MODULE_GIL{0, NULL},
};

static struct PyModuleDef main_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pytracemalloc._core",
    .m_doc = "The engine and the types of pytracemalloc, in C.",
    .m_size = sizeof(ptm_face),
    .m_methods = main_methods,
    .m_slots = main_slots,
    .m_traverse = face_traverse,
    .m_clear = face_clear,
    .m_free = face_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&main_def);
}
