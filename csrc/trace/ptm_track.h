/* SPDX-License-Identifier: MIT
 *
 * ptm_track - PyTraceMalloc_Track and PyTraceMalloc_Untrack: blocks that extensions tell of, in a
 * domain of their own.
 *
 * How       While we trace, calls of the two (and of the function that asks for such a block) come
 *           here (ptm_redirect). Core's own functions are called as well while core's tracer is on,
 *           and instead of ours when we are off.
 * Threads   install, remove: one at a time (ptm_turn). The rest: anybody, with or without a GIL;
 *           events go to the raw lane
 * Failure   Track answers -1 and a loss is counted; what was tracked there stays
 * Cost      the books lock, a walk, a probe
 */
#ifndef PTM_TRACK_H
#define PTM_TRACK_H

#include "pyver/ptm_frames.h"

void ptm_track_install(void);
void ptm_track_remove(void);

/* The site of a block of any domain; 0: not traced. Under the books lock. */
ptm_site_id ptm_track_find(uint32_t domain, uintptr_t address);

/* Answers _PyTraceMalloc_GetTraceback with a new reference, or NULL and an exception; called with
 * the GIL. */
typedef PyObject *ptm_track_answer(unsigned domain, uintptr_t address);
/* Who makes objects of our traces. Once, before the first install. */
void ptm_track_use(ptm_track_answer *answer);
/* What core answers: None unless its tracer has the block. */
PyObject *ptm_track_ask_core(unsigned domain, uintptr_t address);

#endif
