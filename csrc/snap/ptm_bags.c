/* SPDX-License-Identifier: MIT
 *
 * Sums by traceback. Within one snapshot equal ids are equal stacks. Others are equal only if they
 * have twins: lines that several frames share. Stacks with twins meet by a hash of their path, and
 * are compared frame by frame, as numbers, where hashes agree. Between two snapshots the others
 * meet from the root on, by caller and line. Most of them are in the same order in both, so the
 * next one is guessed; only what nobody's guess was right for is looked up.
 */
#include "snap/ptm_bags.h"

#include <string.h>

#include "base/ptm_array.h"
#include "snap/ptm_ids.h"

typedef struct {
    const ptm_keys *keys;
    ptm_bags *bags;
    uint32_t *known[2];   /* stack -> index of its bag + 1; 0: not met yet */
    uint8_t *has_twin[2]; /* stack -> whether another of its side may equal it; NULL: none does */
    uint32_t *match;      /* stack of side 1 without a twin -> the same of side 0; 0: none */
    uint64_t *path[2];    /* stack -> hash of its lines; 0: not asked for yet */
    ptm_stack_id *way;    /* room for the way down to a stack; NULL: nobody has asked by content */
    ptm_ids by_path;      /* bags with twins */
} filling;

/* -- twins ------------------------------------------------------------------------------------- */

#define SHARED 4u /* beside a bit for each side that has the line */

/* By number of a line; NULL: no memory. */
static uint8_t *
shared_lines(const ptm_keys *keys)
{
    uint8_t *lines = ptm_array_zeroed(keys->n_lines + 1, 1);
    for (int side = 0; lines != NULL && side < 2 && keys->snap[side] != NULL; side++) {
        for (uint32_t i = 0; i < keys->snap[side]->n_frames; i++) {
            uint8_t *line = &lines[keys->line_of[side][i]];
            *line |= *line & (1u << side) ? SHARED : 1u << side;
        }
    }
    return lines;
}

/* A line that is shared on one side counts on both: equal stacks are told alike. */
static bool
find_twins(filling *f, int side, const uint8_t *lines)
{
    const ptm_snap *snap = f->keys->snap[side];
    uint8_t *has = f->has_twin[side] = ptm_array_new(snap->n_stacks, 1);
    if (has == NULL) {
        return false;
    }
    has[0] = 0;
    for (uint32_t id = 1; id < snap->n_stacks; id++) {
        const ptm_snap_stack *stack = &snap->stacks[id];
        has[id] = has[stack->parent] | (lines[f->keys->line_of[side][stack->frame]] & SHARED);
    }
    return true;
}

static bool
find_all_twins(filling *f)
{
    uint8_t *lines = shared_lines(f->keys);
    bool ok = lines != NULL;
    for (int side = 0; ok && side < 2 && f->keys->snap[side] != NULL; side++) {
        ok = find_twins(f, side, lines);
    }
    ptm_array_free(lines);
    return ok;
}

static bool
has_twin(const filling *f, int side, ptm_stack_id stack)
{
    return f->has_twin[side] != NULL && f->has_twin[side][stack] != 0;
}

/* -- by order ---------------------------------------------------------------------------------- */

/* From a caller of side 0 to the next line. */
typedef struct {
    ptm_stack_id parent;
    uint32_t line;
} step;

/* Where side 0 is expected to go on; and how far ahead of it may be looked, at first and now. All
 * looking ahead together is a few passes at most. */
typedef struct {
    ptm_stack_id next, other; /* behind the last match, and behind the last before a leap */
    size_t reach, left;       /* steps */
} guess;

#define FIRST_REACH ((size_t)100)
#define PASSES ((size_t)4)

/* The step to a stack of side 1; false: side 0 has not even its caller. */
static bool
step_to(const filling *f, ptm_stack_id id, step *out)
{
    const ptm_snap_stack *stack = &f->keys->snap[1]->stacks[id];
    *out = (step){f->match[stack->parent], f->keys->line_of[1][stack->frame]};
    return out->parent != 0 || stack->parent == 0;
}

