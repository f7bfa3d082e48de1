/* SPDX-License-Identifier: MIT
 *
 * ptm_stacks - stacks as a tree: a node is (caller's node, frame), and names the stack from its
 * frame down.
 *
 * Owns      nodes (24 bytes each and their index); node 0 is the empty stack. A node also keeps
 *           what was allocated at sites of its stack that are recycled.
 * Threads   under the intern lock
 * Failure   node 0: no memory
 * Cost      a probe per frame
 */
#ifndef PTM_STACKS_H
#define PTM_STACKS_H

#include "base/ptm_table.h"

typedef struct {
    ptm_node_id caller;               /* 0: the oldest frame of the window */
    ptm_frame_id frame;               /* 0: the record is free */
    uint64_t dead_blocks, dead_bytes; /* ever allocated at recycled sites */
} ptm_node;

/* Whether two stacks agree in their `limit` most recent frames. */
bool ptm_stacks_same(ptm_node_id a, ptm_node_id b, uint32_t limit);
ptm_node_id ptm_stacks_push(ptm_node_id caller, ptm_frame_id frame);

PTM_EXTERN ptm_table ptm_stack_table;
PTM_EXTERN ptm_table_directory ptm_stack_chunks;
#define PTM_STACK_CHUNK_BITS 18 /* three large pages */

static PTM_ALWAYS_INLINE const ptm_node *
ptm_stacks_at(ptm_node_id id)
{
    return ptm_table_at(ptm_stack_chunks, id, sizeof(ptm_node), PTM_STACK_CHUNK_BITS);
}

/* Ids are below this. */
static inline uint32_t
ptm_stacks_end(void)
{
    return ptm_stack_table.used;
}

/* A site of this stack goes. */
void ptm_stacks_bury(ptm_node_id id, uint64_t blocks, uint64_t bytes);

/* Gives back the nodes that nobody needs: `mark_all` calls ptm_stacks_mark for every node in use.
 * What the dead left on the others is folded into stacks of their most recent frame alone, of which
 * a program has only so many. PTM_ENOMEM: nothing was done. */
ptm_err ptm_stacks_sweep(void (*mark_all)(void));
void ptm_stacks_mark(ptm_node_id id);
bool ptm_stacks_want_sweep(void);
/* So many that sweeps happen. */
bool ptm_stacks_crowded(void);

void ptm_stacks_clear(void);
void ptm_stacks_visit(ptm_mem_visit visit, void *arg);

#endif
