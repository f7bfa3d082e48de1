/* SPDX-License-Identifier: MIT */
#include "base/ptm_index.h"

#ifdef PTM_HUNT
#define FIRST_SLOTS 2u
#else
#define FIRST_SLOTS 256u /* less than a page */
#endif

#define PAGE ((size_t)4096)

/* Slots and filter, in whole pages. */
static size_t
map_bytes(uint32_t n_slots)
{
    size_t bytes = (size_t)n_slots * sizeof(ptm_slot) + n_slots / 2 + sizeof(uint32_t);
    return (bytes + PAGE - 1) & ~(PAGE - 1);
}

/* An empty index of so many slots, a power of two. */
static bool
map_index(ptm_index *index, uint64_t n_slots)
{
    ptm_slot *slots =
        n_slots <= UINT32_C(1) << 29 ? ptm_mem_map_table(map_bytes((uint32_t)n_slots)) : NULL;
    if (slots == NULL) {
        return false;
    }
    *index = (ptm_index){slots, (uint32_t *)(slots + n_slots), (uint32_t)n_slots - 1, 0};
    return true;
}

static void
place(ptm_index *index, ptm_slot slot)
{
    uint32_t at = slot.hash & index->mask, bit = ptm_index_bit(index, slot.hash);
    while (index->slots[at].id != 0) {
        at = (at + 1) & index->mask;
    }
    index->slots[at] = slot;
    index->filter[bit >> 5] |= 1u << (bit & 31);
    index->used++;
}

bool
ptm_index_restart(ptm_index *index, uint32_t n)
{
    uint64_t n_slots = FIRST_SLOTS;
    while (n_slots * 3 < (uint64_t)n * 4) {
        n_slots *= 2;
    }
    ptm_index fresh;
    if (!map_index(&fresh, n_slots)) {
        return false;
    }
    ptm_index_clear(index);
    *index = fresh;
    return true;
}

static bool
grow(ptm_index *index)
{
    uint32_t old_n = index->slots == NULL ? 0 : index->mask + 1;
    ptm_index grown;
    if (!map_index(&grown, old_n == 0 ? FIRST_SLOTS : (uint64_t)old_n * 2)) {
        return false;
    }
    for (uint32_t i = 0; i < old_n; i++) {
        if (index->slots[i].id != 0) {
            place(&grown, index->slots[i]);
        }
    }
    ptm_index_clear(index);
    *index = grown;
    return true;
}

/* A full table keeps one empty slot in any case: a probe ends there. */
static bool
has_room(ptm_index *index)
{
    if (index->slots == NULL) {
        return grow(index);
    }
    uint64_t n = (uint64_t)index->mask + 1;
    return (uint64_t)(index->used + 1) * 4 <= n * 3 || grow(index) || index->used + 2 <= n;
}

bool
ptm_index_put(ptm_index *index, uint32_t hash, uint32_t id)
{
    if (!has_room(index)) {
        return false;
    }
    place(index, (ptm_slot){hash, id});
    return true;
}

/* Slots behind the hole come forward as long as that does not carry them before their home. */
static void
close_hole(ptm_index *index, uint32_t hole)
{
    ptm_slot *slots = index->slots;
    for (uint32_t at = (hole + 1) & index->mask; slots[at].id != 0; at = (at + 1) & index->mask) {
        uint32_t home = slots[at].hash & index->mask;
        if (((at - home) & index->mask) >= ((at - hole) & index->mask)) {
            slots[hole] = slots[at];
            hole = at;
        }
    }
    slots[hole] = (ptm_slot){0, 0};
}

void
ptm_index_remove(ptm_index *index, uint32_t hash, uint32_t id)
{
    if (index->slots == NULL) {
        return;
    }
    for (uint32_t at = hash & index->mask; index->slots[at].id != 0; at = (at + 1) & index->mask) {
        if (index->slots[at].id == id && index->slots[at].hash == hash) {
            close_hole(index, at);
            index->used--;
            return;
        }
    }
}

void
ptm_index_clear(ptm_index *index)
{
    if (index->slots != NULL) {
        ptm_mem_unmap(index->slots, map_bytes(index->mask + 1));
    }
    *index = (ptm_index){0};
}

void
ptm_index_visit(const ptm_index *index, ptm_mem_visit visit, void *arg)
{
    if (index->slots != NULL) {
        visit(arg, index->slots, map_bytes(index->mask + 1));
    }
}