static bool
leads_to(const ptm_keys *keys, step s, ptm_stack_id at)
{
    const ptm_snap *snap = keys->snap[0];
    return at < snap->n_stacks && snap->stacks[at].parent == s.parent
           && keys->line_of[0][snap->stacks[at].frame] == s.line;
}

/* Behind rows that only side 0 has (each stack of a row is the caller of the next). 0: not so
 * near; the next time it may be further. */
static ptm_stack_id
look_ahead(const ptm_keys *keys, guess *g, step s)
{
    const ptm_snap_stack *stacks = keys->snap[0]->stacks;
    size_t n = keys->snap[0]->n_stacks, reach = g->reach < g->left ? g->reach : g->left;
    size_t end = g->next + reach < n ? g->next + reach : n;
    ptm_stack_id at = g->next;
    while (at < end && (stacks[at].parent == at - 1 || !leads_to(keys, s, at))) {
        at++;
    }
    g->left -= at - g->next;
    g->reach = at < end ? FIRST_REACH : reach * 2;
    return at < end ? at : 0;
}

/* Where the step leads on side 0 if not to the next one, or 0. */
static ptm_stack_id
guess_step(const ptm_keys *keys, guess *g, step s)
{
    ptm_stack_id found = leads_to(keys, s, g->other) ? g->other : look_ahead(keys, g, s);
    if (found != 0) {
        *g = (guess){found + 1, g->next, FIRST_REACH, g->left};
    }
    return found;
}

/* As long as both sides go on alike. Returns where side 1 does not. */
static uint32_t
go_along(filling *f, uint32_t id, guess *g, uint8_t *found)
{
    const ptm_snap_stack *of_0 = f->keys->snap[0]->stacks, *of_1 = f->keys->snap[1]->stacks;
    const uint32_t *line_0 = f->keys->line_of[0], *line_1 = f->keys->line_of[1];
    uint32_t first = id, n_0 = f->keys->snap[0]->n_stacks, n_1 = f->keys->snap[1]->n_stacks;
    uint32_t *match = f->match, at = g->next;
    for (; id < n_1 && at < n_0; id++, at++) {
        bool alike = match[of_1[id].parent] == of_0[at].parent
                     && line_1[of_1[id].frame] == line_0[of_0[at].frame]
                     && (of_0[at].parent != 0 || of_1[id].parent == 0);
        if (!alike) {
            break;
        }
        match[id] = at;
        found[at] = 1;
    }
    g->next = at;
    g->reach = id != first ? FIRST_REACH : g->reach;
    return id;
}

/* What guessing finds; the stacks of side 0 that were found are marked. Returns how many are
 * left. */
static size_t
guess_matches(filling *f, uint8_t *found)
{
    uint32_t n = f->keys->snap[1]->n_stacks;
    guess g = {1, 1, FIRST_REACH, PASSES * f->keys->snap[0]->n_stacks};
    size_t n_left = 0;
    for (uint32_t id = go_along(f, 1, &g, found); id < n; id = go_along(f, id + 1, &g, found)) {
        step s;
        ptm_stack_id same = step_to(f, id, &s) ? guess_step(f->keys, &g, s) : 0;
        n_left += same == 0 && !has_twin(f, 1, id);
        found[same] = 1;
        f->match[id] = same;
    }
    return n_left;
}

static uint64_t
step_hash(step s)
{
    return (uint64_t)s.parent << 32 | s.line;
}

/* Those of side 0 that nobody has found. Twins have the same caller and line: as many as a file
 * likes would be one hash. */
