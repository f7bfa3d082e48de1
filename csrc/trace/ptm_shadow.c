/* SPDX-License-Identifier: MIT */
#include "trace/ptm_shadow.h"

#include "pyver/ptm_pool.h"
#include "trace/ptm_rows.h"

ptm_shadow_wing *ptm_shadow_root[1 << PTM_SHADOW_ROOT_BITS];
ptm_shadow_near ptm_shadow_home = {UINTPTR_MAX, NULL};

/* All there are: nobody looks through the root for the few that it has, and so maps all of it. */
static ptm_shadow_wing *wings;

/* -- maps -------------------------------------------------------------------------------------- */

/* What *place points to, mapped and published if it is not there; the loser of a race gives its
 * pages back. */
static void *
mapped_at(void **place, size_t bytes, bool *is_fresh)
{
    void *there = PTM_LOAD_ACQUIRE(place);
    *is_fresh = false;
    if (there != NULL) {
        return there;
    }
    void *fresh = ptm_mem_map(bytes);
    if (fresh != NULL && !PTM_COMPARE_EXCHANGE(place, &there, fresh)) {
        ptm_mem_unmap(fresh, bytes);
        return there;
    }
    *is_fresh = fresh != NULL;
    return fresh;
}

static void
list_wing(ptm_shadow_wing *wing)
{
    wing->next = PTM_LOAD_ACQUIRE(&wings);
    while (!PTM_COMPARE_EXCHANGE(&wings, &wing->next, wing)) {
    }
}

static ptm_shadow_wing *
wing_of(uintptr_t address)
{
    bool is_fresh;
    void **place = (void **)&ptm_shadow_root[PTM_SHADOW_ROOT_OF(address)];
    ptm_shadow_wing *wing = mapped_at(place, sizeof(ptm_shadow_wing), &is_fresh);
    if (is_fresh) {
        list_wing(wing);
    }
    return wing;
}

/* The word of a region with a plain row; 0: no memory. The row has its fixed place in the leaf, so
 * it does not matter who is first. */
static uintptr_t
plain_region(ptm_shadow_wing *wing, uintptr_t address)
{
    size_t region = PTM_SHADOW_REGION_OF(address);
    size_t regions = PTM_ARRAY_LEN(wing->regions) / PTM_ARRAY_LEN(wing->leaves);
    size_t row = PTM_SHADOW_REGION_BYTES / PTM_SHADOW_GRANULE;
    bool is_fresh;
    void **place = (void **)&wing->leaves[region / regions];
    ptm_shadow_leaf *leaf = mapped_at(place, sizeof(ptm_shadow_leaf), &is_fresh);
    return leaf == NULL ? 0 : (uintptr_t)&leaf->entries[region % regions * row] | PTM_SHADOW_PLAIN;
}

/* -- packed rows ------------------------------------------------------------------------------- */

/* The largest power of 2 that is not above it. */
static uint32_t
exponent_of(uint32_t bytes)
{
    return 31 - (uint32_t)__builtin_clz(bytes);
}

static uint32_t
row_entries(uint32_t exponent)
{
    return (uint32_t)(PTM_SHADOW_REGION_BYTES >> exponent);
}

/* Of a packed region. */
static uint32_t
block_bytes(const ptm_shadow_wing *wing, uintptr_t address)
{
    return wing->granules[PTM_SHADOW_REGION_OF(address)] * PTM_SHADOW_GRANULE;
}

/* Whether one of the pool's blocks begins here. */
static bool
is_block(const ptm_shadow_wing *wing, uintptr_t address)
{
    uint32_t place = PTM_SHADOW_PLACE_OF(address);
    uint32_t bytes = block_bytes(wing, address); /* 0: it has just been cleared */
    return bytes != 0 && place >= PTM_SHADOW_POOL_HEAD
           && (place - PTM_SHADOW_POOL_HEAD) % bytes == 0;
}

/* Where the only block begins that can have the i-th entry of a packed row. */
static uint32_t
place_of_entry(uint32_t i, uint32_t exponent, uint32_t bytes)
{
    uint32_t lowest = i << exponent;
    uint32_t before = lowest > PTM_SHADOW_POOL_HEAD ? lowest - PTM_SHADOW_POOL_HEAD : 0;
    return PTM_SHADOW_POOL_HEAD + (before + bytes - 1) / bytes * bytes;
}

static uintptr_t
packed_region(ptm_shadow_wing *wing, uintptr_t address, uint32_t bytes)
{
    uint32_t exponent = exponent_of(bytes);
    uint32_t *row = ptm_rows_new(row_entries(exponent) * sizeof(*row));
    if (row == NULL) {
        return 0;
    }
    wing->granules[PTM_SHADOW_REGION_OF(address)] = (uint8_t)(bytes / PTM_SHADOW_GRANULE);
    return (uintptr_t)row | exponent;
}

/* The same with a plain row: every entry goes to its block's place there. 0: no memory. The row of
 * before is not used again until all is cleared, since this may be any lane. */
static uintptr_t
unpack(ptm_shadow_wing *wing, uintptr_t region, uintptr_t address)
{
    uint32_t exponent = PTM_SHADOW_EXPONENT(region), bytes = block_bytes(wing, address);
    uintptr_t plain = plain_region(wing, address);
    for (uint32_t i = 0; i < row_entries(exponent) && plain != 0; i++) {
        uint32_t entry = PTM_SHADOW_ROW(region)[i];
        if (entry != 0) {
            *ptm_shadow_entry(plain, place_of_entry(i, exponent, bytes)) = entry;
        }
    }
    return plain;
}

