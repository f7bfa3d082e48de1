/* SPDX-License-Identifier: MIT
 *
 * ptm_column - an array that grows, of items of one size; what is built of these becomes a
 * snapshot's columns.
 *
 * Owns      one array
 * Threads   one user
 * Failure   false, and the column is as before
 */
#ifndef PTM_COLUMN_H
#define PTM_COLUMN_H

#include "base/ptm_array.h"

typedef struct {
    void *items;
    size_t len, capacity; /* items */
} ptm_column;

/* Room for `more` items. */
static inline bool
ptm_column_reserve(ptm_column *col, size_t more, size_t item_bytes)
{
    if (PTM_LIKELY(more <= col->capacity - col->len)) {
        return true;
    }
    size_t capacity = col->capacity + col->capacity / 2 + 16;
    if (capacity < col->len + more) {
        capacity = col->len + more;
    }
    void *items = ptm_array_resize(col->items, capacity, item_bytes);
    if (items == NULL) {
        return false;
    }
    col->items = items;
    col->capacity = capacity;
    return true;
}

/* Takes the array out of the column, without the room it did not use. */
static inline void *
ptm_column_take(ptm_column *col, size_t item_bytes)
{
    void *items = ptm_array_resize(col->items, col->len, item_bytes);
    if (items == NULL) {
        items = col->items;
    }
    col->items = NULL;
    return items;
}

#endif
