/* SPDX-License-Identifier: MIT */
#include "base/ptm_index.h"

#ifdef PTM_HUNT
#define FIRST_SLOTS 2u
#else
#define FIRST_SLOTS 512u /* one page */
#endif

static size_t
slots_bytes(uint32_t n_slots)
{
    return (size_t)n_slots * sizeof(ptm_slot);
}

static void
place(ptm_slot *slots, uint32_t mask, ptm_slot slot)
{
    uint32_t at = slot.hash & mask;
    while (slots[at].id != 0) {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

bool
ptm_index_restart(ptm_index *index, uint32_t n)
{
    uint64_t n_slots = FIRST_SLOTS;
    while (n_slots * 3 < (uint64_t)n * 4) {
        n_slots *= 2;
    }
    ptm_slot *slots =
        n_slots <= UINT32_MAX ? ptm_mem_map_table(slots_bytes((uint32_t)n_slots)) : NULL;
    if (slots == NULL) {
        return false;
    }
    ptm_index_clear(index);
    *index = (ptm_index){slots, (uint32_t)n_slots - 1, 0};
    return true;
}

static bool
grow(ptm_index *index)
{
    uint32_t old_n = index->slots == NULL ? 0 : index->mask + 1;
    uint32_t n = old_n == 0 ? FIRST_SLOTS : old_n * 2;
    ptm_slot *slots = n > old_n ? ptm_mem_map_table(slots_bytes(n)) : NULL;
    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < old_n; i++) {
        if (index->slots[i].id != 0) {
            place(slots, n - 1, index->slots[i]);
        }
    }
    ptm_mem_unmap(index->slots, slots_bytes(old_n));
    index->slots = slots;
    index->mask = n - 1;
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
    place(index->slots, index->mask, (ptm_slot){hash, id});
    index->used++;
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
        ptm_mem_unmap(index->slots, slots_bytes(index->mask + 1));
    }
    *index = (ptm_index){0};
}

void
ptm_index_visit(const ptm_index *index, ptm_mem_visit visit, void *arg)
{
    if (index->slots != NULL) {
        visit(arg, index->slots, slots_bytes(index->mask + 1));
    }
}
