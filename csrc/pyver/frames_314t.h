/* SPDX-License-Identifier: MIT
 *
 * Frame layout of free-threaded CPython 3.14, read against v3.14.10 (Include/internal/
 * pycore_interpframe_structs.h, pycore_interpframe.h).
 * Included by ptm_frames.h only.
 */
#ifndef PTM_FRAMES_3XX_H
#define PTM_FRAMES_3XX_H

typedef struct ptm_pyframe {
    uintptr_t executable; /* a code object or, in entry frames, None; the low bits are a tag */
    struct ptm_pyframe *previous;
    void *others[5];       /* function, globals, builtins, locals, frame object */
    const char *instr_ptr; /* the instruction under way, or about to begin */
    void *stackpointer;
    int32_t tlbc_index; /* the copy that instr_ptr points into; 0: the code object's own */
    uint16_t return_offset;
    char owner;
} ptm_pyframe;

/* Above the generators' and the frame objects' kinds: the interpreter's own, and the C stack's. */
enum { PTM_OWNED_BY_GENERATOR = 1, PTM_OWNED_BY_INTERPRETER = 3 };

#define PTM_STACKREF_TAG ((uintptr_t)3)

PTM_OFFSET_IS(ptm_pyframe, instr_ptr, 56);
PTM_OFFSET_IS(ptm_pyframe, tlbc_index, 72);
PTM_OFFSET_IS(ptm_pyframe, owner, 78);
PTM_OFFSET_IS(PyThreadState, current_frame, 72);
PTM_OFFSET_IS(PyCodeObject, _co_firsttraceable, 208);
PTM_OFFSET_IS(PyCodeObject, co_tlbc, 224);
PTM_OFFSET_IS(PyCodeObject, co_code_adaptive, 232);

/* What the interpreter publishes of itself: the head of _Py_DebugOffsets, which starts the exported
 * _PyRuntime (Include/internal/pycore_debug_offsets.h). */
typedef struct {
    char cookie[8];
    uint64_t version, free_threaded;
    uint64_t runtime[3];
    struct {
        uint64_t others[13], gil_holder, generations[2];
    } interpreter;
    struct {
        uint64_t size, prev, next, interp, current_frame, thread_id, native_thread_id,
            datastack_chunk, status;
    } thread;
    struct {
        uint64_t size, previous, executable, instr_ptr, localsplus, owner, stackpointer, tlbc_index;
    } frame;
    struct {
        uint64_t size, filename, name, qualname, linetable, firstlineno, argcount, localsplusnames,
            localspluskinds, co_code_adaptive, co_tlbc;
    } code;
} ptm_debug_offsets;

PyAPI_DATA(struct pyruntimestate) _PyRuntime;

static inline const ptm_debug_offsets *
ptm_published(void)
{
    return (const ptm_debug_offsets *)(const void *)&_PyRuntime;
}

static inline bool
ptm_offsets_agree(void)
{
    const ptm_debug_offsets *o = ptm_published();
    return memcmp(o->cookie, "xdebugpy", sizeof(o->cookie)) == 0
           && o->version >> 16 == PY_VERSION_HEX >> 16 && o->free_threaded == 1
           && o->thread.interp == offsetof(PyThreadState, interp)
           && o->thread.current_frame == offsetof(PyThreadState, current_frame)
           && o->thread.thread_id == offsetof(PyThreadState, thread_id)
           && o->frame.previous == offsetof(ptm_pyframe, previous)
           && o->frame.executable == offsetof(ptm_pyframe, executable)
           && o->frame.instr_ptr == offsetof(ptm_pyframe, instr_ptr)
           && o->frame.owner == offsetof(ptm_pyframe, owner)
           && o->frame.tlbc_index == offsetof(ptm_pyframe, tlbc_index)
           && o->code.filename == offsetof(PyCodeObject, co_filename)
           && o->code.qualname == offsetof(PyCodeObject, co_qualname)
           && o->code.linetable == offsetof(PyCodeObject, co_linetable)
           && o->code.firstlineno == offsetof(PyCodeObject, co_firstlineno)
           && o->code.co_code_adaptive == offsetof(PyCodeObject, co_code_adaptive)
           && o->code.co_tlbc == offsetof(PyCodeObject, co_tlbc);
}

static PTM_ALWAYS_INLINE PyThreadState *
ptm_tstate_attached(void)
{
    return PyThreadState_GetUnchecked();
}

static inline bool
ptm_is_finalizing(void)
{
    return Py_IsFinalizing() != 0;
}

/* For callers who may not be attached: a detached thread's frames stay as they are, since only it
 * pushes and pops them. The array of a code object's copies may be replaced beside it. */
static inline PyThreadState *
ptm_tstate_of_thread(void)
{
    PyThreadState *tstate = ptm_tstate_attached();
    return tstate != NULL ? tstate : PyGILState_GetThisThreadState();
}

static inline PyThreadState *
ptm_tstate_if_attached(void)
{
    return ptm_tstate_attached();
}

