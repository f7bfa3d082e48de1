/* SPDX-License-Identifier: MIT
 *
 * ptm_shadow - the table parallel to the heap: the address of a block -> 32 bits (a site id and
 * marks, ptm_blocks).
 *
 * How       an address of 48 bits, and what lies behind it:
 *
 *               47          34 33            14 13             0
 *              +--------------+----------------+----------------+
 *              |  root (16384)| wing (1048576) | place in region|
 *              +--------------+----------------+----------------+
 *
 *           A region is 16 kB of heap. Its word in the wing says where its row of entries is, and
 *           how many bytes of heap are for one entry (a power of 2, of which the low bits have the
 *           exponent). A plain row has an entry for each 16 bytes and can hold any block. A packed
 *           row is of a region with blocks of one size in it, a pool of the interpreter's
 *           allocator (ptm_shadow_rows): of them no two meet in an entry.
 *
 *           The root is static, wings (12 MB of addresses for 16 GiB of heap) and leaves (2 MB of
 *           them: the plain rows of 8 MiB) are mapped when first written, so nothing large is
 *           reserved and it starts where address space is scarce. Three loads, of which two are
 *           nearly always cached.
 * Threads   No lock on entries: two live blocks never share an address, and an entry is removed
 *           before the real free. A new wing, leaf or plain row is published by compare-and-swap.
 *           Wings and leaves stay mapped for good: `clear` gives their memory back but not their
 *           addresses, so a thread that looks at the same moment reads zero. A packed row is
 *           written in a lane only, which keeps `clear` out, and comes and goes by the hand of who
 *           has the main interpreter's GIL.
 * Failure   `slot` answers NULL: no memory, or an address that cannot be here (odd, or beyond 48
 *           bits)
 */
#ifndef PTM_SHADOW_H
#define PTM_SHADOW_H

#include "base/ptm_atomic.h"
#include "base/ptm_mem.h"

#define PTM_SHADOW_GRANULE 16u
#define PTM_SHADOW_PLAIN 4u /* the exponent of a plain row */
#define PTM_SHADOW_REGION_BITS 14
#define PTM_SHADOW_REGION_BYTES ((uintptr_t)1 << PTM_SHADOW_REGION_BITS)
#define PTM_SHADOW_POOL_HEAD 48u      /* bytes of a pool before its first block */
#define PTM_SHADOW_POOLED 0x20000000u /* a mark of entries (ptm_blocks) */
#define PTM_SHADOW_LEAF_BITS 19
#define PTM_SHADOW_LEAVES_BITS 11
#define PTM_SHADOW_WING_BITS 20
#define PTM_SHADOW_ROOT_BITS 14

typedef struct {
    uint32_t entries[1 << PTM_SHADOW_LEAF_BITS];
} ptm_shadow_leaf;

typedef struct ptm_shadow_wing {
    uintptr_t regions[1 << PTM_SHADOW_WING_BITS]; /* 0: no row yet */
    uint32_t grids[1 << PTM_SHADOW_WING_BITS];    /* 0: any multiple of 16 (ptm_shadow_begins) */
    ptm_shadow_leaf *leaves[1 << PTM_SHADOW_LEAVES_BITS];
    struct ptm_shadow_wing *next;
} ptm_shadow_wing;

PTM_EXTERN ptm_shadow_wing *ptm_shadow_root[1 << PTM_SHADOW_ROOT_BITS];

/* Of an address. */
#define PTM_SHADOW_ROOT_OF(a) ((a) >> (PTM_SHADOW_REGION_BITS + PTM_SHADOW_WING_BITS))
#define PTM_SHADOW_REGION_OF(a) ((a) >> PTM_SHADOW_REGION_BITS & ((1u << PTM_SHADOW_WING_BITS) - 1))
#define PTM_SHADOW_PLACE_OF(a) ((uint32_t)((a) & (PTM_SHADOW_REGION_BYTES - 1)))

/* Of a region's word. */
#define PTM_SHADOW_EXPONENT_BITS ((uintptr_t)63)
#define PTM_SHADOW_EXPONENT(region) ((uint32_t)((region) & PTM_SHADOW_EXPONENT_BITS))
#define PTM_SHADOW_ROW(region) ((uint32_t *)((region) & ~PTM_SHADOW_EXPONENT_BITS))

/* The wing that most blocks lie in: one step less than by the root. Set once, `root` last. */
typedef struct {
    uintptr_t root; /* beyond the root: not set yet */
    ptm_shadow_wing *wing;
} ptm_shadow_near;

PTM_EXTERN ptm_shadow_near ptm_shadow_home;

/* Whether a block at this address has its entry here, and not in the blockmap. */
static PTM_ALWAYS_INLINE bool
ptm_shadow_takes(uintptr_t address)
{
    return PTM_LIKELY(address % PTM_SHADOW_GRANULE == 0)
           && PTM_LIKELY(PTM_SHADOW_ROOT_OF(address) < PTM_ARRAY_LEN(ptm_shadow_root));
}

