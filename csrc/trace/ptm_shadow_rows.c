/* SPDX-License-Identifier: MIT */
#include "trace/ptm_shadow_rows.h"

#include <string.h>

#define N_SLABS 26
#define FIRST_SLAB_BYTES ((size_t)256 << 10)
#define N_SIZES 12 /* by the logarithm */

/* A row that waits: the next one stands in its first word. */
typedef struct waiting_row {
    struct waiting_row *next;
} __attribute__((may_alias)) waiting_row;

static char *slabs[N_SLABS];
static uint32_t n_slabs; /* begun; those after it are empty */
static size_t used;      /* bytes of the last one begun */
static waiting_row *waiting[N_SIZES];

static size_t
slab_bytes(uint32_t i)
{
    return FIRST_SLAB_BYTES << i;
}

static waiting_row **
list_of(uint32_t bytes)
{
    return &waiting[31 - __builtin_clz(bytes)];
}

static bool
begin_slab(void)
{
    if (n_slabs == N_SLABS) {
        return false;
    }
    if (slabs[n_slabs] == NULL) {
        slabs[n_slabs] = ptm_mem_map(slab_bytes(n_slabs));
    }
    if (slabs[n_slabs] == NULL) {
        return false;
    }
    n_slabs++;
    used = 0;
    return true;
}

static uint32_t *
cut(uint32_t bytes)
{
    bool fits = n_slabs != 0 && used + bytes <= slab_bytes(n_slabs - 1);
    if (!fits && !begin_slab()) {
        return NULL;
    }
    used += bytes;
    return (uint32_t *)(void *)(slabs[n_slabs - 1] + used - bytes);
}

uint32_t *
ptm_shadow_rows_new(uint32_t bytes)
{
    waiting_row **list = list_of(bytes), *row = *list;
    if (row == NULL) {
        return cut(bytes);
    }
    *list = row->next;
    row->next = NULL;
    return (uint32_t *)(void *)row;
}

void
ptm_shadow_rows_drop(uint32_t *row, uint32_t bytes)
{
    waiting_row **list = list_of(bytes), *waits = (waiting_row *)(void *)row;
    waits->next = *list;
    *list = waits;
}

void
ptm_shadow_rows_clear(void)
{
    for (uint32_t i = 0; i < n_slabs; i++) {
        ptm_mem_discard(slabs[i], slab_bytes(i));
    }
    memset(waiting, 0, sizeof(waiting));
    n_slabs = 0;
    used = 0;
}

void
ptm_shadow_rows_visit(ptm_mem_visit visit, void *arg)
{
    for (uint32_t i = 0; i < N_SLABS; i++) {
        if (slabs[i] != NULL) {
            visit(arg, slabs[i], slab_bytes(i));
        }
    }
}
