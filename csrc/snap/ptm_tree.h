/* SPDX-License-Identifier: MIT
 *
 * ptm_tree - the stacks of a snapshot while it is built: (parent, frame) -> stack.
 *
 * Owns      the stacks' column, and the table of the callees that are not next to their stack
 * How       Most stacks have one callee at most, and mostly it was added right after them: so long
 *           chains are built without hashing, and only what comes later is in a table. A step of a
 *           path waits for cold memory two or three times, one after the other. So several paths
 *           are pushed side by side, and what the next steps will look at is asked for before any
 *           of them is made. Where a path leaves the tree, all the rest of it is added in a row.
 * Threads   one user
 * Failure   stack 0, or false: no memory, or more stacks than ids; nothing may be pushed any more
 */
#ifndef PTM_TREE_H
#define PTM_TREE_H

#include "snap/ptm_column.h"
#include "snap/ptm_ids.h"
#include "snap/ptm_snap.h"

typedef struct {
    ptm_column stacks; /* ptm_snap_stack */
    ptm_ids listed;    /* the callees of stacks that have others than the next one */
} ptm_tree;

bool ptm_tree_init(ptm_tree *tree);
void ptm_tree_fini(ptm_tree *tree);

ptm_stack_id ptm_tree_push(ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame);
/* At most PTM_SNAP_PATHS paths. */
bool ptm_tree_push_paths(ptm_tree *tree, ptm_snap_path *paths, size_t n_paths);

#endif
