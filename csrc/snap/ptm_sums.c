/* SPDX-License-Identifier: MIT
 *
 * Cumulative sums without walking a stack per site: a site's numbers are pushed down the tree of
 * stacks, from the youngest to the oldest frame. Stacks come before their callees' stacks, so one
 * pass from the last id to the first sees a stack only when all that lies above it has been added:
 * its subtree's total is complete, and every site of it has this stack's frame once more on its own
 * stack. "Per frame" adds the total of every stack to its frame's group. "Once" adds it only where
 * no caller's frame is in the same group already: of a group's frames on one stack exactly the
 * oldest counts. Whether a caller has the group is known in a walk of the tree by depth that
 * counts, per group, its frames on the path.
 *
 * Where the stacks of the sites have few frames in common, or a filter left few sites of a big
 * tree, it is cheaper to walk every site's stack than to pass over the tree; "once" then remembers
 * which site a group saw last.
 */
#include "snap/ptm_sums.h"

#include "base/ptm_array.h"

#include <string.h>

static void
add(ptm_sum *to, ptm_sum sum)
{
    to->size += sum.size;
    to->count += sum.count;
}

static ptm_sum
sum_of_site(const ptm_snap_site *site, ptm_metric metric)
{
    return (ptm_sum){ptm_site_total_bytes(site, metric), ptm_site_count(site, metric)};
}

static void
add_flat(const ptm_snap *snap, const uint32_t *number_of, ptm_metric metric, ptm_sum *sums)
{
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        ptm_sum sum = sum_of_site(&snap->sites[i], metric);
        if (sum.count != 0) {
            add(&sums[number_of[snap->stacks[snap->sites[i].stack].frame]], sum);
        }
    }
}

/* -- by walking the stacks of sites ------------------------------------------------------------ */

/* A stack of the tree costs about as much as a step of a walk, twice as much for "once"
 * (bench/snap_bench.c). */
static bool
walking_is_cheaper(const ptm_snap *snap, ptm_metric metric, ptm_cumulative cumulative)
{
    uint64_t steps = 0, worth = cumulative == PTM_CUMULATIVE_ONCE ? 2 : 1;
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        if (ptm_site_count(&snap->sites[i], metric) != 0) {
            steps += snap->stacks[snap->sites[i].stack].nframe;
        }
    }
    return steps / worth < snap->n_stacks;
}

static void
walk_per_frame(const ptm_snap *snap, const uint32_t *number_of, ptm_metric metric, ptm_sum *sums)
{
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        ptm_sum sum = sum_of_site(&snap->sites[i], metric);
        ptm_stack_id id = sum.count == 0 ? 0 : snap->sites[i].stack;
        for (; id != 0; id = snap->stacks[id].parent) {
            add(&sums[number_of[snap->stacks[id].frame]], sum);
        }
    }
}

static ptm_err
walk_once(const ptm_snap *snap, const uint32_t *number_of, size_t n_numbers, ptm_metric metric,
          ptm_sum *sums)
{
    uint32_t *seen_by =
        ptm_array_zeroed(n_numbers + 1, sizeof(*seen_by)); /* the last site that had it, + 1 */
    if (seen_by == NULL) {
        return PTM_ENOMEM;
    }
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        ptm_sum sum = sum_of_site(&snap->sites[i], metric);
        ptm_stack_id id = sum.count == 0 ? 0 : snap->sites[i].stack;
        for (; id != 0; id = snap->stacks[id].parent) {
            uint32_t number = number_of[snap->stacks[id].frame];
            if (seen_by[number] != i + 1) {
                seen_by[number] = i + 1;
                add(&sums[number], sum);
            }
        }
    }
    ptm_array_free(seen_by);
    return PTM_OK;
}

/* -- by passing over the tree ------------------------------------------------------------------ */

/* What the sites of each stack add up to; not yet what those above it do. NULL: no memory. */
static ptm_sum *
sums_of_stacks(const ptm_snap *snap, ptm_metric metric)
{
    ptm_sum *totals = ptm_array_zeroed(snap->n_stacks, sizeof(*totals));
    if (totals == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        ptm_sum sum = sum_of_site(&snap->sites[i], metric);
        if (sum.count != 0) {
            add(&totals[snap->sites[i].stack], sum);
        }
    }
    return totals;
}

