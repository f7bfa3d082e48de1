/* SPDX-License-Identifier: MIT
 *
 * ptm_graves - what was allocated at sites that are recycled: blocks and bytes, by stack.
 *
 * How       A site that dies leaves its allocated count and bytes to its (stack, depth). When there are too many
 *           graves, all are folded into stacks of one frame, of which a program has only so many.
 * Threads   under the intern lock
 * Failure   what cannot be kept is dropped from the allocated books only: live and peak are not touched
 */
#ifndef PTM_GRAVES_H
#define PTM_GRAVES_H

#include "trace/ptm_sites.h"

typedef struct {
    uint32_t node;   /* the stack */
    uint32_t depth;  /* 0: of several depths */
    uint64_t blocks; /* ever allocated; 0: the record is free */
    uint64_t bytes;
} ptm_grave;

void ptm_graves_bury(const ptm_site *site);
void ptm_graves_each(void (*each)(void *arg, const ptm_grave *grave), void *arg);
/* Keeps their number in bounds. */
void ptm_graves_fold(void);
void ptm_graves_mark(void); /* marks the nodes they need */

void ptm_graves_clear(void);
void ptm_graves_visit(ptm_mem_visit visit, void *arg);

#endif
