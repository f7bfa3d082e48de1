/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_selftest.h"

#include <string.h>

#include "pyver/ptm_frames.h"

#if PY_VERSION_HEX >= 0x030D0000

/* The head of _Py_DebugOffsets (Include/internal/pycore_runtime.h), which starts the exported
 * _PyRuntime. */
typedef struct {
    char cookie[8];
    uint64_t version, free_threaded;
    uint64_t runtime[3];
    struct {
        uint64_t others[12], gil_holder;
    } interpreter;
    struct {
        uint64_t size, prev, next, interp, current_frame, thread_id, native_thread_id,
            datastack_chunk, status;
    } thread;
    struct {
        uint64_t size, previous, executable, instr_ptr, localsplus, owner;
    } frame;
    struct {
        uint64_t size, filename, name, qualname, linetable, firstlineno, argcount, localsplusnames,
            localspluskinds, co_code_adaptive;
    } code;
} debug_offsets;

PyAPI_DATA(struct pyruntimestate) _PyRuntime;

static bool
offsets_agree(void)
{
    const debug_offsets *o = (const debug_offsets *)(const void *)&_PyRuntime;
    return memcmp(o->cookie, "xdebugpy", sizeof(o->cookie)) == 0
           && o->version >> 16 == PY_VERSION_HEX >> 16 && o->free_threaded == 0
           && o->thread.current_frame == offsetof(PyThreadState, current_frame)
           && o->frame.previous == offsetof(ptm_pyframe, previous)
           && o->frame.executable == offsetof(ptm_pyframe, executable)
           && o->frame.instr_ptr == offsetof(ptm_pyframe, instr_ptr)
           && o->frame.owner == offsetof(ptm_pyframe, owner)
           && o->code.filename == offsetof(PyCodeObject, co_filename)
           && o->code.qualname == offsetof(PyCodeObject, co_qualname)
           && o->code.linetable == offsetof(PyCodeObject, co_linetable)
           && o->code.firstlineno == offsetof(PyCodeObject, co_firstlineno)
           && o->code.co_code_adaptive == offsetof(PyCodeObject, co_code_adaptive);
}

static PyThreadState *const nobody = NULL;
PyThreadState *const *ptm_gil_holder = &nobody;

/* Called with the GIL: then the word must name us. If it does not, hooks go the long way. */
static void
find_gil_holder(void)
{
    const debug_offsets *o = (const debug_offsets *)(const void *)&_PyRuntime;
    const char *interp = (const char *)PyInterpreterState_Main();
    PyThreadState *const *holder =
        (PyThreadState *const *)(const void *)(interp + o->interpreter.gil_holder);
    if (*holder == PyThreadState_Get() && PyThreadState_Get()->thread_id == ptm_os_thread()) {
        ptm_gil_holder = holder;
    }
}

#else

static bool
offsets_agree(void)
{
    return true;
}

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
    else if (!offsets_agree()) {
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
