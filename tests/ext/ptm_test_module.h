/* SPDX-License-Identifier: MIT
 *
 * ptm_test_module - the test extensions keep the GIL off where it is off: one that did not say so
 * would turn it on, and what is tested would be another thing.
 */
#ifndef PTM_TEST_MODULE_H
#define PTM_TEST_MODULE_H

#include <Python.h>

static inline PyObject *
ptm_test_module(PyModuleDef *def)
{
    PyObject *module = PyModule_Create(def);
#ifdef Py_GIL_DISABLED
    if (module != NULL && PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED) < 0) {
        Py_CLEAR(module);
    }
#endif
    return module;
}

/* The end of such a file: its `methods`, and nothing kept by module. */
#define PTM_TEST_MODULE(NAME, DOC)                                                     \
    static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = #NAME, .m_doc = DOC, \
                                 .m_size = -1, .m_methods = methods};                  \
    PyMODINIT_FUNC PyInit_##NAME(void);                                                \
    PyMODINIT_FUNC PyInit_##NAME(void)                                                 \
    {                                                                                  \
        return ptm_test_module(&module);                                               \
    }

#endif
