/* SPDX-License-Identifier: MIT
 *
 * ptm_shadow - the table parallel to the heap: the address of a block -> 32 bits (a site id and
 * marks, ptm_blocks).
 *
 * How       an address of 48 bits, a granule of 16 bytes:
 *
 *               47          34 33          23 22           4 3    0
 *              +--------------+--------------+--------------+------+
 *              |  root (16384)|  wing (2048) | leaf (524288)|  0   |
 *              +--------------+--------------+--------------+------+
 *
 *           The root is static, wings (16 kB) and leaves (2 MB of addresses, one for each 8 MiB of
 *           heap) are mapped when first written, so nothing large is reserved and it starts where
 *           address space is scarce. Three loads, of which two are nearly always cached.
 * Threads   No lock on entries: two live blocks never share an address, and an entry is removed
 *           before the real free. A new wing or leaf is published by compare-and-swap and stays
 *           mapped for good: `clear` gives its memory back but not its address, so a thread that
 *           looks at the same moment reads zero.
 * Failure   `slot` answers NULL: no memory, or an address that cannot be here (odd, or beyond 48
 *           bits)
 */
#ifndef PTM_SHADOW_H
#define PTM_SHADOW_H

#include "base/ptm_atomic.h"
#include "base/ptm_mem.h"

#define PTM_SHADOW_GRANULE 16u
#define PTM_SHADOW_LEAF_BITS 19
#define PTM_SHADOW_WING_BITS 11
#define PTM_SHADOW_ROOT_BITS 14

typedef struct {
    uint32_t entries[1 << PTM_SHADOW_LEAF_BITS];
} ptm_shadow_leaf;

typedef struct {
    ptm_shadow_leaf *leaves[1 << PTM_SHADOW_WING_BITS];
} ptm_shadow_wing;

PTM_EXTERN ptm_shadow_wing *ptm_shadow_root[1 << PTM_SHADOW_ROOT_BITS];

/* Of a granule's number. */
#define PTM_SHADOW_LEAF_OF(g) ((g) & ((1u << PTM_SHADOW_LEAF_BITS) - 1))
#define PTM_SHADOW_WING_OF(g) ((g) >> PTM_SHADOW_LEAF_BITS & ((1u << PTM_SHADOW_WING_BITS) - 1))
#define PTM_SHADOW_ROOT_OF(g) ((g) >> (PTM_SHADOW_LEAF_BITS + PTM_SHADOW_WING_BITS))

/* The number of the granule that begins here. Where none does it is beyond all of them, as it is
 * for an address that is too high: one rotation and one comparison tell. */
static PTM_ALWAYS_INLINE uint64_t
ptm_shadow_granule(uintptr_t address)
{
    return address / PTM_SHADOW_GRANULE | address << 60;
}

/* Whether a block at this address has its entry here, and not in the blockmap. */
static PTM_ALWAYS_INLINE bool
ptm_shadow_takes(uintptr_t address)
{
    return PTM_SHADOW_ROOT_OF(ptm_shadow_granule(address)) < 1u << PTM_SHADOW_ROOT_BITS;
}

uint32_t *ptm_shadow_slot_slow(uintptr_t address);
void ptm_shadow_clear(void);
void ptm_shadow_visit(ptm_mem_visit visit, void *arg);

/* The entry of an address that may never have been written: NULL then. */
static PTM_ALWAYS_INLINE uint32_t *
ptm_shadow_peek(uintptr_t address)
{
    uint64_t granule = ptm_shadow_granule(address);
    ptm_shadow_wing *wing = PTM_LOAD_ACQUIRE(&ptm_shadow_root[PTM_SHADOW_ROOT_OF(granule)]);
    ptm_shadow_leaf *leaf = PTM_LIKELY(wing != NULL)
                                ? PTM_LOAD_ACQUIRE(&wing->leaves[PTM_SHADOW_WING_OF(granule)])
                                : NULL;
    return PTM_LIKELY(leaf != NULL) ? &leaf->entries[PTM_SHADOW_LEAF_OF(granule)] : NULL;
}

/* The entry of an address, mapped if need be. */
static PTM_ALWAYS_INLINE uint32_t *
ptm_shadow_slot(uintptr_t address)
{
    uint32_t *slot = ptm_shadow_peek(address);
    return PTM_LIKELY(slot != NULL) ? slot : ptm_shadow_slot_slow(address);
}

#endif
