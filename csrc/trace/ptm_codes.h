/* SPDX-License-Identifier: MIT
 *
 * ptm_codes - from an instruction pointer to a frame, for the code objects that live now.
 *
 * How       An instruction is decoded (file, line, name, columns) when it is first seen, once per
 *           distinct one, and the result does not depend on the code object any more. No reference
 *           is held. The block of the code object is marked in the shadow, so the free hook tells
 *           when it goes (`ptm_codes_died`): the pairs are forgotten, and before the address can
 *           come back the code age must rise (ptm_parked).
 * Threads   under the intern lock; the code object must be on the calling thread's stack
 * Failure   id 0: no memory
 */
#ifndef PTM_CODES_H
#define PTM_CODES_H

#include "pyver/ptm_frames.h"
#include "trace/ptm_names.h"

ptm_frame_id ptm_codes_frame(const PyCodeObject *code, uintptr_t ip);
/* Sees to it that the death of this code object will be heard: whoever remembers something of its
 * instructions must. False: no memory. */
bool ptm_codes_know(const PyCodeObject *code);
/* The frame "<unknown>":0. */
ptm_frame_id ptm_codes_unknown(void);
/* Whether this code object was known. */
bool ptm_codes_died(const void *code);

void ptm_codes_clear(void);
void ptm_codes_visit(ptm_mem_visit visit, void *arg);

#endif