static bool
index_rest(const filling *f, const uint8_t *found, ptm_ids *rest)
{
    const ptm_snap *snap = f->keys->snap[0];
    bool ok = ptm_ids_init(rest, 64);
    for (uint32_t id = 1; ok && id < snap->n_stacks; id++) {
        if (!found[id] && !has_twin(f, 0, id)) {
            const ptm_snap_stack *stack = &snap->stacks[id];
            step s = {stack->parent, f->keys->line_of[0][stack->frame]};
            ok = ptm_ids_put(rest, step_hash(s), id);
        }
    }
    return ok;
}

static ptm_stack_id
look_up(const ptm_keys *keys, const ptm_ids *rest, step s)
{
    ptm_ids_probe probe = ptm_ids_find(rest, step_hash(s));
    while (ptm_ids_next(rest, &probe)) {
        if (leads_to(keys, s, probe.id)) {
            return probe.id;
        }
    }
    return 0;
}

static bool
match_rest(filling *f, const uint8_t *found)
{
    const ptm_snap *snap = f->keys->snap[1];
    ptm_ids rest;
    bool ok = index_rest(f, found, &rest);
    for (uint32_t id = 1; ok && id < snap->n_stacks; id++) {
        step s;
        if (f->match[id] == 0 && !has_twin(f, 1, id) && step_to(f, id, &s)) {
            f->match[id] = look_up(f->keys, &rest, s);
        }
    }
    ptm_ids_fini(&rest);
    return ok;
}

/* A stack is the same if its caller and its line are: each match is proved, whatever was guessed,
 * and what has no twin is found by one other at most. */
static bool
match_stacks(filling *f)
{
    const ptm_keys *keys = f->keys;
    uint8_t *found = ptm_array_zeroed(keys->snap[0]->n_stacks, 1);
    f->match = ptm_array_new(keys->snap[1]->n_stacks, sizeof(*f->match));
    bool ok = found != NULL && f->match != NULL;
    if (ok) {
        f->match[0] = 0;
        ok = guess_matches(f, found) == 0 || match_rest(f, found);
    }
    ptm_array_free(found);
    return ok;
}

/* -- by content -------------------------------------------------------------------------------- */

/* What makes the hash hard to foretell is a factor that nobody knows. Callers keep theirs. */
static uint64_t
path_of(filling *f, int side, ptm_stack_id stack)
{
    const ptm_snap_stack *stacks = f->keys->snap[side]->stacks;
    uint64_t *path = f->path[side], factor = f->by_path.salt | 1;
    size_t n = 0;
    for (; path[stack] == 0; stack = stacks[stack].parent) {
        f->way[n++] = stack;
    }
    uint64_t hash = path[stack];
    while (n > 0) {
        uint32_t line = f->keys->line_of[side][stacks[f->way[--n]].frame];
        hash = (hash ^ (line + 1u)) * factor;
        hash = hash != 0 ? hash : factor;
        path[f->way[n]] = hash;
    }
    return hash;
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

static ptm_bag *
new_bag(filling *f, int side, ptm_stack_id stack)
{
    f->bags->items[f->bags->len] = (ptm_bag){.stack = stack, .side = (uint8_t)side};
    return &f->bags->items[f->bags->len++];
}

/* An equal stack's bag, or a new one; NULL: no memory. */
static ptm_bag *
bag_by_content(filling *f, int side, ptm_stack_id stack)
{
    uint64_t hash = path_of(f, side, stack);
    ptm_ids_probe probe = ptm_ids_find(&f->by_path, hash);
    while (ptm_ids_next(&f->by_path, &probe)) {
        ptm_bag *bag = &f->bags->items[probe.id];
        if (same_stack(f->keys, bag->side, bag->stack, side, stack)) {
            bag->merged |= bag->side == side;
            return bag;
        }
    }
    bool put = ptm_ids_put(&f->by_path, hash, (uint32_t)f->bags->len);
    return put ? new_bag(f, side, stack) : NULL;
}

static size_t
most_frames(const ptm_keys *keys)
{
    size_t most = 0;
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        const ptm_snap *snap = keys->snap[side];
        for (uint32_t i = 0; i < snap->n_sites; i++) {
            size_t n = snap->stacks[snap->sites[i].stack].nframe;
            most = n > most ? n : most;
        }
    }
    return most;
}

