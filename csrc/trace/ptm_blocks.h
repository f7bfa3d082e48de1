/* SPDX-License-Identifier: MIT
 *
 * ptm_blocks - where is the site id of this block of domain 0? The one door to the shadow and to
 * what the blockmap has of that domain.
 *
 * A store below the hooks (a heap of our own, docs/design/shadow.md) would put its own answer here
 * and nowhere else.
 *
 * An entry is 32 bits:
 *
 *      31   30     29     28                       0
 *     +----+-----+------+--------------------------+
 *     |code|large|pooled|  site id; 0: not traced  |
 *     +----+-----+------+--------------------------+
 *
 * Whoever reads an entry may go on to the site it names: entries are written with release and read
 * with acquire.
 *
 * code: the block holds a code object that the stacks know: when it is freed they must hear of it.
 * The mark may stand on a block that is not traced, since it was allocated before tracing started.
 *
 * large: it came in a thread's lane, and is so large that its end is booked at once
 * (PTM_LARGE_BYTES).
 *
 * pooled: it lies in a pool of the interpreter's allocator for certain, and the hook may put it
 * back (ptm_pools). On traced blocks only.
 */
#ifndef PTM_BLOCKS_H
#define PTM_BLOCKS_H

#include "pyver/ptm_pool.h"
#include "trace/ptm_blockmap.h"
#include "trace/ptm_shadow.h"

#define PTM_ENTRY_CODE 0x80000000u
#define PTM_ENTRY_LARGE 0x40000000u
#define PTM_ENTRY_POOLED PTM_SHADOW_POOLED
#define PTM_ENTRY_MARKS (PTM_ENTRY_CODE | PTM_ENTRY_LARGE | PTM_ENTRY_POOLED)
#define PTM_ENTRY_SITE 0x1fffffffu

#ifdef PTM_HAS_POOLS
_Static_assert(PTM_SHADOW_REGION_BYTES == PTM_POOL_BYTES, "a pool is a region");
_Static_assert(PTM_SHADOW_POOL_HEAD == sizeof(ptm_pool), "its first block follows its head");
#endif

/* Whether the block's row is one for a pool. */
static PTM_ALWAYS_INLINE bool
ptm_blocks_is_packed(const void *block)
{
    return ptm_shadow_is_packed((uintptr_t)block);
}

/* Of a block with such an entry; 0: it is not known to lie in a pool. */
static PTM_ALWAYS_INLINE uint32_t
ptm_blocks_pool_bytes(const void *block, uint32_t entry)
{
    return entry & PTM_ENTRY_POOLED ? ptm_pools_block_bytes(block) : 0;
}

/* Writes the entry and gives the one that was there (not 0: the block before went without our
 * hearing of it). */
static PTM_ALWAYS_INLINE bool
ptm_blocks_put(const void *block, uint32_t entry, uint32_t *old)
{
    uintptr_t address = (uintptr_t)block;
    if (PTM_UNLIKELY(!ptm_shadow_takes(address))) {
        return ptm_blockmap_put(0, address, entry, old);
    }
    uint32_t *slot = ptm_shadow_peek_new(address, PTM_SHADOW_PLAIN);
    if (PTM_UNLIKELY(slot == NULL)) {
        slot = ptm_shadow_slot(address, ptm_blocks_pool_bytes(block, entry));
    }
    if (PTM_UNLIKELY(slot == NULL)) {
        return false;
    }
    *old = PTM_LOAD_ACQUIRE(slot);
    PTM_STORE_RELEASE(slot, entry);
    return true;
}

/* The entry of any address; NULL: not in the shadow, or not yet. */
static PTM_ALWAYS_INLINE uint32_t *
ptm_blocks_slot(const void *block)
{
    uintptr_t address = (uintptr_t)block;
    bool aligned = PTM_LIKELY(address % PTM_SHADOW_GRANULE == 0);
    return aligned ? ptm_shadow_find(address) : NULL;
}

