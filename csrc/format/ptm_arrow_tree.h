/* SPDX-License-Identifier: MIT
 *
 * ptm_arrow_tree - the columns of a batch as a tree of nodes, numbered, so that schema and arrays
 * are made by loops over one table. For the files ptm_arrow*.c.
 *
 * Law       a node's children have consecutive numbers; a file, its line and its function too
 */
#ifndef PTM_ARROW_TREE_H
#define PTM_ARROW_TREE_H

#include "format/ptm_arrow.h"
#include "format/ptm_arrow_words.h"

enum {
    PTM_ARROW_BATCH, /* the root: a struct of the columns */
    PTM_ARROW_BLOCK_SIZE,
    PTM_ARROW_COUNT,
    PTM_ARROW_TOTAL,
    PTM_ARROW_DOMAIN,
    PTM_ARROW_FILE,
    PTM_ARROW_LINE,
    PTM_ARROW_FUNCTION,
    PTM_ARROW_MODULE,
    PTM_ARROW_STACK,
    PTM_ARROW_FRAME, /* the items of the stacks: from here on, an item is a frame and not a row */
    PTM_ARROW_FRAME_FILE,
    PTM_ARROW_FRAME_LINE,
    PTM_ARROW_FRAME_FUNCTION,
    PTM_ARROW_DICTIONARY, /* PTM_ARROW_N_WORDS of them */
    PTM_ARROW_N_NODES = PTM_ARROW_DICTIONARY + PTM_ARROW_N_WORDS
};

typedef struct {
    const char *name, *format;
    uint8_t value_bytes; /* 0: a struct has no values; a list's are its offsets */
    uint8_t flags;
    uint8_t n_buffers;
    uint8_t first_child, n_children;
    uint8_t dictionary; /* node; 0: none */
} ptm_arrow_node;

PTM_EXTERN const ptm_arrow_node ptm_arrow_nodes[PTM_ARROW_N_NODES];

/* Rows first ... end - 1 of the snapshot's sites, as far as the metric counts them. */
typedef struct {
    uint32_t first, end;
    int64_t rows, frames;
} ptm_arrow_scope;

/* Each writes *out on success only, and what it writes lives on its own. */
ptm_err ptm_arrow_schema_make(const ptm_snap *snap, ptm_metric metric, ptm_arrow_schema *out);
ptm_err ptm_arrow_batch_make(const ptm_snap *snap, ptm_metric metric, ptm_arrow_words *words,
                             const ptm_arrow_scope *scope, ptm_arrow_array *out);

#endif
