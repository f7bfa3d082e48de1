/* SPDX-License-Identifier: MIT */
#include "trace/ptm_domains.h"

#include "base/ptm_hash.h"
#include "base/ptm_index.h"
#include "base/ptm_table.h"

#define CHUNK_BITS 10

/* A record is the number. */
static ptm_table_directory chunks;
static ptm_table domains = PTM_TABLE(uint32_t, CHUNK_BITS, chunks); /* guarded: books lock */
static ptm_index by_number;                                         /* guarded: books lock */

static uint32_t *
number_at(uint32_t id)
{
    return ptm_table_at(chunks, id, sizeof(uint32_t), CHUNK_BITS);
}

static uint32_t
hash_of(uint32_t number)
{
    return ptm_hash_pair(number, 0);
}

static uint32_t
find(uint32_t number)
{
    uint32_t id;
    for (ptm_probe probe = ptm_probe_start(&by_number, hash_of(number));
         (id = ptm_probe_next(&by_number, &probe));) {
        if (*number_at(id) == number) {
            break;
        }
    }
    return id;
}

static uint32_t
add(uint32_t number)
{
    uint32_t id = domains.used > UINT16_MAX ? 0 : ptm_table_new(&domains);
    if (id != 0 && !ptm_index_put(&by_number, hash_of(number), id)) {
        ptm_table_drop(&domains, id);
        return 0;
    }
    if (id != 0) {
        *number_at(id) = number;
    }
    return id;
}

bool
ptm_domains_intern(uint32_t number, ptm_domain_id *out)
{
    uint32_t id = number == 0 ? 0 : find(number);
    if (number != 0 && id == 0) {
        id = add(number);
    }
    *out = (ptm_domain_id)id;
    return number == 0 || id != 0;
}

uint32_t
ptm_domains_number(ptm_domain_id id)
{
    return id == 0 ? 0 : *number_at(id);
}

void
ptm_domains_clear(void)
{
    ptm_index_clear(&by_number);
    ptm_table_clear(&domains);
}

void
ptm_domains_visit(ptm_mem_visit visit, void *arg)
{
    ptm_index_visit(&by_number, visit, arg);
    ptm_table_visit(&domains, visit, arg);
}
