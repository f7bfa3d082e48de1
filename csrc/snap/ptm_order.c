/* SPDX-License-Identifier: MIT
 *
 * The rows are sorted by one 64-bit key after the other. A run of rows whose keys so far are all
 * equal waits on a list with the number of its next key; what is on the list is independent, so no
 * recursion is needed, however long the tracebacks that tie. The keys of a traceback are the ranks
 * of its frames in the order of (file, lineno), two to a key, from 1 on, and 0 past its end: what
 * ends first is smaller.
 *
 * With a limit, a run that begins behind it is left as it is, and of a run that reaches beyond it
 * only the rows are sorted whose key is among the greatest that are wanted, ties included.
 */
#include "snap/ptm_order.h"

#include "base/ptm_array.h"

#include <string.h>

enum { KEY_SIZE_DIFF, KEY_SIZE, KEY_COUNT_DIFF, KEY_COUNT, KEY_TRACEBACK };
#define FRAMES_PER_KEY 2

#define SMALL 48       /* items; below, insertion sort */
#define WINDOW_LEAST 8 /* frames per row kept at hand for the order from the oldest frame; even */
#ifdef PTM_HUNT
#define WINDOW_ENTRIES 1024u
#else
#define WINDOW_ENTRIES (8u << 20) /* frames of all rows together, unless that were too few: 32 MB */
#endif

typedef struct {
    uint64_t key;
    uint32_t row;
    uint32_t cursor; /* most recent first: the stack whose frame is next */
} item;

typedef struct {
    size_t first, len; /* of the items */
    uint32_t level;    /* which key is next; KEY_TRACEBACK + k has the frames 2k and 2k + 1 */
} run;

typedef struct {
    const ptm_keys *keys;
    const ptm_numbers *numbers; /* NULL: by traceback */
    const ptm_group_query *query;
    ptm_group_row *rows;
    size_t n_rows, n_wanted;
    item *items, *spare;
    run *runs;
    size_t n_runs, runs_capacity;
    uint32_t *rank_of[2]; /* by side: frame -> rank of its line; NULL until needed */
    uint32_t *window; /* oldest first: per row, the ranks of the next frames; NULL until needed */
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

/* The key that is the `wanted`-th greatest; 0 < wanted <= n. Byte by byte from the upper end: the
 * keys that share the bytes so far are counted by their next one. */
static uint64_t
key_at(const item *items, size_t n, size_t wanted)
{
    uint64_t prefix = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        size_t counts[256] = {0};
        for (size_t i = 0; i < n; i++) {
            if (shift == 56 || items[i].key >> (shift + 8) == prefix) {
                counts[(items[i].key >> shift) & 0xff]++;
            }
        }
        uint32_t byte = 255;
        for (; counts[byte] < wanted; byte--) {
            wanted -= counts[byte];
        }
        prefix = prefix << 8 | byte;
    }
    return prefix;
}

/* Brings the `wanted` greatest to the front, with all that tie with the last of them; returns how
 * many these are. */
static size_t
select_items(item *items, size_t n, size_t wanted)
{
    if (wanted >= n) {
        return n;
    }
    uint64_t least = key_at(items, n, wanted);
    size_t n_selected = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].key >= least) {
            item swap = items[n_selected];
            items[n_selected++] = items[i];
            items[i] = swap;
        }
    }
    return n_selected;
}

