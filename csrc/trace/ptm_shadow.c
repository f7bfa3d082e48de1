/* SPDX-License-Identifier: MIT */
#include "trace/ptm_shadow.h"

ptm_shadow_wing *ptm_shadow_root[1 << PTM_SHADOW_ROOT_BITS];

/* What *place points to, mapped and published if it is not there; the loser of a race gives its
 * pages back. */
static void *
mapped_at(void **place, size_t bytes)
{
    void *there = PTM_LOAD_ACQUIRE(place);
    if (there != NULL) {
        return there;
    }
    void *fresh = ptm_mem_map(bytes);
    if (fresh != NULL && !PTM_COMPARE_EXCHANGE(place, &there, fresh)) {
        ptm_mem_unmap(fresh, bytes);
        return there;
    }
    return fresh;
}

uint32_t *
ptm_shadow_slot_slow(uintptr_t address)
{
    uint64_t granule = ptm_shadow_granule(address);
    ptm_shadow_wing *wing =
        mapped_at((void **)&ptm_shadow_root[PTM_SHADOW_ROOT_OF(granule)], sizeof(ptm_shadow_wing));
    if (wing == NULL) {
        return NULL;
    }
    ptm_shadow_leaf *leaf =
        mapped_at((void **)&wing->leaves[PTM_SHADOW_WING_OF(granule)], sizeof(ptm_shadow_leaf));
    return leaf == NULL ? NULL : &leaf->entries[PTM_SHADOW_LEAF_OF(granule)];
}

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
    for (size_t i = 0; i < PTM_ARRAY_LEN(ptm_shadow_root); i++) {
        if (ptm_shadow_root[i] != NULL) {
            visit_wing(ptm_shadow_root[i], visit, arg);
        }
    }
}

static void
forget_leaves(ptm_shadow_wing *wing)
{
    for (size_t i = 0; i < PTM_ARRAY_LEN(wing->leaves); i++) {
        if (wing->leaves[i] != NULL) {
            ptm_mem_discard(wing->leaves[i], sizeof(ptm_shadow_leaf));
        }
    }
}

void
ptm_shadow_clear(void)
{
    for (size_t i = 0; i < PTM_ARRAY_LEN(ptm_shadow_root); i++) {
        if (ptm_shadow_root[i] != NULL) {
            forget_leaves(ptm_shadow_root[i]);
        }
    }
}
