/* SPDX-License-Identifier: MIT */
#include "trace/ptm_graves.h"

#include "base/ptm_hash.h"
#include "base/ptm_index.h"
#include "base/ptm_table.h"
#include "trace/ptm_stacks.h"

#define CHUNK_BITS 10

static ptm_table_directory chunks;
static ptm_table graves = PTM_TABLE(ptm_grave, CHUNK_BITS, chunks); /* guarded: both locks */
static ptm_index by_place;                                          /* guarded: both locks */

static ptm_grave *
grave_at(uint32_t id)
{
    return ptm_table_at(chunks, id, sizeof(ptm_grave), CHUNK_BITS);
}

static uint32_t
find(uint32_t hash, ptm_domain_id domain, ptm_node_id node)
{
    uint32_t id;
    for (ptm_probe probe = ptm_probe_start(&by_place, hash);
         (id = ptm_probe_next(&by_place, &probe));) {
        if (grave_at(id)->node == node && grave_at(id)->domain == domain) {
            break;
        }
    }
    return id;
}

/* One that the index has no room for is found by nobody: the next of its place gets another. */
static uint32_t
add(uint32_t hash, ptm_domain_id domain, ptm_node_id node)
{
    uint32_t id = ptm_table_new(&graves);
    if (id != 0) {
        *grave_at(id) = (ptm_grave){.node = node, .domain = domain};
        (void)ptm_index_put(&by_place, hash, id);
    }
    return id;
}

void
ptm_graves_bury(ptm_domain_id domain, ptm_frame_id frame, uint64_t blocks, uint64_t bytes)
{
    ptm_node_id node = ptm_stacks_push(0, frame);
    uint32_t hash = ptm_hash_pair(node, domain);
    uint32_t id = node == 0 ? 0 : find(hash, domain, node);
    if (node != 0 && id == 0) {
        id = add(hash, domain, node);
    }
    if (id != 0) {
        grave_at(id)->blocks += blocks;
        grave_at(id)->bytes += bytes;
    }
}

void
ptm_graves_mark(void)
{
    for (uint32_t id = 1; id < graves.used; id++) {
        ptm_stacks_mark(grave_at(id)->node);
    }
}

const ptm_grave *
ptm_graves_at(uint32_t id)
{
    return grave_at(id);
}

uint32_t
ptm_graves_end(void)
{
    return graves.used;
}

void
ptm_graves_clear(void)
{
    ptm_index_clear(&by_place);
    ptm_table_clear(&graves);
}

void
ptm_graves_visit(ptm_mem_visit visit, void *arg)
{
    ptm_index_visit(&by_place, visit, arg);
    ptm_table_visit(&graves, visit, arg);
}
