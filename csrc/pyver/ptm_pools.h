/* SPDX-License-Identifier: MIT
 *
 * ptm_pools - is there pymalloc below the hooks, and does it do with its pools what ptm_pool does?
 *
 * How       Pools are laid out alike in 3.11 to 3.15. But it is not believed: `find` foresees what
 *           the allocator will do in each class, and watches it do so. If anything is different, or
 *           another allocator is there, nothing is ever taken from a pool.
 * Threads   attached, one at a time; to the main interpreter if anything is to be found
 * Failure   none: the rings to take from are empty ones then
 */
#ifndef PTM_POOLS_H
#define PTM_POOLS_H

#include "pyver/ptm_frames.h"
#include "pyver/ptm_pool.h"

/* Before the hooks are put in: watches what is there now, if that is pymalloc. Else what was
 * watched last is still true of it: it may lie below somebody who came on top. */
void ptm_pools_find(void);
/* What lies below the hooks of two domains: blocks are taken here if both are what was found. */
void ptm_pools_use(const PyMemAllocatorEx *mem, const PyMemAllocatorEx *obj);
/* For tests. */
bool ptm_pools_used(void);

#endif
