/* SPDX-License-Identifier: MIT */
#include "snap/ptm_ids.h"

#include "base/ptm_array.h"

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

/* Where the heap and this code lie, which a file's author does not know. Nothing that is ever seen
 * depends on it: ids are given by the caller. */
static uint64_t
some_salt(const void *slots)
{
    return ptm_mix64((uintptr_t)slots) + ptm_mix64((uintptr_t)&some_salt);
}

bool
ptm_ids_init(ptm_ids *ids, size_t expected)
{
    size_t slots = slots_for(expected);
    *ids = (ptm_ids){.slots = ptm_array_zeroed(slots, sizeof(uint64_t)), .mask = slots - 1};
    ids->salt = some_salt(ids->slots);
    return ids->slots != NULL;
}

void
ptm_ids_fini(ptm_ids *ids)
{
    ptm_array_free(ids->slots);
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
    uint64_t *slots = ptm_array_zeroed(mask + 1, sizeof(uint64_t));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i <= ids->mask; i++) {
        if (ids->slots[i] != 0) {
            place(slots, mask, ids->slots[i]);
        }
    }
    ptm_array_free(ids->slots);
    ids->slots = slots;
    ids->mask = mask;
    return true;
}

bool
ptm_ids_put_tag(ptm_ids *ids, uint32_t tag, uint32_t id)
{
    if (ids->count >= (ids->mask + 1) / 4 * 3 && !grow(ids)) {
        return false;
    }
    place(ids->slots, ids->mask, (uint64_t)tag << 32 | (id + 1));
    ids->count++;
    return true;
}

bool
ptm_ids_put(ptm_ids *ids, uint64_t hash, uint32_t id)
{
    return ptm_ids_put_tag(ids, ptm_ids_tag(ids, hash), id);
}

/* Word by word products whose factors nobody knows. */
uint64_t
ptm_ids_hash_bytes(const ptm_ids *ids, const void *bytes, size_t len)
{
    const uint64_t key = ptm_mix64(ids->salt + 1);
    uint64_t hash = ids->salt ^ len, word;
    const char *p = bytes;
    for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        hash = ptm_hash_fold(hash ^ word, key) + word;
    }
    word = 0;
    memcpy(&word, p, len);
    return ptm_hash_fold(hash ^ word, key) + word;
}