/* An entry that is needed soon. */
static PTM_ALWAYS_INLINE uint32_t *
ptm_blocks_expected(uint32_t *slot)
{
    if (PTM_LIKELY(slot != NULL)) {
        __builtin_prefetch(slot, 1);
    }
    return slot;
}

/* The entry of what may be a block that is not new, asked for while there is other work to do. In a
 * lane. */
static PTM_ALWAYS_INLINE uint32_t *
ptm_blocks_expect(const void *block)
{
    return ptm_blocks_expected(ptm_blocks_slot(block));
}

/* The same of a new block, or one that was moved; NULL also where there is another kind of row. */
static PTM_ALWAYS_INLINE uint32_t *
ptm_blocks_expect_new(const void *block, size_t size, uint32_t marks)
{
    uintptr_t address = (uintptr_t)block;
    if (marks & PTM_ENTRY_POOLED) {
        uint32_t exponent = ptm_shadow_exponent(size);
        return ptm_blocks_expected(ptm_shadow_peek_new(address, exponent));
    }
    bool aligned = PTM_LIKELY(address % PTM_SHADOW_GRANULE == 0);
    return ptm_blocks_expected(aligned ? ptm_shadow_peek_new(address, PTM_SHADOW_PLAIN) : NULL);
}

static PTM_ALWAYS_INLINE uint32_t
ptm_blocks_take(const void *block)
{
    uintptr_t address = (uintptr_t)block;
    if (PTM_UNLIKELY(!ptm_shadow_takes(address))) {
        return ptm_blockmap_take(0, address);
    }
    uint32_t *slot = ptm_shadow_find(address);
    uint32_t entry = slot != NULL ? PTM_LOAD_ACQUIRE(slot) : 0;
    if (entry != 0) {
        PTM_STORE(slot, 0u);
    }
    return entry;
}

/* The same of a new block that was not recorded. A row that can hold no block of its kind is none
 * of its time: it goes, so that nothing there is taken for this block's. */
static inline uint32_t
ptm_blocks_take_lost(const void *block, uint32_t marks)
{
    if (ptm_blocks_is_packed(block)) {
        (void)ptm_shadow_slot((uintptr_t)block, ptm_blocks_pool_bytes(block, marks));
    }
    return ptm_blocks_take(block);
}

static PTM_ALWAYS_INLINE uint32_t
ptm_blocks_get(const void *block)
{
    uintptr_t address = (uintptr_t)block;
    if (PTM_UNLIKELY(!ptm_shadow_takes(address))) {
        return ptm_blockmap_get(0, address);
    }
    uint32_t *slot = ptm_shadow_find(address);
    return slot != NULL ? PTM_LOAD_ACQUIRE(slot) : 0;
}

/* Another site for a block that has an entry already; the marks stay. */
static PTM_ALWAYS_INLINE void
ptm_blocks_move(const void *block, uint32_t site_id)
{
    uint32_t entry = (ptm_blocks_get(block) & PTM_ENTRY_MARKS) | site_id, old;
    (void)ptm_blocks_put(block, entry, &old);
}

/* Takes all but the mark of a code object, which stays. */
static inline uint32_t
ptm_blocks_take_site(const void *block)
{
    uint32_t *slot = ptm_blocks_slot(block);
    uint32_t entry = slot != NULL ? PTM_LOAD_ACQUIRE(slot) : 0;
    if ((entry & PTM_ENTRY_SITE) != 0) {
        PTM_STORE(slot, entry & PTM_ENTRY_CODE);
    }
    return entry;
}

/* Marks the block of a code object; false: no memory. */
static inline bool
ptm_blocks_mark_code(const void *block)
{
    uint32_t *slot = ptm_blocks_slot(block);
    if (slot == NULL) {
        uint32_t old;
        return ptm_blocks_put(block, ptm_blocks_get(block) | PTM_ENTRY_CODE, &old);
    }
    PTM_STORE_RELEASE(slot, PTM_LOAD(slot) | PTM_ENTRY_CODE);
    return true;
}

#endif
