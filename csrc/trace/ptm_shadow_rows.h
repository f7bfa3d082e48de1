/* SPDX-License-Identifier: MIT
 *
 * ptm_shadow_rows - memory for the packed rows of the shadow: 128 bytes to 2 kB each, a power of 2.
 *
 * How       Rows are cut from slabs, one after the other; one that comes back waits in a list of
 *           its size. Each slab is twice as large as the one before, so 26 are always enough.
 * Threads   in a lane, with the main interpreter's GIL, or while all is frozen
 * Failure   NULL: no memory
 */
#ifndef PTM_SHADOW_ROWS_H
#define PTM_SHADOW_ROWS_H

#include "base/ptm_mem.h"

/* All zero. */
uint32_t *ptm_shadow_rows_new(uint32_t bytes);
/* All zero again. */
void ptm_shadow_rows_drop(uint32_t *row, uint32_t bytes);
/* None is in use any more. */
void ptm_shadow_rows_clear(void);
void ptm_shadow_rows_visit(ptm_mem_visit visit, void *arg);

#endif