static bool
push_run(sorting *s, size_t first, size_t len, uint32_t level)
{
    if (first >= s->n_wanted) {
        return true;
    }
    if (s->n_runs == s->runs_capacity) {
        size_t capacity = s->runs_capacity * 2 + 64;
        run *runs = ptm_array_resize(s->runs, capacity, sizeof(*runs));
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

/* 1, 2, 3 ... to the lines of both sides in their order. */
static bool
make_ranks(sorting *s)
{
    const ptm_keys *keys = s->keys;
    size_t n[2] = {keys->snap[0]->n_frames, keys->snap[1] == NULL ? 0 : keys->snap[1]->n_frames};
    item *lines = ptm_array_new((n[0] + n[1]) * 2, sizeof(*lines));
    s->rank_of[0] = ptm_array_new(n[0] + 1, sizeof(uint32_t));
    s->rank_of[1] = ptm_array_new(n[1] + 1, sizeof(uint32_t));
    if (lines == NULL || s->rank_of[0] == NULL || s->rank_of[1] == NULL) {
        ptm_array_free(lines);
        return false;
    }
    item *line = lines;
    for (uint32_t side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < n[side]; i++) {
            *line++ = (item){keys->order_of[side][i], i, side};
        }
    }
    sort_items(lines, n[0] + n[1], line);
    uint32_t rank = 0;
    for (uint64_t before = 0; line > lines; before = line->key) {
        line--;
        rank += line->key != before;
        s->rank_of[line->cursor][line->row] = rank;
    }
    ptm_array_free(lines);
    return true;
}

/* The ranks of the row's frames d ... d + window_frames - 1 from the oldest, d being a multiple of
 * window_frames. */
static void
fill_window(sorting *s, uint32_t row, uint32_t d)
{
    const ptm_snap_stack *stacks = s->keys->snap[s->rows[row].snap]->stacks;
    const uint32_t *rank_of = s->rank_of[s->rows[row].snap];
    uint32_t *window = s->window + (size_t)row * s->window_frames;
    ptm_stack_id stack = s->rows[row].key;
    memset(window, 0, s->window_frames * sizeof(*window));
    for (; stack != 0 && stacks[stack].nframe > d; stack = stacks[stack].parent) {
        uint32_t at = stacks[stack].nframe - 1 - d;
        if (at < s->window_frames) {
            window[at] = rank_of[stacks[stack].frame];
        }
    }
}

/* As many frames as the longest traceback has, if there is room for them. All rows are filled now,
 * in the order in which their stacks were made: later, in the order of runs, every stack would be
 * far from the one before. */
static bool
make_window(sorting *s)
{
    size_t room = WINDOW_ENTRIES / s->n_rows;
    uint32_t longest = 1;
    for (size_t i = 0; i < s->n_rows; i++) {
        uint32_t nframe = s->keys->snap[s->rows[i].snap]->stacks[s->rows[i].key].nframe;
        longest = nframe > longest ? nframe : longest;
    }
    room = room < WINDOW_LEAST ? WINDOW_LEAST : room;
    s->window_frames = (longest < room ? longest + 1 : (uint32_t)room) & ~1u;
    s->window = ptm_array_new(s->n_rows, s->window_frames * sizeof(*s->window));
    for (size_t i = 0; s->window != NULL && i < s->n_rows; i++) {
        fill_window(s, (uint32_t)i, 0);
    }
    return s->window != NULL;
}

static uint64_t
oldest_first_key(sorting *s, uint32_t row, uint32_t d)
{
    if (d != 0 && d % s->window_frames == 0) {
        fill_window(s, row, d);
    }
    const uint32_t *ranks = &s->window[(size_t)row * s->window_frames + d % s->window_frames];
    return (uint64_t)ranks[0] << 32 | ranks[1];
}

static uint64_t
recent_first_key(sorting *s, item *it, uint32_t d)
{
    const ptm_group_row *row = &s->rows[it->row];
    const ptm_snap_stack *stacks = s->keys->snap[row->snap]->stacks;
    uint32_t stack = d == 0 ? row->key : it->cursor;
    uint64_t key = 0;
    for (int i = 0; i < FRAMES_PER_KEY; i++) {
        key = key << 32 | (stack == 0 ? 0 : s->rank_of[row->snap][stacks[stack].frame]);
        stack = stacks[stack].parent; /* the empty stack is its own */
    }
    it->cursor = stack;
    return key;
}

static bool
ready_for_tracebacks(sorting *s)
{
    return (s->rank_of[0] != NULL || make_ranks(s))
           && (s->query->order == PTM_ORDER_RECENT_FIRST || s->window != NULL || make_window(s));
}

/* Where a group that is no traceback comes: any of its frames or sites tells. */
static uint64_t
group_key(const sorting *s, const ptm_group_row *row)
{
    if (s->numbers->order[row->snap] != NULL) {
        return s->numbers->order[row->snap][row->key];
    }
    return s->query->by == PTM_BY_FILE ? s->keys->order_of_file[row->snap][row->key]
                                       : s->keys->order_of[row->snap][row->key];
}

static bool
set_keys(sorting *s, item *items, size_t n, uint32_t level)
{
    uint32_t d = (level - KEY_TRACEBACK) * FRAMES_PER_KEY;
    if (level < KEY_TRACEBACK) {
        for (size_t i = 0; i < n; i++) {
            items[i].key = number_key(&s->rows[items[i].row], level);
        }
    }
    else if (s->query->by != PTM_BY_TRACEBACK) {
        for (size_t i = 0; i < n; i++) {
            items[i].key = group_key(s, &s->rows[items[i].row]);
        }
    }
    else if (!ready_for_tracebacks(s)) {
        return false;
    }
    else if (s->query->order == PTM_ORDER_RECENT_FIRST) {
        for (size_t i = 0; i < n; i++) {
            items[i].key = recent_first_key(s, &items[i], d);
        }
    }
    else {
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
    r.len = select_items(items, r.len, s->n_wanted - r.first);
    sort_items(items, r.len, s->spare);
    if (r.level == KEY_TRACEBACK && s->query->by != PTM_BY_TRACEBACK) {
        return true; /* the last key there is */
    }
    for (size_t i = 0; i < r.len;) {
        size_t end = i + 1;
        while (end < r.len && items[end].key == items[i].key) {
            end++;
        }
        bool ended = r.level >= KEY_TRACEBACK && (uint32_t)items[i].key == 0;
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
    ptm_group_row *sorted = ptm_array_new(s->n_wanted, sizeof(*sorted));
    if (sorted == NULL) {
        return false;
    }
    for (size_t i = 0; i < s->n_wanted; i++) {
        sorted[i] = s->rows[s->items[i].row];
    }
    memcpy(s->rows, sorted, s->n_wanted * sizeof(*sorted));
    ptm_array_free(sorted);
    return true;
}

ptm_err
ptm_order_rows(const ptm_keys *keys, const ptm_numbers *numbers, const ptm_group_query *query,
               ptm_groups *groups)
{
    size_t n = groups->n_rows, wanted = query->limit != 0 && query->limit < n ? query->limit : n;
    if (n < 2) {
        return PTM_OK;
    }
    sorting s = {.keys = keys,
                 .numbers = numbers,
                 .query = query,
                 .rows = groups->rows,
                 .n_rows = n,
                 .n_wanted = wanted};
    s.items = ptm_array_new(n, sizeof(*s.items));
    s.spare = ptm_array_new(n, sizeof(*s.spare));
    bool ok = s.items != NULL && s.spare != NULL && sort_all(&s);
    groups->n_rows = ok ? wanted : n;
    ptm_array_free(s.items);
    ptm_array_free(s.spare);
    ptm_array_free(s.runs);
    ptm_array_free(s.rank_of[0]);
    ptm_array_free(s.rank_of[1]);
    ptm_array_free(s.window);
    return ok ? PTM_OK : PTM_ENOMEM;
}
