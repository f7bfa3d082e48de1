/* SPDX-License-Identifier: MIT
 *
 * The rows are sorted by one 64-bit key after the other. A run of rows whose keys so far are all equal waits on a
 * list with the number of its next key; what is on the list is independent, so no recursion is needed, however
 * long the tracebacks that tie. The keys of a traceback are its frames' places in the order of (file, lineno), one
 * key per frame, and 0 past its end: what ends first is smaller.
 */
#include "snap/ptm_order.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE_DIFF, KEY_SIZE, KEY_COUNT_DIFF, KEY_COUNT, KEY_TRACEBACK };

#define SMALL 48                      /* items; below, insertion sort */
#define WINDOW_LEAST 8                /* frames per row kept at hand for the order from the oldest frame */
#define WINDOW_MOST 4096
#ifdef PTM_HUNT
#define WINDOW_ENTRIES 1024u
#else
#define WINDOW_ENTRIES (8u << 20)     /* frames of all rows together, unless that were too few: 32 MB */
#endif

typedef struct {
    uint64_t key;
    uint32_t row;
    uint32_t cursor; /* most recent first: the stack whose frame is the next key */
} item;

typedef struct {
    size_t first, len; /* of the items */
    uint32_t level;    /* which key is next; KEY_TRACEBACK + d is the frame d */
} run;

typedef struct {
    const ptm_keys *keys;
    const ptm_group_query *query;
    ptm_group_row *rows;
    size_t n_rows;
    item *items, *spare;
    run *runs;
    size_t n_runs, runs_capacity;
    uint32_t *window; /* oldest first: per row, the next frames of its traceback; NULL until needed */
    uint32_t window_frames;
} sorting;

static void
sort_small(item *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        item moved = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1].key < moved.key; at--) {
            items[at] = items[at - 1];
        }
        items[at] = moved;
    }
}

/* One pass of the radix sort: from `from` to `to` by the byte at `shift`, the greatest first. */
static void
scatter(const item *from, item *to, size_t n, int shift)
{
    size_t starts[256] = {0}, at = 0;
    for (size_t i = 0; i < n; i++) {
        starts[(from[i].key >> shift) & 0xff]++;
    }
    for (int byte = 255; byte >= 0; byte--) {
        size_t count = starts[byte];
        starts[byte] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++) {
        to[starts[(from[i].key >> shift) & 0xff]++] = from[i];
    }
}

/* By key, the greatest first; skips the bytes in which all keys agree. */
static void
sort_items(item *items, size_t n, item *spare)
{
    if (n <= SMALL) {
        sort_small(items, n);
        return;
    }
    uint64_t varying = 0;
    for (size_t i = 1; i < n; i++) {
        varying |= items[i].key ^ items[0].key;
    }
    item *from = items, *to = spare;
    for (int shift = 0; shift < 64; shift += 8) {
        if ((varying >> shift & 0xff) != 0) {
            scatter(from, to, n, shift);
            item *swap = from;
            from = to;
            to = swap;
        }
    }
    if (from != items) {
        memcpy(items, from, n * sizeof(*items));
    }
}

static bool
push_run(sorting *s, size_t first, size_t len, uint32_t level)
{
    if (s->n_runs == s->runs_capacity) {
        size_t capacity = s->runs_capacity * 2 + 64;
        run *runs = realloc(s->runs, capacity * sizeof(*runs));
        if (runs == NULL) {
            return false;
        }
        s->runs = runs;
        s->runs_capacity = capacity;
    }
    s->runs[s->n_runs++] = (run){first, len, level};
    return true;
}

