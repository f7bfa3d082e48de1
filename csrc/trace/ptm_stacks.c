/* SPDX-License-Identifier: MIT */
#include "trace/ptm_stacks.h"

#include "base/ptm_hash.h"
#include "base/ptm_index.h"
#include "base/ptm_table.h"

#define NODE_CHUNK_BITS 14
#define FIRST_SWEEP 65536u /* nodes before the first sweep */

static ptm_table nodes = PTM_TABLE(ptm_node, NODE_CHUNK_BITS);
static ptm_index node_index;
static uint32_t sweep_at = FIRST_SWEEP;
static uint8_t *marks; /* a bit a node, while a sweep is under way */

static ptm_node *
node_at(ptm_node_id id)
{
    return ptm_table_at(&nodes, id, sizeof(ptm_node), NODE_CHUNK_BITS);
}

static uint32_t
hash_of(ptm_node_id caller, ptm_frame_id frame)
{
    return ptm_hash_pair(caller, frame);
}

ptm_node_id
ptm_stacks_push(ptm_node_id caller, ptm_frame_id frame)
{
    uint32_t hash = hash_of(caller, frame);
    ptm_node_id id;
    for (ptm_probe probe = ptm_probe_start(&node_index, hash); (id = ptm_probe_next(&node_index, &probe));) {
        if (node_at(id)->caller == caller && node_at(id)->frame == frame) {
            return id;
        }
    }
    id = ptm_table_new(&nodes);
    if (id != 0 && !ptm_index_put(&node_index, hash, id)) {
        ptm_table_drop(&nodes, id);
        return 0;
    }
    if (id != 0) {
        *node_at(id) = (ptm_node){caller, frame};
    }
    return id;
}

bool
ptm_stacks_same(ptm_node_id a, ptm_node_id b, uint32_t limit)
{
    for (; a != b && limit > 0; limit--) {
        if (a == 0 || b == 0 || node_at(a)->frame != node_at(b)->frame) {
            return false;
        }
        a = node_at(a)->caller;
        b = node_at(b)->caller;
    }
    return true;
}

const ptm_node *
ptm_stacks_at(ptm_node_id id)
{
    return node_at(id);
}

uint32_t
ptm_stacks_end(void)
{
    return nodes.used;
}

/* -- sweeping ------------------------------------------------------------------------------------------------------ */

bool
ptm_stacks_want_sweep(void)
{
    return ptm_table_count(&nodes) >= sweep_at;
}

static bool
is_marked(ptm_node_id id)
{
    return marks[id >> 3] >> (id & 7) & 1;
}

/* A node keeps its callers; a marked one has marked them already. */
void
ptm_stacks_mark(ptm_node_id id)
{
    for (; id != 0 && !is_marked(id); id = node_at(id)->caller) {
        marks[id >> 3] |= (uint8_t)(1u << (id & 7));
    }
}

static void
keep_marked(void)
{
    for (ptm_node_id id = 1; id < nodes.used; id++) {
        ptm_node *node = node_at(id);
        if (node->frame != 0 && is_marked(id)) {
            (void)ptm_index_put(&node_index, hash_of(node->caller, node->frame), id);
        }
        else if (node->frame != 0) {
            node->frame = 0;
            ptm_table_drop(&nodes, id);
        }
    }
}

ptm_err
ptm_stacks_sweep(void (*mark_all)(void))
{
    size_t bytes = nodes.used / 8 + 1;
    marks = ptm_mem_map(bytes);
    if (marks == NULL || !ptm_index_restart(&node_index, ptm_table_count(&nodes))) {
        ptm_mem_unmap(marks, bytes);
        return PTM_ENOMEM;
    }
    mark_all();
    keep_marked();
    ptm_mem_unmap(marks, bytes);
    marks = NULL;
    uint32_t left = ptm_table_count(&nodes);
    sweep_at = left + (left > FIRST_SWEEP ? left : FIRST_SWEEP);
    return PTM_OK;
}

void
ptm_stacks_clear(void)
{
    ptm_index_clear(&node_index);
    ptm_table_clear(&nodes);
    sweep_at = FIRST_SWEEP;
}

void
ptm_stacks_visit(ptm_mem_visit visit, void *arg)
{
    ptm_index_visit(&node_index, visit, arg);
    ptm_table_visit(&nodes, visit, arg);
}
