/* SPDX-License-Identifier: MIT */
#include "trace/ptm_blockmap.h"

#include "base/ptm_hash.h"
#include "base/ptm_index.h"
#include "base/ptm_table.h"
#include "os/ptm_lock.h"

typedef struct {
    uint32_t entry; /* first: a dropped record is linked through it */
    uint32_t domain;
    uintptr_t address;
} mapped_block;

#define CHUNK_BITS 12

static ptm_lock map_lock;
static ptm_table_directory map_chunks;
static ptm_table map_blocks =
    PTM_TABLE(mapped_block, CHUNK_BITS, map_chunks); /* guarded: map_lock */
static ptm_index map_index;                          /* guarded: map_lock */

static mapped_block *
block_at(uint32_t id)
{
    return ptm_table_at(map_chunks, id, sizeof(mapped_block), CHUNK_BITS);
}

static uint32_t
hash_of(uint32_t domain, uintptr_t address)
{
    return ptm_hash_pair(address, domain);
}

static uint32_t
find(uint32_t domain, uintptr_t address)
{
    uint32_t id;
    for (ptm_probe probe = ptm_probe_start(&map_index, hash_of(domain, address));
         (id = ptm_probe_next(&map_index, &probe));) {
        if (block_at(id)->address == address && block_at(id)->domain == domain) {
            break;
        }
    }
    return id;
}

static uint32_t
add(uint32_t domain, uintptr_t address)
{
    uint32_t id = ptm_table_new(&map_blocks);
    if (id != 0 && !ptm_index_put(&map_index, hash_of(domain, address), id)) {
        ptm_table_drop(&map_blocks, id);
        id = 0;
    }
    if (id != 0) {
        block_at(id)->domain = domain;
        block_at(id)->address = address;
    }
    return id;
}

bool
ptm_blockmap_put(uint32_t domain, uintptr_t address, uint32_t entry, uint32_t *old)
{
    ptm_lock_take(&map_lock);
    uint32_t id = find(domain, address);
    *old = id != 0 ? block_at(id)->entry : 0;
    id = id != 0 ? id : add(domain, address);
    if (id != 0) {
        block_at(id)->entry = entry;
    }
    ptm_lock_release(&map_lock);
    return id != 0;
}

uint32_t
ptm_blockmap_get(uint32_t domain, uintptr_t address)
{
    ptm_lock_take(&map_lock);
    uint32_t id = find(domain, address);
    uint32_t entry = id != 0 ? block_at(id)->entry : 0;
    ptm_lock_release(&map_lock);
    return entry;
}

uint32_t
ptm_blockmap_take(uint32_t domain, uintptr_t address)
{
    ptm_lock_take(&map_lock);
    uint32_t id = find(domain, address), entry = 0;
    if (id != 0) {
        entry = block_at(id)->entry;
        ptm_index_remove(&map_index, hash_of(domain, address), id);
        ptm_table_drop(&map_blocks, id);
    }
    ptm_lock_release(&map_lock);
    return entry;
}

void
ptm_blockmap_lock(void)
{
    ptm_lock_take(&map_lock);
}

void
ptm_blockmap_unlock(void)
{
    ptm_lock_release(&map_lock);
}

void
ptm_blockmap_clear(void)
{
    ptm_lock_take(&map_lock);
    ptm_index_clear(&map_index);
    ptm_table_clear(&map_blocks);
    ptm_lock_release(&map_lock);
}

void
ptm_blockmap_visit(ptm_mem_visit visit, void *arg)
{
    ptm_index_visit(&map_index, visit, arg);
    ptm_table_visit(&map_blocks, visit, arg);
}