/* Of the main interpreter; every thread runs beside the others. */
static PTM_ALWAYS_INLINE bool
ptm_tstate_in_lane(const PyThreadState *tstate, const PyInterpreterState *main_interp)
{
    return tstate != NULL && tstate->interp == main_interp;
}

static PTM_ALWAYS_INLINE const ptm_pyframe *
ptm_frame_top(const PyThreadState *tstate)
{
    return (const ptm_pyframe *)tstate->current_frame;
}

static PTM_ALWAYS_INLINE const ptm_pyframe *
ptm_frame_previous(const ptm_pyframe *frame)
{
    return frame->previous;
}

static PTM_ALWAYS_INLINE const PyCodeObject *
ptm_frame_code(const ptm_pyframe *frame)
{
    return (const PyCodeObject *)(frame->executable & ~PTM_STACKREF_TAG);
}

/* A thread may run a copy of the code, which comes and goes without the code object: told is the
 * same instruction in the code object's own. Entry frames run neither. */
static PTM_ALWAYS_INLINE uintptr_t
ptm_frame_ip(const ptm_pyframe *frame)
{
    uintptr_t ip = (uintptr_t)frame->instr_ptr;
    if (PTM_LIKELY(frame->tlbc_index == 0) || frame->owner >= PTM_OWNED_BY_INTERPRETER) {
        return ip;
    }
    const PyCodeObject *code = ptm_frame_code(frame);
    _PyCodeArray *const copies = PTM_LOAD_ACQUIRE(&code->co_tlbc);
    return ip - (uintptr_t)copies->entries[frame->tlbc_index] + (uintptr_t)code->co_code_adaptive;
}

/* The code of a generator is run by a frame of its thread up to RETURN_GENERATOR, and by the
 * generator's own from there on: the instruction says whose frame it is. */
static PTM_ALWAYS_INLINE uintptr_t
ptm_frame_mark(const ptm_pyframe *frame)
{
    return ptm_frame_ip(frame);
}

static PTM_ALWAYS_INLINE bool
ptm_frame_is_entry(const ptm_pyframe *frame)
{
    return frame->owner >= PTM_OWNED_BY_INTERPRETER;
}

static PTM_ALWAYS_INLINE bool
ptm_frame_is_bottom(const ptm_pyframe *frame)
{
    (void)frame; /* there is none */
    return false;
}

static PTM_ALWAYS_INLINE bool
ptm_frame_is_incomplete(const ptm_pyframe *frame)
{
    const PyCodeObject *code = ptm_frame_code(frame);
    return ptm_frame_is_entry(frame)
           || (frame->owner != PTM_OWNED_BY_GENERATOR
               && ptm_frame_ip(frame) < (uintptr_t)code->co_code_adaptive
                                            + (size_t)code->_co_firsttraceable * PTM_UNIT_BYTES);
}

/* About what its block holds; the object may be dead, its memory is still there. */
static inline size_t
ptm_code_bytes(const void *code)
{
    return sizeof(PyCodeObject) + (size_t)Py_SIZE((const PyObject *)code) * PTM_UNIT_BYTES;
}

static inline int
ptm_code_offset(const PyCodeObject *code, uintptr_t ip)
{
    return (int)((intptr_t)ip - (intptr_t)code->co_code_adaptive);
}

#define PTM_SHIMS_HAVE_A_PLACE

/* The interpreter's own `__init__` shim, a constant that is never freed: three instructions, the
 * first traceable one said to be behind them. Code made by hand may have the latter as well. */
static inline bool
ptm_code_is_shim(const PyCodeObject *code)
{
    return code->_co_firsttraceable >= Py_SIZE(code) && _Py_IsImmortal((PyObject *)(uintptr_t)code);
}

/* Counts what is pushed by the eval loop: frames of functions, complete or not, and `__init__`
 * shims. */
static PTM_ALWAYS_INLINE int
ptm_depth_counted(const PyThreadState *tstate)
{
    return tstate->py_recursion_limit - tstate->py_recursion_remaining;
}

/* Before an object lie the words of a managed dict or weakref. The garbage collector has no head
 * here. */
static inline size_t
ptm_bytes_before(const PyTypeObject *type)
{
    unsigned long flags = type->tp_flags;
    size_t words = flags & (Py_TPFLAGS_MANAGED_WEAKREF | Py_TPFLAGS_MANAGED_DICT) ? 2 : 0;
    return words * sizeof(void *);
}

/* Types of which free lists keep many objects: each type's all of one size or counted by ob_size,
 * and those whose are not (an int has 28 or 32 bytes). */
#define PTM_FREE_LISTED                                                                           \
    &PyTuple_Type, &PyDict_Type, &PyList_Type, &PySlice_Type, &PyFloat_Type, &PyMethod_Type,      \
        &PyCFunction_Type, &PyCMethod_Type, &PyContext_Type, &PyTupleIter_Type, &PyListIter_Type, \
        &PyRange_Type, &PyRangeIter_Type
#define PTM_FREE_LISTED_UNSIZED &PyLong_Type

#endif
