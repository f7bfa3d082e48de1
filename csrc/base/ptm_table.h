/* SPDX-License-Identifier: MIT
 *
 * ptm_table - records of one size, named by small integers, that never move.
 *
 * How       chunks of 2^chunk_bits records, mapped when first needed; id 0 is never given. A
 *           record's address is one load from the chunk directory away, and no address space is
 *           reserved ahead.
 * Threads   `ptm_table_new/drop` need the owner's lock; `ptm_table_at` none: a record never moves
 * Failure   id 0: no memory, or the directory is full; nothing has changed then
 */
#ifndef PTM_TABLE_H
#define PTM_TABLE_H

#include "base/ptm_mem.h"

#define PTM_TABLE_CHUNKS 4096

typedef struct {
    uint32_t record_bytes; /* at least 4 */
    uint32_t chunk_bits;   /* 2^chunk_bits records a chunk */
    uint32_t used;         /* ids ever given, id 0 included */
    /* head of the list of dropped ids, linked through their first word; 0: empty */
    uint32_t free_id;
    uint32_t n_free;
    char **chunks; /* the directory */
} ptm_table;

/* A variable of its own, all zero at first: it takes no room in the file, and memory only where it
 * is used. */
typedef char *ptm_table_directory[PTM_TABLE_CHUNKS];

#define PTM_TABLE(record_type, bits, directory) \
    {.record_bytes = sizeof(record_type), .chunk_bits = (bits), .used = 1, .chunks = (directory)}

/* A record, all of which is the caller's to fill: what was dropped comes back as it is. */
uint32_t ptm_table_new(ptm_table *table);
void ptm_table_drop(ptm_table *table, uint32_t id);
void ptm_table_clear(ptm_table *table); /* gives every chunk back */
void ptm_table_visit(const ptm_table *table, ptm_mem_visit visit, void *arg);

static PTM_ALWAYS_INLINE void *
ptm_table_at(char *const *chunks, uint32_t id, uint32_t record_bytes, uint32_t chunk_bits)
{
    return chunks[id >> chunk_bits] + (size_t)(id & ((1u << chunk_bits) - 1)) * record_bytes;
}

static inline uint32_t
ptm_table_count(const ptm_table *table)
{
    return table->used - 1 - table->n_free;
}

#endif
