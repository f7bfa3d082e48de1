/* SPDX-License-Identifier: MIT
 *
 * ptm_newref - be told when an object comes to life, also one whose memory was waiting in a free
 * list.
 *
 * How       PyRefTracer (3.13 and later); a tracer that was there before is called after ours, and
 *           is put back on removal if nobody replaced ours since. On 3.15 that holds for the
 *           interpreter's own only: any other was told that it is replaced, and may have given up
 *           what it needs.
 * Threads   install and remove: attached, one at a time (ptm_turn). The callback: attached, any
 *           interpreter.
 * Failure   where the interpreter has no such hook (3.11, 3.12) nothing happens
 */
#ifndef PTM_NEWREF_H
#define PTM_NEWREF_H

#include <Python.h>

#include "base/ptm_atomic.h"
#include "base/ptm_base.h"

/* The block that the calling thread was given last: an object that comes to life on it is no news,
 * once. */
typedef struct {
    uintptr_t block;
    size_t bytes; /* 0: none, or its object has come already */
} ptm_newest_block;

PTM_EXTERN_THREAD_LOCAL ptm_newest_block ptm_newest;

/* `created` hears of every object but those on the newest block; it answers 0, as a PyRefTracer. */
void ptm_newref_install(int (*created)(PyObject *object));
void ptm_newref_remove(void);

#endif
