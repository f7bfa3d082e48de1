/* SPDX-License-Identifier: MIT
 *
 * Frame layout of CPython 3.12, read against v3.12.1 (Include/internal/pycore_frame.h).
 * Included by ptm_frames.h only.
 */
#ifndef PTM_FRAMES_3XX_H
#define PTM_FRAMES_3XX_H

typedef struct ptm_pyframe {
    const PyCodeObject *code; /* the trampoline in entry frames */
    struct ptm_pyframe *previous;
    void *others[5];        /* function, globals, builtins, locals, frame object */
    const char *prev_instr; /* the unit before the next instruction: this one, or its cache */
    int stacktop;
    uint16_t return_offset;
    char owner;
} ptm_pyframe;

enum { PTM_OWNED_BY_GENERATOR = 1, PTM_OWNED_BY_CSTACK = 3 };

PTM_OFFSET_IS(ptm_pyframe, prev_instr, 56);
PTM_OFFSET_IS(ptm_pyframe, owner, 70);
PTM_OFFSET_IS(PyThreadState, cframe, 56);
PTM_OFFSET_IS(PyCodeObject, _co_firsttraceable, 176);
PTM_OFFSET_IS(PyCodeObject, co_code_adaptive, 192);

/* This version publishes none. */
static inline bool
ptm_offsets_agree(void)
{
    return true;
}

static PTM_ALWAYS_INLINE PyThreadState *
ptm_tstate_attached(void)
{
    return _PyThreadState_UncheckedGet();
}

static inline bool
ptm_is_finalizing(void)
{
    return _Py_IsFinalizing() != 0;
}

/* For callers who may not be attached: a detached thread's frames stay as they are, since only it
 * pushes and pops them. */
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

/* Other interpreters may have a GIL of their own and run beside us. */
static PTM_ALWAYS_INLINE bool
ptm_tstate_in_lane(const PyThreadState *tstate, const PyInterpreterState *main_interp)
{
    return tstate != NULL && tstate->interp == main_interp;
}

/* The calling thread's state if it holds the main interpreter's GIL. */
static PTM_ALWAYS_INLINE PyThreadState *
ptm_tstate_main(const PyInterpreterState *main_interp)
{
    PyThreadState *tstate = ptm_tstate_attached();
    return ptm_tstate_in_lane(tstate, main_interp) ? tstate : NULL;
}

static PTM_ALWAYS_INLINE const ptm_pyframe *
ptm_frame_top(const PyThreadState *tstate)
{
    return (const ptm_pyframe *)tstate->cframe->current_frame;
}

static PTM_ALWAYS_INLINE const ptm_pyframe *
ptm_frame_previous(const ptm_pyframe *frame)
{
    return frame->previous;
}

static PTM_ALWAYS_INLINE uintptr_t
ptm_frame_ip(const ptm_pyframe *frame)
{
    return (uintptr_t)frame->prev_instr;
}

static PTM_ALWAYS_INLINE uintptr_t
ptm_frame_mark(const ptm_pyframe *frame)
{
    /* ip is even, and there are fewer than eight owners; a sum, since that is one instruction */
    return (ptm_frame_ip(frame) << 2) + (unsigned char)frame->owner;
}

static PTM_ALWAYS_INLINE const PyCodeObject *
ptm_frame_code(const ptm_pyframe *frame)
{
    return frame->code;
}

static PTM_ALWAYS_INLINE bool
ptm_frame_is_entry(const ptm_pyframe *frame)
{
    return frame->owner == PTM_OWNED_BY_CSTACK;
}

static PTM_ALWAYS_INLINE bool
ptm_mark_is_entry(uintptr_t mark)
{
    return (mark & 7) == PTM_OWNED_BY_CSTACK;
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
               && frame->prev_instr
                      < code->co_code_adaptive + code->_co_firsttraceable * PTM_UNIT_BYTES);
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

/* Counts what is pushed by the eval loop: frames of functions, complete or not. */
static PTM_ALWAYS_INLINE int
ptm_depth_counted(const PyThreadState *tstate)
{
    return tstate->py_recursion_limit - tstate->py_recursion_remaining;
}

/* Before an object lie a GC head and the words of a managed dict or weakref. */
static inline size_t
ptm_bytes_before(const PyTypeObject *type)
{
    unsigned long flags = type->tp_flags;
    size_t words = (flags & Py_TPFLAGS_HAVE_GC ? 2 : 0)
                   + (flags & (Py_TPFLAGS_MANAGED_WEAKREF | Py_TPFLAGS_MANAGED_DICT) ? 2 : 0);
    return words * sizeof(void *);
}

#endif