/* -- rows for new blocks ----------------------------------------------------------------------- */

/* Whether a block can have its entry in the row that is there. */
static bool
suits(const ptm_shadow_wing *wing, uintptr_t region, uintptr_t block, uint32_t bytes)
{
    return PTM_SHADOW_EXPONENT(region) == PTM_SHADOW_PLAIN
           || (is_block(wing, block) && (bytes == 0 || bytes == block_bytes(wing, block)));
}

/* The word that a region is to have. */
static uintptr_t
region_for(ptm_shadow_wing *wing, uintptr_t region, uintptr_t block, uint32_t bytes)
{
    if (region != 0) {
        return suits(wing, region, block, bytes) ? region : unpack(wing, region, block);
    }
    bool packs = bytes > PTM_SHADOW_GRANULE;
    return packs ? packed_region(wing, block, bytes) : plain_region(wing, block);
}

/* Home is where the first pool is; where there are none, where the first block is. */
static void
settle(ptm_shadow_wing *wing, uintptr_t block, uintptr_t region)
{
#ifdef PTM_HAS_POOLS
    bool at_home = PTM_SHADOW_EXPONENT(region) != PTM_SHADOW_PLAIN;
#else
    bool at_home = true;
    (void)region;
#endif
    ptm_shadow_wing *nobody = NULL;
    if (at_home && PTM_COMPARE_EXCHANGE(&ptm_shadow_home.wing, &nobody, wing)) {
        PTM_STORE_RELEASE(&ptm_shadow_home.root, PTM_SHADOW_ROOT_OF(block));
    }
}

uint32_t *
ptm_shadow_slot(uintptr_t block, uint32_t bytes)
{
    ptm_shadow_wing *wing = wing_of(block);
    if (wing == NULL) {
        return NULL;
    }
    uintptr_t *word = &wing->regions[PTM_SHADOW_REGION_OF(block)];
    uintptr_t there = PTM_LOAD_ACQUIRE(word), region = region_for(wing, there, block, bytes);
    if (region == 0) {
        return NULL;
    }
    if (region != there) {
        PTM_STORE_RELEASE(word, region);
        settle(wing, block, region);
    }
    return ptm_shadow_entry(region, block);
}

uint32_t *
ptm_shadow_find(uintptr_t address)
{
    uintptr_t region = ptm_shadow_region(address);
    if (region == 0) {
        return NULL;
    }
    const ptm_shadow_wing *wing = ptm_shadow_wing_of(address);
    return suits(wing, region, address, 0) ? ptm_shadow_entry(region, address) : NULL;
}

static bool
is_all_zero(const uint32_t *row, uint32_t n)
{
    uint32_t any = 0;
    for (uint32_t i = 0; i < n; i++) {
        any |= row[i];
    }
    return any == 0;
}

/* Entries that are left belong to blocks that went unheard: they stay, as they would in a plain
 * row, until their addresses come back. */
void
ptm_shadow_end_pool(uintptr_t block)
{
    ptm_shadow_wing *wing = ptm_shadow_wing_of(block);
    uintptr_t *word = &wing->regions[PTM_SHADOW_REGION_OF(block)], region = *word;
    uint32_t n = row_entries(PTM_SHADOW_EXPONENT(region));
    if (is_all_zero(PTM_SHADOW_ROW(region), n)) {
        PTM_STORE(word, (uintptr_t)0);
        ptm_rows_drop(PTM_SHADOW_ROW(region), n * sizeof(uint32_t));
        return;
    }
    PTM_STORE_RELEASE(word, unpack(wing, region, block));
}

/* -- all of it --------------------------------------------------------------------------------- */

static void
visit_wing(const ptm_shadow_wing *wing, ptm_mem_visit visit, void *arg)
{
    for (size_t i = 0; i < PTM_ARRAY_LEN(wing->leaves); i++) {
        if (wing->leaves[i] != NULL) {
            visit(arg, wing->leaves[i], sizeof(ptm_shadow_leaf));
        }
    }
    visit(arg, wing, sizeof(*wing));
}

void
ptm_shadow_visit(ptm_mem_visit visit, void *arg)
{
    for (const ptm_shadow_wing *wing = PTM_LOAD_ACQUIRE(&wings); wing != NULL; wing = wing->next) {
        visit_wing(wing, visit, arg);
    }
    ptm_rows_visit(visit, arg);
}

/* What is discarded is a row of whole pages in a piece that begins with one. */
static void
forget_wing(ptm_shadow_wing *wing)
{
    ptm_mem_discard(wing->regions, sizeof(wing->regions) + sizeof(wing->granules));
    for (size_t i = 0; i < PTM_ARRAY_LEN(wing->leaves); i++) {
        if (wing->leaves[i] != NULL) {
            ptm_mem_discard(wing->leaves[i], sizeof(ptm_shadow_leaf));
        }
    }
}

void
ptm_shadow_clear(void)
{
    for (ptm_shadow_wing *wing = PTM_LOAD_ACQUIRE(&wings); wing != NULL; wing = wing->next) {
        forget_wing(wing);
    }
    ptm_rows_clear();
}
