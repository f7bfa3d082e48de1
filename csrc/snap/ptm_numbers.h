/* SPDX-License-Identifier: MIT
 *
 * ptm_numbers - the groups of a query as numbers that one snapshot, or a new and an old one, have
 * in common. Not by traceback: see ptm_bags.
 *
 * Owns      by file and by line nothing: the keys have these. Else two arrays per snapshot, as long
 *           as its frames (by function, by module) or its sites (by size, by domain)
 * How       each item gets an order, a number that sorts as its group does and that equal groups
 *           share; equal orders get equal numbers. Names are compared in one sort of the distinct
 *           ones
 * Threads   reads immutable snapshots only
 * Failure   PTM_ENOMEM; nothing to free then
 * Cost      linear in items, plus the sort of the names
 */
#ifndef PTM_NUMBERS_H
#define PTM_NUMBERS_H

#include "snap/ptm_keys.h"

typedef struct {
    ptm_by by;
    const uint32_t *of[2]; /* item -> number; items are frames or sites, see ptm_by_site */
    size_t n;              /* numbers are below */
    uint64_t *order[2];    /* item -> order; NULL by file and by line */
    uint32_t *made[2];     /* what `of` points to, if it is not the keys' */
} ptm_numbers;

ptm_err ptm_numbers_init(ptm_numbers *numbers, const ptm_keys *keys, ptm_by by);
void ptm_numbers_fini(ptm_numbers *numbers);

/* The items of a group are sites, else frames. */
static inline bool
ptm_by_site(ptm_by by)
{
    return by == PTM_BY_SIZE || by == PTM_BY_DOMAIN;
}

#endif
