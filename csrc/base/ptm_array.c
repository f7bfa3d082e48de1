/* SPDX-License-Identifier: MIT */
#include "base/ptm_array.h"

#include <stdlib.h>
#include <string.h>

#include "base/ptm_mem.h"

/* In front of the items. */
typedef struct {
    size_t bytes;        /* of the items */
    size_t mapped_bytes; /* 0: malloc's */
} head;

static inline head *
head_of(void *items)
{
    return (head *)items - 1;
}

/* False: more than there can be. */
static bool
count_bytes(size_t n, size_t item_bytes, size_t *bytes)
{
    return !__builtin_mul_overflow(n, item_bytes, bytes)
           && *bytes < (size_t)PTRDIFF_MAX - 2 * PTM_MEM_LARGE_BYTES;
}

static size_t
whole_pages(size_t bytes)
{
    return (bytes + sizeof(head) + PTM_MEM_LARGE_BYTES - 1) & ~(PTM_MEM_LARGE_BYTES - 1);
}

static void *
begun(head *at, size_t bytes, size_t mapped_bytes)
{
    if (at == NULL) {
        return NULL;
    }
    *at = (head){bytes, mapped_bytes};
    return at + 1;
}

static void *
new_of(size_t n, size_t item_bytes, bool zeroed)
{
    size_t bytes;
    if (!count_bytes(n, item_bytes, &bytes)) {
        return NULL;
    }
    if (bytes >= PTM_ARRAY_MAPPED_BYTES && ptm_mem_has_maps()) {
        return begun(ptm_mem_map_table(whole_pages(bytes)), bytes, whole_pages(bytes));
    }
    return begun(zeroed ? calloc(1, sizeof(head) + bytes) : malloc(sizeof(head) + bytes), bytes, 0);
}

void *
ptm_array_new(size_t n, size_t item_bytes)
{
    return new_of(n, item_bytes, false);
}

void *
ptm_array_zeroed(size_t n, size_t item_bytes)
{
    return new_of(n, item_bytes, true);
}

/* In the pages it has, giving back those it no longer needs. */
static void *
resize_in_place(head *at, size_t bytes)
{
    size_t needed = whole_pages(bytes);
    if (needed < at->mapped_bytes) {
        ptm_mem_unmap((char *)at + needed, at->mapped_bytes - needed);
    }
    return begun(at, bytes, needed);
}

static void *
move(void *items, size_t n, size_t item_bytes)
{
    void *moved = ptm_array_new(n, item_bytes);
    if (moved != NULL) {
        size_t before = head_of(items)->bytes, after = head_of(moved)->bytes;
        memcpy(moved, items, before < after ? before : after);
        ptm_array_free(items);
    }
    return moved;
}

void *
ptm_array_resize(void *items, size_t n, size_t item_bytes)
{
    size_t bytes;
    if (items == NULL || !count_bytes(n, item_bytes, &bytes)) {
        return items == NULL ? ptm_array_new(n, item_bytes) : NULL;
    }
    head *at = head_of(items);
    if (at->mapped_bytes != 0 && whole_pages(bytes) <= at->mapped_bytes) {
        return resize_in_place(at, bytes);
    }
    if (at->mapped_bytes == 0 && bytes < PTM_ARRAY_MAPPED_BYTES) {
        return begun(realloc(at, sizeof(head) + bytes), bytes, 0);
    }
    return move(items, n, item_bytes);
}

void
ptm_array_free(void *items)
{
    head *at = items == NULL ? NULL : head_of(items);
    if (at != NULL && at->mapped_bytes != 0) {
        ptm_mem_unmap(at, at->mapped_bytes);
    }
    else {
        free(at);
    }
}
