/* SPDX-License-Identifier: MIT */
#include "trace/ptm_take.h"

#include "trace/ptm_names.h"
#include "trace/ptm_stacks.h"
#include "trace/ptm_tails.h"

/* Numbers of the tracer's tables to numbers of the snapshot, plus one, filled as they are met; 0:
 * not met yet. */
typedef struct {
    uint32_t *numbers;
    size_t bytes;
} renumbering;

typedef struct {
    ptm_snap_builder *builder;
    uint32_t limit;
    renumbering frames, stacks; /* by frame and node id */
    renumbering chain;          /* the nodes of one window, most recent first */
} taking;

static ptm_str_id
take_string(taking *t, ptm_str_id id)
{
    size_t len;
    const char *bytes = ptm_names_bytes(id, &len);
    return ptm_snap_build_string(t->builder, bytes, len);
}

static ptm_frame_id
build_frame(taking *t, ptm_frame_id id)
{
    const ptm_frame *frame = ptm_names_frame_at(id);
    ptm_snap_frame taken = {.file = take_string(t, frame->file),
                            .name = frame->name == 0 ? PTM_SNAP_NONE : take_string(t, frame->name),
                            .lineno = frame->lineno,
                            .end_lineno = frame->end_lineno,
                            .colno = frame->colno,
                            .end_colno = frame->end_colno};
    return ptm_snap_build_frame(t->builder, &taken);
}

static ptm_frame_id
take_frame(taking *t, ptm_frame_id id)
{
    uint32_t *number = &t->frames.numbers[id];
    if (*number == 0) {
        *number = build_frame(t, id) + 1;
    }
    return *number - 1;
}

/* The window of a node into t->chain; *whole: it has no callers beyond. */
static uint32_t
follow(taking *t, ptm_node_id node, bool *whole)
{
    uint32_t n = 0;
    for (; node != 0 && n < t->limit; node = ptm_stacks_at(node)->caller) {
        t->chain.numbers[n++] = node;
    }
    *whole = node == 0;
    return n;
}

/* Nodes whose stack is whole share their callers' numbers; where the limit cuts, each window is its
 * own. */
static ptm_stack_id
take_stack(taking *t, ptm_node_id node)
{
    uint32_t *numbers = t->stacks.numbers;
    if (numbers[node] != 0) {
        return numbers[node] - 1;
    }
    bool whole;
    ptm_stack_id stack = 0;
    for (uint32_t i = follow(t, node, &whole); i-- > 0;) {
        ptm_node_id at = t->chain.numbers[i];
        if (!whole || numbers[at] == 0) {
            stack =
                ptm_snap_build_stack(t->builder, stack, take_frame(t, ptm_stacks_at(at)->frame));
            numbers[at] = whole || i == 0 ? stack + 1 : numbers[at];
        }
        else {
            stack = numbers[at] - 1;
        }
    }
    return stack;
}

static void
take_site(taking *t, const ptm_site *site, uint64_t share)
{
    ptm_snap_site taken = {.live = site->live,
                           .peak = share,
                           .allocated = site->allocated,
                           .allocated_bytes = site->allocated * site->size,
                           .size = site->size,
                           .stack = take_stack(t, site->node),
                           .depth = site->depth,
                           .domain = site->domain};
    ptm_snap_build_site(t->builder, &taken);
}

/* What was allocated at sites of this stack that are recycled. */
static void
take_dead(taking *t, ptm_node_id id)
{
    const ptm_node *node = ptm_stacks_at(id);
    if (node->frame != 0 && node->dead_blocks != 0) {
        ptm_snap_site taken = {.allocated = node->dead_blocks,
                               .allocated_bytes = node->dead_bytes,
                               .stack = take_stack(t, id),
                               .folded = 1};
        ptm_snap_build_site(t->builder, &taken);
    }
}

static void
take_losses(taking *t)
{
    uint64_t blocks = 0, bytes = 0;
    for (int i = 0; i < PTM_N_LANES; i++) {
        blocks += ptm_lanes[i].lost_blocks;
        bytes += ptm_lanes[i].lost_bytes;
    }
    ptm_snap_build_losses(t->builder, blocks, bytes);
}

static bool
make(renumbering *r, size_t n)
{
    r->bytes = (n + 1) * sizeof(uint32_t);
    r->numbers = ptm_mem_map(r->bytes);
    return r->numbers != NULL;
}

static void
drop(taking *t)
{
    renumbering *all[] = {&t->frames, &t->stacks, &t->chain};
    for (size_t i = 0; i < PTM_ARRAY_LEN(all); i++) {
        ptm_mem_unmap(all[i]->numbers, all[i]->bytes);
    }
}

static ptm_err
begin(taking *t, uint32_t limit)
{
    *t = (taking){.limit = limit};
    bool made = make(&t->frames, ptm_names_frame_end()) && make(&t->stacks, ptm_stacks_end())
                && make(&t->chain, limit);
    t->builder = made ? ptm_snap_build_new(limit) : NULL;
    if (t->builder == NULL) {
        drop(t);
        return PTM_ENOMEM;
    }
    return PTM_OK;
}

static ptm_err
end(taking *t, ptm_snap **out)
{
    drop(t);
    return ptm_snap_build_finish(t->builder, out);
}

ptm_err
ptm_take_all(uint32_t limit, ptm_snap **out)
{
    taking t;
    ptm_err err = ptm_tails_join_all() ? begin(&t, limit) : PTM_ENOMEM;
    if (err != PTM_OK) {
        return err;
    }
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        if (ptm_site_at(id)->state != PTM_SITE_FREE) {
            take_site(&t, ptm_site_at(id), ptm_site_share(ptm_site_at(id)));
        }
    }
    for (ptm_node_id id = 1; id < ptm_stacks_end(); id++) {
        take_dead(&t, id);
    }
    take_losses(&t);
    return end(&t, out);
}

ptm_err
ptm_take_one(uint32_t limit, ptm_site_id id, ptm_snap **out)
{
    taking t;
    ptm_err err = ptm_tails_join(ptm_site_at(id)) ? begin(&t, limit) : PTM_ENOMEM;
    if (err != PTM_OK) {
        return err;
    }
    ptm_site one = *ptm_site_at(id);
    one.live = one.allocated = 1;
    take_site(&t, &one, 1);
    return end(&t, out);
}