/* NULL: there is none, or the address is too high. */
static PTM_ALWAYS_INLINE ptm_shadow_wing *
ptm_shadow_wing_of(uintptr_t address)
{
    uintptr_t root = PTM_SHADOW_ROOT_OF(address);
    if (PTM_LIKELY(root == PTM_LOAD_ACQUIRE(&ptm_shadow_home.root))) {
        ptm_shadow_wing *home = PTM_LOAD(&ptm_shadow_home.wing);
        if (home == NULL) {
            __builtin_unreachable(); /* so nobody asks again */
        }
        return home;
    }
    bool reaches = PTM_LIKELY(root < PTM_ARRAY_LEN(ptm_shadow_root));
    return reaches ? PTM_LOAD_ACQUIRE(&ptm_shadow_root[root]) : NULL;
}

/* The word of the region an address lies in; 0: no row. */
static PTM_ALWAYS_INLINE uintptr_t
ptm_shadow_region(uintptr_t address)
{
    ptm_shadow_wing *wing = ptm_shadow_wing_of(address);
    bool there = PTM_LIKELY(wing != NULL);
    return there ? PTM_LOAD_ACQUIRE(&wing->regions[PTM_SHADOW_REGION_OF(address)]) : 0;
}

static PTM_ALWAYS_INLINE uint32_t *
ptm_shadow_entry(uintptr_t region, uintptr_t address)
{
    uint32_t *entry = &PTM_SHADOW_ROW(region)[PTM_SHADOW_PLACE_OF(address) >> (region & 31)];
    if (entry == NULL) {
        __builtin_unreachable(); /* so who asks whether there is one asks for the row alone */
    }
    return entry;
}

/* The entry of a block that may never have been written: NULL then. */
static PTM_ALWAYS_INLINE uint32_t *
ptm_shadow_peek(uintptr_t block)
{
    uintptr_t region = ptm_shadow_region(block);
    return PTM_LIKELY(region != 0) ? ptm_shadow_entry(region, block) : NULL;
}

/* The same of a new block, of which the row may have an entry for so many bytes at most (a power of
 * 2): NULL also if it has fewer. */
static PTM_ALWAYS_INLINE uint32_t *
ptm_shadow_peek_new(uintptr_t block, uint32_t exponent)
{
    uintptr_t region = ptm_shadow_region(block);
    bool fits = PTM_SHADOW_EXPONENT(region) - PTM_SHADOW_PLAIN <= exponent - PTM_SHADOW_PLAIN;
    return PTM_LIKELY(fits) ? ptm_shadow_entry(region, block) : NULL;
}

/* The largest power of 2 that is not above the bytes of a small block in its pool. */
static PTM_ALWAYS_INLINE uint32_t
ptm_shadow_exponent(size_t size)
{
    uint32_t granules = (uint32_t)((size - 1) / PTM_SHADOW_GRANULE) + 1;
    return PTM_SHADOW_PLAIN + (31u ^ (uint32_t)__builtin_clz(granules));
}

/* Whether a block can begin at this address: in a packed region one of the pool's. With n granules
 * to a block a grid is 2^32 / n, rounded up, and m is a multiple of n if m times it, modulo 2^32,
 * is below it (Lemire, Kaser, Kurz: Faster Remainder by Direct Computation, 2019). */
static PTM_ALWAYS_INLINE bool
ptm_shadow_begins(uint32_t grid, uintptr_t address)
{
    uint32_t place = PTM_SHADOW_PLACE_OF(address) / PTM_SHADOW_GRANULE;
    return (place - PTM_SHADOW_POOL_HEAD / PTM_SHADOW_GRANULE) * grid <= grid - 1;
}

/* The entry of any address; NULL: no block begins there that was ever written. */
static PTM_ALWAYS_INLINE uint32_t *
ptm_shadow_find(uintptr_t address)
{
    ptm_shadow_wing *wing = ptm_shadow_wing_of(address);
    if (PTM_UNLIKELY(wing == NULL)) {
        return NULL;
    }
    uintptr_t region = PTM_LOAD_ACQUIRE(&wing->regions[PTM_SHADOW_REGION_OF(address)]);
    uint32_t grid = PTM_LOAD(&wing->grids[PTM_SHADOW_REGION_OF(address)]);
    bool begins = PTM_LIKELY(region != 0) && PTM_LIKELY(ptm_shadow_begins(grid, address));
    return begins ? ptm_shadow_entry(region, address) : NULL;
}

/* The entry of a block, with a row if need be: `bytes` is what a block takes of the pool that it
 * lies in. 0: it may lie in none, and the row is a plain one then. */
uint32_t *ptm_shadow_slot(uintptr_t block, uint32_t bytes);

static PTM_ALWAYS_INLINE bool
ptm_shadow_is_packed(uintptr_t address)
{
    return PTM_SHADOW_EXPONENT(ptm_shadow_region(address)) > PTM_SHADOW_PLAIN;
}

/* A pool of blocks of so many bytes has begun, or may have: what row there is of another is no
 * more. */
void ptm_shadow_begin_pool(uintptr_t block, uint32_t bytes);
/* The pool around a block is about to end: what is there next may be anything. */
void ptm_shadow_end_pool(uintptr_t block);

void ptm_shadow_clear(void);
void ptm_shadow_visit(ptm_mem_visit visit, void *arg);

#endif
