/* SPDX-License-Identifier: MIT
 *
 * Sums by traceback. Within one snapshot equal ids are equal stacks, and if no two of its frames
 * share file and line, nothing else is equal. Otherwise, and between two snapshots, stacks meet by
 * a hash of their path (one forward pass over the tree) and are compared frame by frame, as
 * numbers, where hashes agree.
 */
#include "snap/ptm_ids.h"
#include "snap/ptm_scratch.h"
#include "snap/ptm_sums.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const ptm_keys *keys;
    ptm_bags *bags;
    uint64_t *path[2]; /* stack -> hash of its lines */
    ptm_ids by_path;
    bool by_content; /* stacks with different ids may be equal */
} filling;

/* A stack often waits for the one before it, its caller: so a step is short, and what makes it hard
 * to foretell is a factor that nobody knows. */
static uint64_t *
hash_paths(const ptm_keys *keys, int side, uint64_t factor)
{
    const ptm_snap *snap = keys->snap[side];
    uint64_t *path = ptm_scratch(snap->n_stacks, sizeof(*path));
    if (path == NULL) {
        return NULL;
    }
    path[0] = factor;
    for (uint32_t id = 1; id < snap->n_stacks; id++) {
        const ptm_snap_stack *stack = &snap->stacks[id];
        path[id] = (path[stack->parent] ^ (keys->line_of[side][stack->frame] + 1u)) * factor;
    }
    return path;
}

static bool
same_stack(const ptm_keys *keys, int side_a, ptm_stack_id a, int side_b, ptm_stack_id b)
{
    const ptm_snap_stack *in_a = keys->snap[side_a]->stacks, *in_b = keys->snap[side_b]->stacks;
    if (in_a[a].nframe != in_b[b].nframe) {
        return false;
    }
    while (a != 0 && !(side_a == side_b && a == b)) {
        if (keys->line_of[side_a][in_a[a].frame] != keys->line_of[side_b][in_b[b].frame]) {
            return false;
        }
        a = in_a[a].parent;
        b = in_b[b].parent;
    }
    return true;
}

/* The bag of a stack that is not known by its id: an equal stack's, or a new one. NULL: no
 * memory. */
static ptm_bag *
bag_of(filling *f, int side, ptm_stack_id stack)
{
    ptm_bag *items = f->bags->items;
    if (f->by_content) {
        uint64_t hash = f->path[side][stack];
        ptm_ids_probe probe = ptm_ids_find(&f->by_path, hash);
        while (ptm_ids_next(&f->by_path, &probe)) {
            ptm_bag *bag = &items[probe.id];
            if (same_stack(f->keys, bag->side, bag->stack, side, stack)) {
                bag->merged |= bag->side == side;
                return bag;
            }
        }
        if (!ptm_ids_put(&f->by_path, hash, (uint32_t)f->bags->len)) {
            return NULL;
        }
    }
    items[f->bags->len] = (ptm_bag){.stack = stack, .side = (uint8_t)side};
    return &items[f->bags->len++];
}

static bool
fill_side(filling *f, int side, ptm_metric metric)
{
    const ptm_snap *snap = f->keys->snap[side];
    /* stack -> index of its bag + 1 */
    uint32_t *known = ptm_scratch_zeroed(snap->n_stacks, sizeof(*known));
    if (known == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        const ptm_snap_site *site = &snap->sites[i];
        uint64_t count = ptm_site_count(site, metric);
        if (count == 0) {
            continue;
        }
        if (known[site->stack] == 0) {
            ptm_bag *bag = bag_of(f, side, site->stack);
            if (bag == NULL) {
                free(known);
                return false;
            }
            known[site->stack] = (uint32_t)(bag - f->bags->items) + 1;
        }
        ptm_sum *sum = &f->bags->items[known[site->stack] - 1].sum[side];
        sum->size += ptm_site_total_bytes(site, metric);
        sum->count += count;
    }
    free(known);
    return true;
}

static bool
fill(filling *f, const ptm_group_query *query)
{
    const ptm_keys *keys = f->keys;
    size_t most = 1;
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        most += keys->snap[side]->n_sites;
    }
    if (most >= PTM_SNAP_NONE || !(f->bags->items = ptm_scratch(most, sizeof(ptm_bag)))) {
        return false;
    }
    if (f->by_content && !ptm_ids_init(&f->by_path, keys->snap[0]->n_sites / 2)) {
        return false;
    }
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        if (f->by_content && !(f->path[side] = hash_paths(keys, side, f->by_path.salt | 1))) {
            return false;
        }
        if (!fill_side(f, side, ptm_metric_of_side(query, side))) {
            return false;
        }
    }
    return true;
}

ptm_err
ptm_bags_fill(const ptm_keys *keys, const ptm_group_query *query, ptm_bags *bags)
{
    filling f = {.keys = keys, .bags = bags, .by_content = keys->twins || keys->snap[1] != NULL};
    *bags = (ptm_bags){0};
    bool ok = fill(&f, query);
    free(f.path[0]);
    free(f.path[1]);
    ptm_ids_fini(&f.by_path);
    if (!ok) {
        free(bags->items);
        *bags = (ptm_bags){0};
        return PTM_ENOMEM;
    }
    return PTM_OK;
}
