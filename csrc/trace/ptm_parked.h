/* SPDX-License-Identifier: MIT
 *
 * ptm_parked - blocks of code objects that died, kept a little longer than the program wanted.
 *
 * How       A window is known by its instruction pointers, so what is known must be looked at again
 *           (the code age rises) before the address of a dead code object may come back with other
 *           code in it. To do that at each death is dear: an import kills one or two. So the blocks
 *           wait here, out of use and out of the books, and go back together: one rise of the age
 *           for all of them.
 * Bounds    PTM_MOST_PARKED blocks, and about PTM_MOST_PARKED_BYTES; none while the interpreter
 *           ends
 * Threads   `add` by attached threads of the main interpreter; `release` does something on such
 *           only. A small lock of its own, under which nothing else is done
 * Failure   none
 */
#ifndef PTM_PARKED_H
#define PTM_PARKED_H

#include "pyver/ptm_frames.h"

#define PTM_MOST_PARKED 256u
#define PTM_MOST_PARKED_BYTES (512u << 10)

/* Instead of below->free: the block is that of a code object. */
void ptm_parked_add(const PyMemAllocatorEx *below, void *block);
/* Gives back what waits here, to where each block came from. */
void ptm_parked_release(void);
/* Around fork. */
void ptm_parked_lock(void);
void ptm_parked_unlock(void);
/* By any thread: windows must be looked at again. */
void ptm_parked_raise_age(void);

#endif
