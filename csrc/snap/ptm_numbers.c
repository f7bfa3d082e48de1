/* SPDX-License-Identifier: MIT */
#include "snap/ptm_numbers.h"

#include "base/ptm_array.h"
#include "base/ptm_bytes.h"
#include "snap/ptm_ids.h"

#include <stdlib.h>

/* -- names in their order ---------------------------------------------------------------------- */

typedef struct {
    const char *text;
    size_t len;
    uint32_t *rank; /* where its place goes */
} name;

/* The string by which a frame is grouped, or PTM_SNAP_NONE. */
static ptm_str_id
name_of(const ptm_snap *snap, const ptm_snap_frame *frame, ptm_by by)
{
    return by == PTM_BY_FUNCTION ? frame->name : ptm_snap_module(snap, frame->file);
}

static int
compare_names(const void *a, const void *b)
{
    const name *x = a, *y = b;
    return ptm_bytes_compare(x->text, x->len, y->text, y->len);
}

/* Appends the side's names, each once; rank is 0 for all strings. */
static void
collect_names(const ptm_snap *snap, ptm_by by, uint32_t *rank, name *names, size_t *n_names)
{
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        ptm_str_id id = name_of(snap, &snap->frames[i], by);
        if (id != PTM_SNAP_NONE && rank[id] == 0) {
            name *added = &names[(*n_names)++];
            added->text = ptm_snap_string(snap, id, &added->len);
            added->rank = &rank[id];
            rank[id] = 1;
        }
    }
}

/* 1, 2, 3 ... to the names of both sides in their order, by string; 0 to all other strings. */
static bool
rank_names(const ptm_keys *keys, ptm_by by, uint32_t *rank[2])
{
    size_t most = 1, n_names = 0;
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        most += keys->snap[side]->n_strings;
    }
    name *names = ptm_array_new(most, sizeof(*names));
    for (int side = 0; names != NULL && side < 2 && keys->snap[side] != NULL; side++) {
        collect_names(keys->snap[side], by, rank[side], names, &n_names);
    }
    if (names == NULL) {
        return false;
    }
    qsort(names, n_names, sizeof(*names), compare_names);
    uint32_t place = 0;
    for (size_t i = 0; i < n_names; i++) {
        place += i == 0 || compare_names(&names[i - 1], &names[i]) != 0;
        *names[i].rank = place;
    }
    ptm_array_free(names);
    return true;
}

/* -- orders ------------------------------------------------------------------------------------ */

/* A function sorts by its file, then by its name; a module by its name. */
static void
order_frames(ptm_numbers *numbers, const ptm_keys *keys, int side, const uint32_t *rank)
{
    const ptm_snap *snap = keys->snap[side];
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        const ptm_snap_frame *frame = &snap->frames[i];
        ptm_str_id id = name_of(snap, frame, numbers->by);
        uint64_t file = numbers->by == PTM_BY_FUNCTION ? keys->order_of_file[side][frame->file] : 0;
        numbers->order[side][i] = file << 32 | (id == PTM_SNAP_NONE ? 0 : rank[id]);
    }
}

static bool
order_by_name(ptm_numbers *numbers, const ptm_keys *keys)
{
    uint32_t *rank[2] = {NULL, NULL};
    bool ok = true;
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        rank[side] = ptm_array_zeroed(keys->snap[side]->n_strings + (size_t)1, sizeof(uint32_t));
        ok &= rank[side] != NULL;
    }
    ok = ok && rank_names(keys, numbers->by, rank);
    for (int side = 0; ok && side < 2 && keys->snap[side] != NULL; side++) {
        order_frames(numbers, keys, side, rank[side]);
    }
    ptm_array_free(rank[0]);
    ptm_array_free(rank[1]);
    return ok;
}

/* A size that is not known comes before 0. */
static void
order_sites(ptm_numbers *numbers, const ptm_snap *snap, int side)
{
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        const ptm_snap_site *site = &snap->sites[i];
        numbers->order[side][i] = numbers->by == PTM_BY_DOMAIN ? site->domain
                                  : site->folded               ? 0
                                                               : site->size + 1;
    }
}

/* -- numbers ----------------------------------------------------------------------------------- */

static uint32_t
n_items(const ptm_numbers *numbers, const ptm_snap *snap)
{
    return ptm_by_site(numbers->by) ? snap->n_sites : snap->n_frames;
}

/* Equal orders get equal numbers; the orders seen so far are by number in `seen`. */
static bool
number_items(ptm_numbers *numbers, int side, uint32_t n, ptm_ids *ids, uint64_t *seen)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t order = numbers->order[side][i], hash = ptm_mix64(order);
        ptm_ids_probe probe = ptm_ids_find(ids, hash);
        bool known = false;
        while (!known && ptm_ids_next(ids, &probe)) {
            known = seen[probe.id] == order;
        }
        if (!known) {
            probe.id = (uint32_t)numbers->n;
            seen[numbers->n++] = order;
            if (!ptm_ids_put(ids, hash, probe.id)) {
                return false;
            }
        }
        numbers->made[side][i] = probe.id;
    }
    return true;
}

static bool
number_all(ptm_numbers *numbers, const ptm_keys *keys)
{
    ptm_ids ids;
    size_t most = 1;
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        most += n_items(numbers, keys->snap[side]);
    }
    uint64_t *seen = most < PTM_SNAP_NONE ? ptm_array_new(most, sizeof(*seen)) : NULL;
    bool ok = ptm_ids_init(&ids, 64) && seen != NULL;
    for (int side = 0; ok && side < 2 && keys->snap[side] != NULL; side++) {
        ok = number_items(numbers, side, n_items(numbers, keys->snap[side]), &ids, seen);
        numbers->of[side] = numbers->made[side];
    }
    ptm_ids_fini(&ids);
    ptm_array_free(seen);
    return ok;
}

static bool
make(ptm_numbers *numbers, const ptm_keys *keys)
{
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        size_t n = n_items(numbers, keys->snap[side]) + (size_t)1;
        numbers->order[side] = ptm_array_new(n, sizeof(uint64_t));
        numbers->made[side] = ptm_array_new(n, sizeof(uint32_t));
        if (numbers->order[side] == NULL || numbers->made[side] == NULL) {
            return false;
        }
        if (ptm_by_site(numbers->by)) {
            order_sites(numbers, keys->snap[side], side);
        }
    }
    return (ptm_by_site(numbers->by) || order_by_name(numbers, keys)) && number_all(numbers, keys);
}

ptm_err
ptm_numbers_init(ptm_numbers *numbers, const ptm_keys *keys, ptm_by by)
{
    *numbers = (ptm_numbers){.by = by};
    if (by == PTM_BY_FILE || by == PTM_BY_LINE) {
        uint32_t *const *of = by == PTM_BY_FILE ? keys->file_of : keys->line_of;
        numbers->n = by == PTM_BY_FILE ? keys->n_files : keys->n_lines;
        numbers->of[0] = of[0];
        numbers->of[1] = of[1];
        return PTM_OK;
    }
    if (!make(numbers, keys)) {
        ptm_numbers_fini(numbers);
        return PTM_ENOMEM;
    }
    return PTM_OK;
}

void
ptm_numbers_fini(ptm_numbers *numbers)
{
    for (int side = 0; side < 2; side++) {
        ptm_array_free(numbers->order[side]);
        ptm_array_free(numbers->made[side]);
    }
    *numbers = (ptm_numbers){0};
}
