/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_selftest.h"

#include <string.h>

#include "pyver/ptm_frames.h"

#ifdef PTM_HAS_GIL_HOLDER

static PyThreadState *const nobody = NULL;
PyThreadState *const *ptm_gil_holder = &nobody;

#endif

#if defined(PTM_RUNTIME_WORDS)

/* Of the words that name the caller it is the one that names nobody while the state is swapped
 * out. */
static bool
is_gil_holder(PyThreadState *const *word, PyThreadState *tstate)
{
    if (PTM_LOAD(word) != tstate) {
        return false;
    }
    (void)PyThreadState_Swap(NULL);
    bool is_holder = PTM_LOAD(word) == NULL;
    (void)PyThreadState_Swap(tstate);
    return is_holder;
}

/* Called with the GIL. If the word is not found, hooks go the long way. */
static void
find_gil_holder(void)
{
    PyThreadState *const *words = (PyThreadState *const *)(const void *)&_PyRuntime;
    PyThreadState *tstate = PyThreadState_Get();
    for (size_t i = 0; i < PTM_RUNTIME_WORDS; i++) {
        if (is_gil_holder(&words[i], tstate)) {
            ptm_gil_holder = &words[i];
            return;
        }
    }
}

#elif defined(PTM_HAS_GIL_HOLDER)

/* Called with the GIL: then the word must name us. If it does not, hooks go the long way. */
static void
find_gil_holder(void)
{
    const char *interp = (const char *)PyInterpreterState_Main();
    PyThreadState *const *holder =
        (PyThreadState *const *)(const void *)(interp + ptm_published()->interpreter.gil_holder);
    if (*holder == PyThreadState_Get() && PyThreadState_Get()->thread_id == ptm_os_thread()) {
        ptm_gil_holder = holder;
    }
}

#else

static void
find_gil_holder(void)
{
}

#endif

static const ptm_pyframe *
next_complete(const ptm_pyframe *frame)
{
    while (frame != NULL && ptm_frame_is_incomplete(frame)) {
        frame = ptm_frame_previous(frame);
    }
    return frame;
}

static bool
same_place(const ptm_pyframe *ours, PyFrameObject *theirs)
{
    PyCodeObject *code = PyFrame_GetCode(theirs);
    bool same = ours != NULL && ptm_frame_code(ours) == code
                && ptm_code_offset(code, ptm_frame_ip(ours)) == PyFrame_GetLasti(theirs);
    Py_DECREF(code);
    return same;
}

static bool
stacks_agree(void)
{
    PyThreadState *tstate = PyThreadState_Get();
    const ptm_pyframe *ours = next_complete(ptm_frame_top(tstate));
    PyFrameObject *theirs = PyThreadState_GetFrame(tstate);
    bool agree = true;
    while (agree && theirs != NULL) {
        agree = same_place(ours, theirs);
        PyFrameObject *back = PyFrame_GetBack(theirs);
        Py_DECREF(theirs);
        theirs = back;
        ours = agree ? next_complete(ptm_frame_previous(ours)) : NULL;
    }
    Py_XDECREF(theirs);
    return agree && ours == NULL;
}

static bool
version_agrees(void)
{
    const char *running = Py_GetVersion();
    return strncmp(running, PY_VERSION, strcspn(PY_VERSION, ".") + 3) == 0;
}

ptm_err
ptm_selftest(const char **why)
{
    if (!version_agrees()) {
        *why = "it was built for Python " Py_STRINGIFY(PY_MAJOR_VERSION) "." Py_STRINGIFY(
            PY_MINOR_VERSION);
    }
    else if (!ptm_offsets_agree()) {
        *why = "this interpreter publishes other struct offsets than the one it was built for";
    }
    else if (!stacks_agree()) {
        *why = "the frames of this interpreter do not read as those of the one it was built for";
    }
    else {
        find_gil_holder();
        return PTM_OK;
    }
    return PTM_EUNSUPPORTED;
}