static uint64_t
magnitude(int64_t number)
{
    return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

static uint64_t
number_key(const ptm_group_row *row, uint32_t level)
{
    switch (level) {
    case KEY_SIZE_DIFF:
        return magnitude(row->size_diff);
    case KEY_SIZE:
        return (uint64_t)row->size;
    case KEY_COUNT_DIFF:
        return magnitude(row->count_diff);
    default:
        return (uint64_t)row->count;
    }
}

/* The row's frames d ... d + window_frames - 1 counted from the oldest, d being a multiple of window_frames. */
static void
fill_window(sorting *s, uint32_t row, uint32_t d)
{
    const ptm_snap_stack *stacks = s->keys->snap[s->rows[row].snap]->stacks;
    uint32_t *window = s->window + (size_t)row * s->window_frames;
    ptm_stack_id stack = s->rows[row].key;
    for (uint32_t i = 0; i < s->window_frames; i++) {
        window[i] = PTM_SNAP_NONE;
    }
    for (; stack != 0 && stacks[stack].nframe > d; stack = stacks[stack].parent) {
        uint32_t at = stacks[stack].nframe - 1 - d;
        if (at < s->window_frames) {
            window[at] = stacks[stack].frame;
        }
    }
}

static bool
make_window(sorting *s)
{
    size_t frames = WINDOW_ENTRIES / s->n_rows;
    s->window_frames = frames < WINDOW_LEAST  ? WINDOW_LEAST
                       : frames > WINDOW_MOST ? WINDOW_MOST
                                              : (uint32_t)frames;
    s->window = malloc(s->n_rows * s->window_frames * sizeof(*s->window));
    return s->window != NULL;
}

static uint64_t
oldest_first_key(sorting *s, uint32_t row, uint32_t d)
{
    if (d % s->window_frames == 0) {
        fill_window(s, row, d);
    }
    uint32_t frame = s->window[(size_t)row * s->window_frames + d % s->window_frames];
    return frame == PTM_SNAP_NONE ? 0 : s->keys->order_of[s->rows[row].snap][frame];
}

static uint64_t
recent_first_key(sorting *s, item *it, uint32_t d)
{
    const ptm_group_row *row = &s->rows[it->row];
    uint32_t stack = d == 0 ? row->key : it->cursor;
    if (stack == 0) {
        return 0;
    }
    const ptm_snap_stack *node = &s->keys->snap[row->snap]->stacks[stack];
    it->cursor = node->parent;
    return s->keys->order_of[row->snap][node->frame];
}

/* Where a file or a line comes: any of its frames tells. */
static uint64_t
single_frame_key(const sorting *s, const ptm_group_row *row)
{
    return s->query->by == PTM_BY_FILE ? s->keys->order_of_file[row->snap][row->key]
                                       : s->keys->order_of[row->snap][row->key];
}

static bool
set_keys(sorting *s, item *items, size_t n, uint32_t level)
{
    uint32_t d = level - KEY_TRACEBACK;
    if (level < KEY_TRACEBACK) {
        for (size_t i = 0; i < n; i++) {
            items[i].key = number_key(&s->rows[items[i].row], level);
        }
    } else if (s->query->by != PTM_BY_TRACEBACK) {
        for (size_t i = 0; i < n; i++) {
            items[i].key = single_frame_key(s, &s->rows[items[i].row]);
        }
    } else if (s->query->order == PTM_ORDER_RECENT_FIRST) {
        for (size_t i = 0; i < n; i++) {
            items[i].key = recent_first_key(s, &items[i], d);
        }
    } else {
        if (s->window == NULL && !make_window(s)) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            items[i].key = oldest_first_key(s, items[i].row, d);
        }
    }
    return true;
}

/* Sorts a run by its next key and lists the runs that still tie. */
static bool
sort_run(sorting *s, run r)
{
    item *items = s->items + r.first;
    if (!set_keys(s, items, r.len, r.level)) {
        return false;
    }
    sort_items(items, r.len, s->spare);
    if (r.level == KEY_TRACEBACK && s->query->by != PTM_BY_TRACEBACK) {
        return true; /* the last key there is */
    }
    for (size_t i = 0; i < r.len;) {
        size_t end = i + 1;
        while (end < r.len && items[end].key == items[i].key) {
            end++;
        }
        bool ended = r.level >= KEY_TRACEBACK && items[i].key == 0;
        if (end - i > 1 && !ended && !push_run(s, r.first + i, end - i, r.level + 1)) {
            return false;
        }
        i = end;
    }
    return true;
}

static bool
sort_all(sorting *s)
{
    for (size_t i = 0; i < s->n_rows; i++) {
        s->items[i] = (item){.row = (uint32_t)i};
    }
    if (!push_run(s, 0, s->n_rows, KEY_SIZE_DIFF)) {
        return false;
    }
    while (s->n_runs > 0) {
        if (!sort_run(s, s->runs[--s->n_runs])) {
            return false;
        }
    }
    ptm_group_row *sorted = malloc(s->n_rows * sizeof(*sorted));
    if (sorted == NULL) {
        return false;
    }
    for (size_t i = 0; i < s->n_rows; i++) {
        sorted[i] = s->rows[s->items[i].row];
    }
    memcpy(s->rows, sorted, s->n_rows * sizeof(*sorted));
    free(sorted);
    return true;
}

ptm_err
ptm_order_rows(const ptm_keys *keys, const ptm_group_query *query, ptm_group_row *rows, size_t n_rows)
{
    if (n_rows < 2) {
        return PTM_OK;
    }
    sorting s = {.keys = keys, .query = query, .rows = rows, .n_rows = n_rows};
    s.items = malloc(n_rows * sizeof(*s.items));
    s.spare = malloc(n_rows * sizeof(*s.spare));
    bool ok = s.items != NULL && s.spare != NULL && sort_all(&s);
    free(s.items);
    free(s.spare);
    free(s.runs);
    free(s.window);
    return ok ? PTM_OK : PTM_ENOMEM;
}
