/* SPDX-License-Identifier: MIT
 *
 * ptm_blockmap - the hash map for blocks that cannot be in the shadow: odd addresses, addresses
 * beyond 48 bits, other domains than 0.
 *
 * Threads   its own lock: any thread
 * Failure   put answers false: no memory
 * Cost      a lock and a probe
 */
#ifndef PTM_BLOCKMAP_H
#define PTM_BLOCKMAP_H

#include "base/ptm_base.h"
#include "base/ptm_mem.h"

/* A block is known by its domain's number and its address. Gives the entry that was there before in
 * *old (0: none). */
bool ptm_blockmap_put(uint32_t domain, uintptr_t address, uint32_t entry, uint32_t *old);
uint32_t ptm_blockmap_get(uint32_t domain, uintptr_t address);
uint32_t ptm_blockmap_take(uint32_t domain, uintptr_t address); /* removes it */
/* Around a fork. */
void ptm_blockmap_lock(void);
void ptm_blockmap_unlock(void);
void ptm_blockmap_clear(void);
void ptm_blockmap_visit(ptm_mem_visit visit, void *arg);

#endif
