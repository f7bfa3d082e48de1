/* SPDX-License-Identifier: MIT */
#include "snap/ptm_ids.h"

#include <stdlib.h>
#include <string.h>

#define MIN_SLOTS 16

static size_t
slots_for(size_t expected)
{
    size_t slots = MIN_SLOTS;
    while (slots / 4 * 3 < expected) {
        slots *= 2;
    }
    return slots;
}

bool
ptm_ids_init(ptm_ids *ids, size_t expected)
{
    size_t slots = slots_for(expected);
    *ids = (ptm_ids){.slots = calloc(slots, sizeof(uint64_t)), .mask = slots - 1};
    return ids->slots != NULL;
}

void
ptm_ids_fini(ptm_ids *ids)
{
    free(ids->slots);
    *ids = (ptm_ids){0};
}

static void
place(uint64_t *slots, size_t mask, uint64_t slot)
{
    size_t at = (size_t)(slot >> 32) & mask;
    while (slots[at] != 0) {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

static bool
grow(ptm_ids *ids)
{
    size_t mask = ids->mask * 2 + 1;
    uint64_t *slots = calloc(mask + 1, sizeof(uint64_t));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i <= ids->mask; i++) {
        if (ids->slots[i] != 0) {
            place(slots, mask, ids->slots[i]);
        }
    }
    free(ids->slots);
    ids->slots = slots;
    ids->mask = mask;
    return true;
}

bool
ptm_ids_put(ptm_ids *ids, uint64_t hash, uint32_t id)
{
    if (ids->count >= (ids->mask + 1) / 4 * 3 && !grow(ids)) {
        return false;
    }
    place(ids->slots, ids->mask, (hash >> 32) << 32 | (id + 1));
    ids->count++;
    return true;
}