static void
add_per_frame(const ptm_snap *snap, const uint32_t *number_of, ptm_sum *totals, ptm_sum *sums)
{
    for (uint32_t id = snap->n_stacks - 1; id > 0; id--) {
        if (totals[id].count != 0) {
            add(&sums[number_of[snap->stacks[id].frame]], totals[id]);
            add(&totals[snap->stacks[id].parent], totals[id]);
        }
    }
}

/* The tree of stacks from callers to callees; 0 is none. Only stacks that have sites in their
 * subtree. */
typedef struct {
    uint32_t *first, *next;
    uint32_t *on_path; /* per number: how many of its frames are on the path walked */
} tree;

static void
link_tree(const ptm_snap *snap, ptm_sum *totals, tree *t)
{
    for (uint32_t id = snap->n_stacks - 1; id > 0; id--) {
        if (totals[id].count != 0) {
            uint32_t parent = snap->stacks[id].parent;
            add(&totals[parent], totals[id]);
            t->next[id] = t->first[parent];
            t->first[parent] = id;
        }
    }
}

static void
walk_tree(const ptm_snap *snap, const uint32_t *number_of, const ptm_sum *totals, tree *t,
          ptm_sum *sums)
{
    uint32_t id = t->first[0];
    while (id != 0) {
        uint32_t number = number_of[snap->stacks[id].frame];
        if (t->on_path[number]++ == 0) {
            add(&sums[number], totals[id]);
        }
        if (t->first[id] != 0) {
            id = t->first[id];
            continue;
        }
        t->on_path[number]--;
        while (t->next[id] == 0 && (id = snap->stacks[id].parent) != 0) {
            t->on_path[number_of[snap->stacks[id].frame]]--;
        }
        id = t->next[id];
    }
}

static ptm_err
add_once(const ptm_snap *snap, const uint32_t *number_of, size_t n_numbers, ptm_sum *totals,
         ptm_sum *sums)
{
    tree t = {
        .first = ptm_array_zeroed(snap->n_stacks, sizeof(uint32_t)),
        .next = ptm_array_zeroed(snap->n_stacks, sizeof(uint32_t)),
        .on_path = ptm_array_zeroed(n_numbers + 1, sizeof(uint32_t)),
    };
    bool ok = t.first != NULL && t.next != NULL && t.on_path != NULL;
    if (ok) {
        link_tree(snap, totals, &t);
        walk_tree(snap, number_of, totals, &t, sums);
    }
    ptm_array_free(t.first);
    ptm_array_free(t.next);
    ptm_array_free(t.on_path);
    return ok ? PTM_OK : PTM_ENOMEM;
}

static ptm_err
add_tree(const ptm_snap *snap, const uint32_t *number_of, size_t n_numbers, ptm_metric metric,
         ptm_cumulative cumulative, ptm_sum *sums)
{
    ptm_err err = PTM_OK;
    ptm_sum *totals = sums_of_stacks(snap, metric);
    if (totals == NULL) {
        return PTM_ENOMEM;
    }
    if (cumulative == PTM_CUMULATIVE_FRAMES) {
        add_per_frame(snap, number_of, totals, sums);
    }
    else {
        err = add_once(snap, number_of, n_numbers, totals, sums);
    }
    ptm_array_free(totals);
    return err;
}

static void
add_sites(const ptm_snap *snap, const uint32_t *number_of, ptm_metric metric, ptm_sum *sums)
{
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        ptm_sum sum = sum_of_site(&snap->sites[i], metric);
        if (sum.count != 0) {
            add(&sums[number_of[i]], sum);
        }
    }
}

ptm_err
ptm_sums_add(const ptm_snap *snap, int side, const ptm_numbers *numbers,
             const ptm_group_query *query, ptm_sum *sums)
{
    const uint32_t *number_of = numbers->of[side];
    ptm_metric metric = ptm_metric_of_side(query, side);
    if (ptm_by_site(query->by)) {
        add_sites(snap, number_of, metric, sums);
        return PTM_OK;
    }
    if (query->cumulative == PTM_FLAT) {
        add_flat(snap, number_of, metric, sums);
        return PTM_OK;
    }
    if (!walking_is_cheaper(snap, metric, query->cumulative)) {
        return add_tree(snap, number_of, numbers->n, metric, query->cumulative, sums);
    }
    if (query->cumulative == PTM_CUMULATIVE_FRAMES) {
        walk_per_frame(snap, number_of, metric, sums);
        return PTM_OK;
    }
    return walk_once(snap, number_of, numbers->n, metric, sums);
}
