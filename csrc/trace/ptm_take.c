/* SPDX-License-Identifier: MIT */
#include "trace/ptm_take.h"

#include "trace/ptm_graves.h"
#include "trace/ptm_names.h"
#include "trace/ptm_stacks.h"

/* Numbers of the tracer's tables to numbers of the snapshot, filled as they are met; 0: not met yet. */
typedef struct {
    ptm_snap_builder *builder;
    uint32_t *stacks; /* by node id */
    size_t stacks_bytes;
} taking;

static ptm_str_id
take_string(taking *t, ptm_str_id id)
{
    size_t len;
    const char *bytes = ptm_names_bytes(id, &len);
    return ptm_snap_build_string(t->builder, bytes, len);
}

static ptm_frame_id
take_frame(taking *t, ptm_frame_id id)
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

/* The node's callers first: turns the chain round through `stacks`, whose entries are not needed before. */
static ptm_stack_id
take_stack(taking *t, ptm_node_id node)
{
    ptm_node_id todo = 0;
    while (node != 0 && t->stacks[node] == 0) {
        t->stacks[node] = todo;
        todo = node;
        node = ptm_stacks_at(node)->caller;
    }
    ptm_stack_id stack = node == 0 ? 0 : t->stacks[node];
    while (todo != 0) {
        ptm_node_id next = t->stacks[todo];
        stack = ptm_snap_build_stack(t->builder, stack, take_frame(t, ptm_stacks_at(todo)->frame));
        t->stacks[todo] = stack;
        todo = next;
    }
    return stack;
}

static void
take_site(taking *t, const ptm_site *site)
{
    ptm_snap_site taken = {.live = ptm_site_live(site),
                           .peak = ptm_site_share(site),
                           .allocated = site->allocated,
                           .allocated_bytes = site->allocated * site->size,
                           .size = site->size,
                           .stack = take_stack(t, site->node),
                           .depth = site->depth,
                           .domain = site->domain};
    ptm_snap_build_site(t->builder, &taken);
}

static void
take_grave(void *arg, const ptm_grave *grave)
{
    taking *t = arg;
    ptm_snap_site taken = {.allocated = grave->blocks,
                           .allocated_bytes = grave->bytes,
                           .stack = take_stack(t, grave->node),
                           .depth = grave->depth,
                           .folded = 1};
    ptm_snap_build_site(t->builder, &taken);
}

static ptm_err
begin(taking *t, uint32_t limit)
{
    t->stacks_bytes = ptm_stacks_end() * sizeof(uint32_t);
    t->stacks = ptm_mem_map(t->stacks_bytes);
    t->builder = t->stacks == NULL ? NULL : ptm_snap_build_new(limit);
    if (t->builder == NULL) {
        ptm_mem_unmap(t->stacks, t->stacks_bytes);
        return PTM_ENOMEM;
    }
    return PTM_OK;
}

static ptm_err
end(taking *t, ptm_snap **out)
{
    ptm_mem_unmap(t->stacks, t->stacks_bytes);
    return ptm_snap_build_finish(t->builder, out);
}

ptm_err
ptm_take_all(uint32_t limit, ptm_snap **out)
{
    taking t;
    ptm_err err = begin(&t, limit);
    if (err != PTM_OK) {
        return err;
    }
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        if (ptm_site_at(id)->state != PTM_SITE_FREE) {
            take_site(&t, ptm_site_at(id));
        }
    }
    ptm_graves_each(take_grave, &t);
    uint64_t blocks = 0, bytes = 0;
    for (int i = 0; i < PTM_N_LANES; i++) {
        blocks += ptm_lanes[i].lost_blocks;
        bytes += ptm_lanes[i].lost_bytes;
    }
    ptm_snap_build_losses(t.builder, blocks, bytes);
    return end(&t, out);
}

ptm_err
ptm_take_one(uint32_t limit, ptm_site_id id, ptm_snap **out)
{
    taking t;
    ptm_err err = begin(&t, limit);
    if (err != PTM_OK) {
        return err;
    }
    ptm_site one = *ptm_site_at(id);
    one.live = one.allocated = 1;
    one.freed_elsewhere = one.epoch = 0;
    take_site(&t, &one);
    return end(&t, out);
}
