/* SPDX-License-Identifier: MIT
 *
 * ptm_elsewhere - events that are not the main lane's: each thread has a lane of its own for them
 * (ptm_lanes), and where none is to be had, and for the raw domain of builds with a GIL, there is
 * the raw lane, behind the books lock.
 *
 * Threads   any
 * Failure   as ptm_record
 */
#ifndef PTM_ELSEWHERE_H
#define PTM_ELSEWHERE_H

#include "trace/ptm_record.h"

/* The calling thread is attached, and `tstate` its state. */
void ptm_elsewhere_alloc(const PyThreadState *tstate, void *block, size_t size, uint64_t key);
/* Whether it was a known code object's, and must be parked. */
bool ptm_elsewhere_free(const void *block);
ptm_taken ptm_elsewhere_take(const void *block);
void ptm_elsewhere_realloc(const PyThreadState *tstate, ptm_taken taken, void *block, size_t size);
void ptm_elsewhere_object(const PyThreadState *tstate, const PyObject *object, uint64_t key);

/* Around events of the raw lane that others have to tell. False: not tracing, and the lock is not
 * held. */
bool ptm_elsewhere_enter_raw(void);
void ptm_elsewhere_leave_raw(void);
/* Of the calling thread, if its frames may be read; while the thread is in its lane or has the
 * lock, so that who sets `leaving` waits for those who read them. */
const PyThreadState *ptm_elsewhere_tstate(void);

#endif
