/* SPDX-License-Identifier: MIT */
#include "trace/ptm_stacks.h"

#include "base/ptm_hash.h"
#include "base/ptm_index.h"

#define FIRST_SWEEP 65536u /* nodes before the first sweep */

ptm_table_directory ptm_stack_chunks;
ptm_table ptm_stack_table = PTM_TABLE(ptm_node, PTM_STACK_CHUNK_BITS, ptm_stack_chunks);
static ptm_index node_index;
static uint32_t sweep_at = FIRST_SWEEP;

/* While a sweep is under way. */
static uint8_t *marks;   /* a bit a node */
static uint32_t n_marks; /* nodes beyond these cannot be marked */

static ptm_node *
node_at(ptm_node_id id)
{
    return (ptm_node *)ptm_stacks_at(id);
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
    for (ptm_probe probe = ptm_probe_start(&node_index, hash);
         (id = ptm_probe_next(&node_index, &probe));) {
        if (node_at(id)->caller == caller && node_at(id)->frame == frame) {
            return id;
        }
    }
    id = ptm_table_new(&ptm_stack_table);
    if (id != 0 && !ptm_index_put(&node_index, hash, id)) {
        ptm_table_drop(&ptm_stack_table, id);
        return 0;
    }
    if (id != 0) {
        *node_at(id) = (ptm_node){.caller = caller, .frame = frame};
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

/* -- sweeping ---------------------------------------------------------------------------------- */

bool
ptm_stacks_want_sweep(void)
{
    return ptm_table_count(&ptm_stack_table) >= sweep_at;
}

bool
ptm_stacks_crowded(void)
{
    return ptm_table_count(&ptm_stack_table) >= FIRST_SWEEP / 2;
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

void
ptm_stacks_bury(ptm_node_id id, uint64_t blocks, uint64_t bytes)
{
    node_at(id)->dead_blocks += blocks;
    node_at(id)->dead_bytes += bytes;
}

/* Where there is no memory for the shorter stack, the allocated books lose what this one kept; live
 * and peak do not. */
static void
fold(ptm_node_id id)
{
    ptm_node *node = node_at(id);
    ptm_node_id shorter = node->caller == 0 ? id : ptm_stacks_push(0, node->frame);
    if (shorter != 0 && shorter < n_marks) {
        ptm_stacks_mark(shorter);
        if (shorter != id) {
            ptm_stacks_bury(shorter, node->dead_blocks, node->dead_bytes);
            node->dead_blocks = node->dead_bytes = 0;
        }
    }
}

static void
fold_the_dead(void)
{
    uint32_t end = ptm_stack_table.used;
    for (ptm_node_id id = 1; id < end; id++) {
        if (node_at(id)->frame != 0 && node_at(id)->dead_blocks != 0 && !is_marked(id)) {
            fold(id);
        }
    }
}

static void
keep_marked(void)
{
    for (ptm_node_id id = 1; id < ptm_stack_table.used; id++) {
        ptm_node *node = node_at(id);
        if (node->frame != 0 && id < n_marks && is_marked(id)) {
            (void)ptm_index_put(&node_index, hash_of(node->caller, node->frame), id);
        }
        else if (node->frame != 0) {
            node->frame = 0;
            ptm_table_drop(&ptm_stack_table, id);
        }
    }
}

static bool
begin_sweep(void)
{
    n_marks = ptm_stack_table.used * 2 + 64; /* folding may add nodes */
    marks = ptm_mem_map(n_marks / 8 + 1);
    return marks != NULL;
}

static void
end_sweep(void)
{
    ptm_mem_unmap(marks, n_marks / 8 + 1);
    marks = NULL;
    uint32_t left = ptm_table_count(&ptm_stack_table);
    sweep_at = left + (left > FIRST_SWEEP ? left : FIRST_SWEEP);
}

ptm_err
ptm_stacks_sweep(void (*mark_all)(void))
{
    if (!begin_sweep()) {
        return PTM_ENOMEM;
    }
    mark_all();
    fold_the_dead();
    bool room = ptm_index_restart(&node_index, ptm_table_count(&ptm_stack_table));
    if (room) {
        keep_marked();
    }
    end_sweep();
    return room ? PTM_OK : PTM_ENOMEM;
}

void
ptm_stacks_clear(void)
{
    ptm_index_clear(&node_index);
    ptm_table_clear(&ptm_stack_table);
    sweep_at = FIRST_SWEEP;
}

void
ptm_stacks_visit(ptm_mem_visit visit, void *arg)
{
    ptm_index_visit(&node_index, visit, arg);
    ptm_table_visit(&ptm_stack_table, visit, arg);
}