/* What is needed to ask by content. */
static bool
prepare_paths(filling *f)
{
    f->way = ptm_array_new(most_frames(f->keys), sizeof(*f->way));
    bool ok = f->way != NULL && ptm_ids_init(&f->by_path, f->keys->snap[0]->n_sites / 8);
    for (int side = 0; ok && side < 2 && f->keys->snap[side] != NULL; side++) {
        f->path[side] = ptm_array_zeroed(f->keys->snap[side]->n_stacks, sizeof(uint64_t));
        ok = f->path[side] != NULL;
        if (ok) {
            f->path[side][0] = f->by_path.salt | 1;
        }
    }
    return ok;
}

/* -- filling ----------------------------------------------------------------------------------- */

/* The bag of a stack that is not known by its id: an equal stack's, or a new one. NULL: no
 * memory. */
static ptm_bag *
bag_of(filling *f, int side, ptm_stack_id stack)
{
    if (has_twin(f, side, stack)) {
        bool ready = f->way != NULL || prepare_paths(f);
        return ready ? bag_by_content(f, side, stack) : NULL;
    }
    ptm_stack_id same = side == 1 ? f->match[stack] : 0;
    uint32_t known = same != 0 ? f->known[0][same] : 0;
    return known != 0 ? &f->bags->items[known - 1] : new_bag(f, side, stack);
}

static bool
fill_side(filling *f, int side, ptm_metric metric)
{
    const ptm_snap *snap = f->keys->snap[side];
    uint32_t *known = f->known[side] = ptm_array_zeroed(snap->n_stacks, sizeof(*known));
    for (uint32_t i = 0; known != NULL && i < snap->n_sites; i++) {
        const ptm_snap_site *site = &snap->sites[i];
        uint64_t count = ptm_site_count(site, metric);
        if (count == 0) {
            continue;
        }
        if (known[site->stack] == 0) {
            ptm_bag *bag = bag_of(f, side, site->stack);
            if (bag == NULL) {
                return false;
            }
            known[site->stack] = (uint32_t)(bag - f->bags->items) + 1;
        }
        ptm_sum *sum = &f->bags->items[known[site->stack] - 1].sum[side];
        sum->size += ptm_site_total_bytes(site, metric);
        sum->count += count;
    }
    return known != NULL;
}

static bool
fill(filling *f, const ptm_group_query *query)
{
    const ptm_keys *keys = f->keys;
    size_t most = 1;
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        most += keys->snap[side]->n_sites;
    }
    if (most >= PTM_SNAP_NONE || !(f->bags->items = ptm_array_new(most, sizeof(ptm_bag)))) {
        return false;
    }
    if ((keys->twins && !find_all_twins(f)) || (keys->snap[1] != NULL && !match_stacks(f))) {
        return false;
    }
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        if (!fill_side(f, side, ptm_metric_of_side(query, side))) {
            return false;
        }
    }
    return true;
}

ptm_err
ptm_bags_fill(const ptm_keys *keys, const ptm_group_query *query, ptm_bags *bags)
{
    filling f = {.keys = keys, .bags = bags};
    *bags = (ptm_bags){0};
    bool ok = fill(&f, query);
    ptm_array_free(f.match);
    for (int side = 0; side < 2; side++) {
        ptm_array_free(f.known[side]);
        ptm_array_free(f.has_twin[side]);
        ptm_array_free(f.path[side]);
    }
    ptm_array_free(f.way);
    ptm_ids_fini(&f.by_path);
    if (!ok) {
        ptm_array_free(bags->items);
        *bags = (ptm_bags){0};
        return PTM_ENOMEM;
    }
    return PTM_OK;
}
