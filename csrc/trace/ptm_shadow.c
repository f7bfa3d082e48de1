/* SPDX-License-Identifier: MIT */
#include "trace/ptm_shadow.h"

#include "pyver/ptm_pool.h"
#include "trace/ptm_shadow_rows.h"

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

static uint32_t
row_entries(uint32_t exponent)
{
    return (uint32_t)(PTM_SHADOW_REGION_BYTES >> exponent);
}

static uint32_t
row_bytes(uint32_t exponent)
{
    return row_entries(exponent) * (uint32_t)sizeof(uint32_t);
}

/* 2^32 / n, rounded up, for blocks of n granules; and back. */
static uint32_t
grid_of(uint32_t bytes)
{
    return UINT32_MAX / (bytes / PTM_SHADOW_GRANULE) + 1;
}

static uint32_t
bytes_of(uint32_t grid)
{
    return (uint32_t)(((UINT64_C(1) << 32) + grid - 1) / grid) * PTM_SHADOW_GRANULE;
}

/* Where the only block begins that can have the i-th entry of a packed row. */
static uint32_t
place_of_entry(uint32_t i, uint32_t exponent, uint32_t bytes)
{
    uint32_t lowest = i << exponent;
    uint32_t before = lowest > PTM_SHADOW_POOL_HEAD ? lowest - PTM_SHADOW_POOL_HEAD : 0;
    return PTM_SHADOW_POOL_HEAD + (before + bytes - 1) / bytes * bytes;
}

static bool
is_all_zero(uintptr_t region)
{
    uint32_t any = 0;
    for (uint32_t i = 0; i < row_entries(PTM_SHADOW_EXPONENT(region)); i++) {
        any |= PTM_SHADOW_ROW(region)[i];
    }
    return any == 0;
}

/* -- what becomes of a region ------------------------------------------------------------------ */

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

/* A first row, unless somebody else was quicker; 0: no memory. */
static uintptr_t
begin_plain(ptm_shadow_wing *wing, uintptr_t block)
{
    uintptr_t *word = &wing->regions[PTM_SHADOW_REGION_OF(block)], there = 0;
    uintptr_t plain = plain_region(wing, block);
    return plain == 0 || PTM_COMPARE_EXCHANGE(word, &there, plain) ? plain : there;
}

static uintptr_t
begin_packed(ptm_shadow_wing *wing, uintptr_t block, uint32_t bytes)
{
    uint32_t exponent = ptm_shadow_exponent(bytes);
    uint32_t *row = ptm_shadow_rows_new(row_bytes(exponent));
    if (row == NULL) {
        return begin_plain(wing, block);
    }
    size_t at = PTM_SHADOW_REGION_OF(block);
    uintptr_t packed = (uintptr_t)row | exponent, there = 0;
    PTM_STORE(&wing->grids[at], grid_of(bytes));
    if (!PTM_COMPARE_EXCHANGE(&wing->regions[at], &there, packed)) {
        PTM_STORE(&wing->grids[at], 0u);
        ptm_shadow_rows_drop(row, row_bytes(exponent));
        return there;
    }
    return packed;
}

static uintptr_t
begin(ptm_shadow_wing *wing, uintptr_t block, uint32_t bytes)
{
    uintptr_t region =
        bytes > PTM_SHADOW_GRANULE ? begin_packed(wing, block, bytes) : begin_plain(wing, block);
    if (region != 0) {
        settle(wing, block, region);
    }
    return region;
}

/* A plain row for a packed one: every entry goes to its block's place there. It loses the mark that
 * sends a block back to its pool without asking, since there may be none any more. 0: no memory,
 * and no row: what is not known is not believed. The old row is not used again until all is
 * cleared, since this may be any lane. */
static uintptr_t
unpack(ptm_shadow_wing *wing, uintptr_t block, uintptr_t region)
{
    size_t at = PTM_SHADOW_REGION_OF(block);
    uint32_t exponent = PTM_SHADOW_EXPONENT(region), bytes = bytes_of(wing->grids[at]);
    uintptr_t plain = plain_region(wing, block);
    for (uint32_t i = 0; i < row_entries(exponent) && plain != 0; i++) {
        uint32_t entry = PTM_SHADOW_ROW(region)[i] & ~PTM_SHADOW_POOLED;
        if (entry != 0) {
            *ptm_shadow_entry(plain, place_of_entry(i, exponent, bytes)) = entry;
        }
    }
    PTM_STORE(&wing->grids[at], 0u);
    PTM_STORE_RELEASE(&wing->regions[at], plain);
    return plain;
}

/* An empty row goes to the next pool of its kind. In the main lane. Entries that are left belong to
 * blocks that went unheard: they stay until their addresses come back. */
static void
put_away(ptm_shadow_wing *wing, uintptr_t block, uintptr_t region)
{
    if (!is_all_zero(region)) {
        (void)unpack(wing, block, region);
        return;
    }
    size_t at = PTM_SHADOW_REGION_OF(block);
    PTM_STORE(&wing->grids[at], 0u);
    PTM_STORE(&wing->regions[at], (uintptr_t)0);
    ptm_shadow_rows_drop(PTM_SHADOW_ROW(region), row_bytes(PTM_SHADOW_EXPONENT(region)));
}

void
ptm_shadow_end_pool(uintptr_t block)
{
    uintptr_t region = ptm_shadow_region(block);
    if (PTM_SHADOW_EXPONENT(region) > PTM_SHADOW_PLAIN) {
        put_away(ptm_shadow_wing_of(block), block, region);
    }
}

/* Whether a block can have its entry in the row that is there. */
static bool
suits(const ptm_shadow_wing *wing, uintptr_t region, uintptr_t block, uint32_t bytes)
{
    bool plain = PTM_SHADOW_EXPONENT(region) == PTM_SHADOW_PLAIN;
    return plain || (bytes != 0 && wing->grids[PTM_SHADOW_REGION_OF(block)] == grid_of(bytes));
}

void
ptm_shadow_begin_pool(uintptr_t block, uint32_t bytes)
{
    uintptr_t region = ptm_shadow_region(block);
    ptm_shadow_wing *wing = ptm_shadow_wing_of(block);
    if (region != 0 && !suits(wing, region, block, bytes)) {
        put_away(wing, block, region);
    }
}

uint32_t *
ptm_shadow_slot(uintptr_t block, uint32_t bytes)
{
    ptm_shadow_wing *wing = wing_of(block);
    if (wing == NULL) {
        return NULL;
    }
    uintptr_t region = PTM_LOAD_ACQUIRE(&wing->regions[PTM_SHADOW_REGION_OF(block)]);
    if (region == 0) {
        region = begin(wing, block, bytes);
    }
    if (region != 0 && !suits(wing, region, block, bytes)) {
        region = unpack(wing, block, region);
    }
    return region == 0 ? NULL : ptm_shadow_entry(region, block);
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
    ptm_shadow_rows_visit(visit, arg);
}

/* What is discarded is a row of whole pages in a piece that begins with one. */
static void
forget_wing(ptm_shadow_wing *wing)
{
    ptm_mem_discard(wing->regions, sizeof(wing->regions) + sizeof(wing->grids));
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
    ptm_shadow_rows_clear();
}
