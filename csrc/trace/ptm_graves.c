/* SPDX-License-Identifier: MIT */
#include "trace/ptm_graves.h"

#include "base/ptm_hash.h"
#include "trace/ptm_stacks.h"

#define GRAVE_CHUNK_BITS 12
#define MOST_GRAVES 65536u

static ptm_table graves = PTM_TABLE(ptm_grave, GRAVE_CHUNK_BITS);
static ptm_index grave_index;
static uint32_t fold_at = MOST_GRAVES;

static ptm_grave *
grave_at(uint32_t id)
{
    return ptm_table_at(&graves, id, sizeof(ptm_grave), GRAVE_CHUNK_BITS);
}

static ptm_grave *
grave_for(uint32_t node, uint32_t depth)
{
    uint32_t hash = ptm_hash_pair(node, depth), id;
    for (ptm_probe probe = ptm_probe_start(&grave_index, hash); (id = ptm_probe_next(&grave_index, &probe));) {
        if (grave_at(id)->node == node && grave_at(id)->depth == depth) {
            return grave_at(id);
        }
    }
    id = ptm_table_new(&graves);
    if (id != 0 && !ptm_index_put(&grave_index, hash, id)) {
        ptm_table_drop(&graves, id);
        id = 0;
    }
    if (id == 0) {
        return NULL;
    }
    *grave_at(id) = (ptm_grave){.node = node, .depth = depth};
    return grave_at(id);
}

static void
add(uint32_t node, uint32_t depth, uint64_t blocks, uint64_t bytes)
{
    ptm_grave *grave = blocks == 0 || node == 0 ? NULL : grave_for(node, depth);
    if (grave != NULL) {
        grave->blocks += blocks;
        grave->bytes += bytes;
    }
}

void
ptm_graves_bury(const ptm_site *site)
{
    add(site->node, site->depth, site->allocated, site->allocated * site->size);
}

void
ptm_graves_each(void (*each)(void *arg, const ptm_grave *grave), void *arg)
{
    for (uint32_t id = 1; id < graves.used; id++) {
        if (grave_at(id)->blocks != 0) {
            each(arg, grave_at(id));
        }
    }
}

/* Into the stack of the most recent frame alone, by way of a second table. */
void
ptm_graves_fold(void)
{
    if (ptm_table_count(&graves) < fold_at) {
        return;
    }
    uint32_t end = graves.used;
    for (uint32_t id = 1; id < end; id++) {
        ptm_grave old = *grave_at(id);
        if (old.blocks != 0 && ptm_stacks_at(old.node)->caller != 0) {
            ptm_index_remove(&grave_index, ptm_hash_pair(old.node, old.depth), id);
            grave_at(id)->blocks = 0;
            ptm_table_drop(&graves, id);
            add(ptm_stacks_push(0, ptm_stacks_at(old.node)->frame), 0, old.blocks, old.bytes);
        }
    }
    uint32_t left = ptm_table_count(&graves);
    fold_at = left * 2 > MOST_GRAVES ? left * 2 : MOST_GRAVES;
}

void
ptm_graves_mark(void)
{
    for (uint32_t id = 1; id < graves.used; id++) {
        if (grave_at(id)->blocks != 0) {
            ptm_stacks_mark(grave_at(id)->node);
        }
    }
}

void
ptm_graves_clear(void)
{
    ptm_index_clear(&grave_index);
    ptm_table_clear(&graves);
    fold_at = MOST_GRAVES;
}

void
ptm_graves_visit(ptm_mem_visit visit, void *arg)
{
    ptm_index_visit(&grave_index, visit, arg);
    ptm_table_visit(&graves, visit, arg);
}
