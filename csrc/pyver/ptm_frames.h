/* SPDX-License-Identifier: MIT
 *
 * ptm_frames - the contract of what differs between CPython versions, and the only door to private
 * structs.
 *
 * Each frames_3XX.h is one whole layout, read against the tag it names. It gives, as static inlines
 * that read plain memory (no call into Python, no reference counted, no lock):
 *
 *   ptm_pyframe                          the fields we rely on, at their offsets
 *   ptm_offsets_agree()                  what the interpreter publishes of its own layout, where it
 *                                        does, says the same
 *   ptm_tstate_attached()                the calling thread's state if it is attached to an
 *                                        interpreter, else NULL
 *   ptm_tstate_main(interp)              the same, in fewer instructions, if it holds the GIL of
 *                                        this main interpreter
 *   ptm_tstate_of_thread()               the same for callers who may hold no GIL: also a detached
 *                                        thread's own state
 *   ptm_is_finalizing()                  the interpreter frees what threads have
 *   ptm_tstate_if_attached()             for the same callers; NULL if the thread is detached, even
 *                                        if its state has been freed
 *   ptm_tstate_in_lane(tstate, interp)   no other thread with a state like this one runs at the
 *                                        same time
 *   ptm_frame_top(tstate)                the most recent frame, complete or not; NULL: none
 *   ptm_frame_previous(frame)            the caller's
 *   ptm_frame_ip(frame)                  where it is: a pointer into the code object, unique while
 *                                        that lives
 *   ptm_frame_mark(frame)                two frames with one mark are at the same instruction, and
 *                                        both complete, or both incomplete; below 2^62, and even if
 *                                        there is a place of shims, where it is the ip
 *   ptm_frame_is_entry(frame)            a shim on the C stack: has no code object to ask
 *   ptm_mark_is_entry(mark)              the same, where the mark tells; else the versions define
 *                                        PTM_SHIMS_HAVE_A_PLACE (ptm_shims)
 *   ptm_frame_is_bottom(frame)           an entry that every stack of its thread ends with
 *   ptm_frame_is_incomplete(frame)       being pushed, or a shim: no line of the program is running
 *                                        in it
 *   ptm_frame_code(frame)                its code object (not for entries)
 *   ptm_code_offset(code, ip)            byte offset of the instruction, as PyCode_Addr2Line takes
 *                                        it
 *   ptm_code_bytes(code)                 the size of its block, roughly
 *   ptm_code_is_shim(code)               no instruction of it is ever complete; with
 *                                        PTM_SHIMS_HAVE_A_PLACE
 *   ptm_depth_counted(tstate)            pushed frames by the interpreter's own counter, entries
 *                                        left out; with PTM_COUNTS_C_CALLS calls of C functions
 *                                        are in the same number
 *   ptm_eval_place(tstate)               with PTM_COUNTS_C_CALLS: where on the C stack the eval
 *                                        loop under way began
 *   ptm_bytes_before(type)               what a block holds before its object
 *   PTM_FREE_LISTED, _UNSIZED            types whose objects wait in free lists (ptm_listed), and
 *                                        the one whose sizes differ; not where nobody is told when
 *                                        they come to life
 *
 * Threads   a thread's frames may be read by that thread only, attached or not
 * Failure   none; the layout is checked once, at import (ptm_selftest)
 */
#ifndef PTM_FRAMES_H
#define PTM_FRAMES_H

#include <Python.h>

#include <string.h>

#include "base/ptm_atomic.h"
#include "base/ptm_base.h"
#include "os/ptm_os.h"

#if !defined(__GLIBC__) || !(defined(__x86_64__) || defined(__aarch64__))
#error "pytracemalloc: Linux with glibc on x86-64 or aarch64 only"
#endif
#if defined(PYPY_VERSION) || defined(GRAALVM_PYTHON)
#error "pytracemalloc: CPython only"
#endif
/* meson.build says so to all files; those without Python.h must agree with the others. */
#if defined(Py_GIL_DISABLED) != defined(PTM_FREE_THREADED)
#error "pytracemalloc: PTM_FREE_THREADED is for free-threaded builds, and only for them"
#endif

#define PTM_UNIT_BYTES 2 /* a code unit */

#define PTM_OFFSET_IS(type, field, offset)            \
    _Static_assert(offsetof(type, field) == (offset), \
                   #type "." #field " moved: read this CPython's frame layout again")

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
#include "pyver/frames_311.h"
#elif PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
#include "pyver/frames_312.h"
#elif PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000
#ifdef Py_GIL_DISABLED
#include "pyver/frames_313t.h"
#else
#include "pyver/frames_313.h"
#endif
#elif PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x030F0000
#ifdef Py_GIL_DISABLED
#include "pyver/frames_314t.h"
#else
#include "pyver/frames_314.h"
#endif
#elif PY_VERSION_HEX >= 0x030F0000 && PY_VERSION_HEX < 0x03100000
#ifdef Py_GIL_DISABLED
#include "pyver/frames_315t.h"
#else
#include "pyver/frames_315.h"
#endif
#else
#error "pytracemalloc: this CPython version is not supported (3.11 to 3.15 are)"
#endif

/* Where the block of an object starts. */
static inline const void *
ptm_object_block(const PyObject *object)
{
    return (const char *)object - ptm_bytes_before(Py_TYPE(object));
}

#endif
