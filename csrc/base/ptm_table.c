/* SPDX-License-Identifier: MIT */
#include "base/ptm_table.h"

#include <string.h>

static size_t
chunk_bytes(const ptm_table *table)
{
    return (size_t)table->record_bytes << table->chunk_bits;
}

static void *
record(const ptm_table *table, uint32_t id)
{
    return ptm_table_at(table->chunks, id, table->record_bytes, table->chunk_bits);
}

static bool
has_chunk(ptm_table *table, uint32_t chunk)
{
    if (chunk >= PTM_TABLE_CHUNKS) {
        return false;
    }
    if (table->chunks[chunk] == NULL) {
        size_t bytes = chunk_bytes(table);
        table->chunks[chunk] = chunk == 0 ? ptm_mem_map(bytes) : ptm_mem_map_table(bytes);
    }
    return table->chunks[chunk] != NULL;
}

uint32_t
ptm_table_new(ptm_table *table)
{
    uint32_t id = table->free_id;
    if (id != 0) {
        memcpy(&table->free_id, record(table, id), sizeof(uint32_t));
        table->n_free--;
        __builtin_prefetch(record(table, table->free_id), 1);
        return id;
    }
    if (!has_chunk(table, table->used >> table->chunk_bits)) {
        return 0;
    }
    return table->used++;
}

void
ptm_table_drop(ptm_table *table, uint32_t id)
{
    memcpy(record(table, id), &table->free_id, sizeof(uint32_t));
    table->free_id = id;
    table->n_free++;
}

void
ptm_table_clear(ptm_table *table)
{
    for (uint32_t i = 0; i < PTM_TABLE_CHUNKS && table->chunks[i] != NULL; i++) {
        ptm_mem_unmap(table->chunks[i], chunk_bytes(table));
        table->chunks[i] = NULL;
    }
    table->used = 1;
    table->free_id = table->n_free = 0;
}

void
ptm_table_visit(const ptm_table *table, ptm_mem_visit visit, void *arg)
{
    for (uint32_t i = 0; i < PTM_TABLE_CHUNKS && table->chunks[i] != NULL; i++) {
        visit(arg, table->chunks[i], chunk_bytes(table));
    }
}
