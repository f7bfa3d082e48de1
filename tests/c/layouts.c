/* SPDX-License-Identifier: MIT
 *
 * layouts - compiled, not run: what pyver/ says of CPython's private structs, against the internal
 * headers of the CPython it is compiled with.
 */
#define Py_BUILD_CORE 1
#include <Python.h>

#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_debug_offsets.h>
#include <internal/pycore_interpframe.h>
#else
#include <internal/pycore_frame.h>
#endif
#include <internal/pycore_gc.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_object.h>
#include <internal/pycore_pystate.h>
#include <internal/pycore_runtime.h>
#undef Py_BUILD_CORE

#include "pyver/ptm_pools.h"

#define SAME(ours, field, theirs, name)                                              \
    _Static_assert(offsetof(ours, field) == offsetof(theirs, name)                   \
                       && sizeof(((ours *)0)->field) == sizeof(((theirs *)0)->name), \
                   #ours "." #field " is not " #theirs "." #name)

SAME(ptm_pyframe, previous, _PyInterpreterFrame, previous);
SAME(ptm_pyframe, owner, _PyInterpreterFrame, owner);
_Static_assert((int)PTM_OWNED_BY_GENERATOR == (int)FRAME_OWNED_BY_GENERATOR, "owners");
_Static_assert(PTM_UNIT_BYTES == sizeof(_Py_CODEUNIT), "a code unit");

#if PY_VERSION_HEX < 0x030C0000
_Static_assert(offsetof(_PyRuntimeState, gilstate.tstate_current)
                   < PTM_RUNTIME_WORDS * sizeof(void *),
               "the word that says who holds the GIL lies further behind");
#endif

#if PY_VERSION_HEX < 0x030D0000
SAME(ptm_pyframe, code, _PyInterpreterFrame, f_code);
SAME(ptm_pyframe, prev_instr, _PyInterpreterFrame, prev_instr);
#else
SAME(ptm_pyframe, executable, _PyInterpreterFrame, f_executable);
SAME(ptm_pyframe, instr_ptr, _PyInterpreterFrame, instr_ptr);
#endif

#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030E0000
_Static_assert((int)PTM_OWNED_BY_CSTACK == (int)FRAME_OWNED_BY_CSTACK, "owners");
#endif

#if PY_VERSION_HEX >= 0x030D0000
#ifdef PTM_HAS_GIL_HOLDER
SAME(ptm_debug_offsets, interpreter.gil_holder, _Py_DebugOffsets,
     interpreter_state.gil_runtime_state_holder);
_Static_assert(PTM_THREAD_ATTACHED == _Py_THREAD_ATTACHED, "a thread's state");
#endif
SAME(ptm_debug_offsets, version, _Py_DebugOffsets, version);
SAME(ptm_debug_offsets, free_threaded, _Py_DebugOffsets, free_threaded);
SAME(ptm_debug_offsets, thread.interp, _Py_DebugOffsets, thread_state.interp);
SAME(ptm_debug_offsets, thread.current_frame, _Py_DebugOffsets, thread_state.current_frame);
SAME(ptm_debug_offsets, thread.thread_id, _Py_DebugOffsets, thread_state.thread_id);
SAME(ptm_debug_offsets, frame.previous, _Py_DebugOffsets, interpreter_frame.previous);
SAME(ptm_debug_offsets, frame.executable, _Py_DebugOffsets, interpreter_frame.executable);
SAME(ptm_debug_offsets, frame.instr_ptr, _Py_DebugOffsets, interpreter_frame.instr_ptr);
SAME(ptm_debug_offsets, frame.owner, _Py_DebugOffsets, interpreter_frame.owner);
SAME(ptm_debug_offsets, code.filename, _Py_DebugOffsets, code_object.filename);
SAME(ptm_debug_offsets, code.qualname, _Py_DebugOffsets, code_object.qualname);
SAME(ptm_debug_offsets, code.linetable, _Py_DebugOffsets, code_object.linetable);
SAME(ptm_debug_offsets, code.firstlineno, _Py_DebugOffsets, code_object.firstlineno);
SAME(ptm_debug_offsets, code.co_code_adaptive, _Py_DebugOffsets, code_object.co_code_adaptive);
#endif

#if PY_VERSION_HEX >= 0x030E0000
SAME(ptm_pyframe, stackpointer, _PyInterpreterFrame, stackpointer);
_Static_assert((int)PTM_OWNED_BY_INTERPRETER == (int)FRAME_OWNED_BY_INTERPRETER, "owners");
_Static_assert((Py_TAG_BITS & ~PTM_STACKREF_TAG) == 0, "the tag of a stack reference");
#endif
#if PY_VERSION_HEX >= 0x030E0000 && defined(Py_GIL_DISABLED)
SAME(ptm_pyframe, tlbc_index, _PyInterpreterFrame, tlbc_index);
SAME(ptm_debug_offsets, frame.tlbc_index, _Py_DebugOffsets, interpreter_frame.tlbc_index);
SAME(ptm_debug_offsets, code.co_tlbc, _Py_DebugOffsets, code_object.co_tlbc);
#endif

/* The first word before an object that may have everything: the block begins there. */
#ifdef Py_GIL_DISABLED
_Static_assert(MANAGED_WEAKREF_OFFSET == -2 * (Py_ssize_t)sizeof(void *), "before an object");
#elif PY_VERSION_HEX >= 0x030C0000
_Static_assert(MANAGED_WEAKREF_OFFSET == -4 * (Py_ssize_t)sizeof(void *), "before an object");
#endif

/* 3.11 has its pools in no header. */
#if PY_VERSION_HEX >= 0x030C0000 && defined(PTM_HAS_POOLS)
SAME(ptm_pool, in_use, struct pool_header, ref.count);
SAME(ptm_pool, first, struct pool_header, freeblock);
SAME(ptm_pool, next, struct pool_header, nextpool);
SAME(ptm_pool, previous, struct pool_header, prevpool);
SAME(ptm_pool, size_class, struct pool_header, szidx);
SAME(ptm_pool, next_offset, struct pool_header, nextoffset);
SAME(ptm_pool, last_offset, struct pool_header, maxnextoffset);
_Static_assert(sizeof(ptm_pool) == POOL_OVERHEAD && PTM_POOL_BYTES == POOL_SIZE
                   && PTM_POOL_CLASSES == NB_SMALL_SIZE_CLASSES
                   && PTM_POOL_CLASS_BITS == ALIGNMENT_SHIFT,
               "pools");
#endif

/* Looked for among the first 8192 bytes (ptm_allocators.c), by word. */
#if PY_VERSION_HEX >= 0x030C0000
#define STANDARD(domain) offsetof(_PyRuntimeState, allocators.standard.domain)
_Static_assert(STANDARD(obj) + sizeof(PyMemAllocatorEx) <= 8192 && STANDARD(raw) % 8 == 0
                   && STANDARD(mem) == STANDARD(raw) + sizeof(PyMemAllocatorEx)
                   && STANDARD(obj) == STANDARD(mem) + sizeof(PyMemAllocatorEx),
               "the allocators");
#endif
