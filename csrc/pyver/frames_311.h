/* SPDX-License-Identifier: MIT
 *
 * Frame layout of CPython 3.11, read against v3.11.7 (Include/internal/pycore_frame.h).
 * Included by ptm_frames.h only.
 */
#ifndef PTM_FRAMES_3XX_H
#define PTM_FRAMES_3XX_H

typedef struct ptm_pyframe {
    void *others[4]; /* function, globals, builtins, locals */
    const PyCodeObject *code;
    void *frame_obj;
    struct ptm_pyframe *previous;
    const char *prev_instr; /* the unit before the next instruction: this one, or its cache */
    int stacktop;
    bool is_entry;
    char owner;
} ptm_pyframe;

enum { PTM_OWNED_BY_GENERATOR = 1 };

PTM_OFFSET_IS(ptm_pyframe, prev_instr, 56);
PTM_OFFSET_IS(ptm_pyframe, owner, 69);
PTM_OFFSET_IS(ptm_pyframe, code, 32);
PTM_OFFSET_IS(ptm_pyframe, previous, 48);
PTM_OFFSET_IS(PyThreadState, cframe, 56);
PTM_OFFSET_IS(PyCodeObject, _co_firsttraceable, 168);
PTM_OFFSET_IS(PyCodeObject, co_code_adaptive, 184);

/* This version publishes none. */
static inline bool
ptm_offsets_agree(void)
{
    return true;
}

/* The interpreter's word here is process-wide, "who holds the GIL": right for a caller who holds
 * it, and only then. */
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

/* For callers who may not hold the GIL: the thread's own state. */
static inline PyThreadState *
ptm_tstate_of_thread(void)
{
    return PyGILState_GetThisThreadState();
}

/* Compared, not read: it may have been freed. */
static inline PyThreadState *
ptm_tstate_if_attached(void)
{
    PyThreadState *tstate = PyGILState_GetThisThreadState();
    return tstate == ptm_tstate_attached() ? tstate : NULL;
}

/* One GIL for all interpreters: whoever runs holds the main lane. */
static PTM_ALWAYS_INLINE bool
ptm_tstate_in_lane(const PyThreadState *tstate, const PyInterpreterState *main_interp)
{
    (void)main_interp;
    return tstate != NULL;
}

PyAPI_DATA(struct pyruntimestate) _PyRuntime;

#define PTM_HAS_GIL_HOLDER
#define PTM_RUNTIME_WORDS 128 /* of _PyRuntime, among which that word is */

/* The word that ptm_tstate_attached() reads (ptm_selftest finds it). */
PTM_EXTERN PyThreadState *const *ptm_gil_holder;

/* The calling thread's state if it holds the GIL; NULL: ask ptm_tstate_attached(). */
static PTM_ALWAYS_INLINE PyThreadState *
ptm_tstate_main(const PyInterpreterState *main_interp)
{
    (void)main_interp;
    return PTM_LOAD(ptm_gil_holder);
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
    (void)frame; /* 3.11 pushes none */
    return false;
}

static PTM_ALWAYS_INLINE bool
ptm_mark_is_entry(uintptr_t mark)
{
    (void)mark;
    return false;
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
    return frame->owner != PTM_OWNED_BY_GENERATOR
           && frame->prev_instr
                  < code->co_code_adaptive + code->_co_firsttraceable * PTM_UNIT_BYTES;
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

/* Calls of C functions are counted in the same number. With the place of the eval loop it tells
 * stacks apart, but not how deep they are. */
#define PTM_COUNTS_C_CALLS
static PTM_ALWAYS_INLINE int
ptm_depth_counted(const PyThreadState *tstate)
{
    return tstate->recursion_limit - tstate->recursion_remaining;
}

static PTM_ALWAYS_INLINE uintptr_t
ptm_eval_place(const PyThreadState *tstate)
{
    return (uintptr_t)tstate->cframe;
}

/* Before an object lie a GC head and the words of a managed dict or weakref. */
static inline size_t
ptm_bytes_before(const PyTypeObject *type)
{
    unsigned long flags = type->tp_flags;
    size_t words = (flags & Py_TPFLAGS_HAVE_GC ? 2 : 0) + (flags & Py_TPFLAGS_MANAGED_DICT ? 2 : 0);
    return words * sizeof(void *);
}

#endif
