/* SPDX-License-Identifier: MIT
 *
 * ptm_graves - what was allocated at recycled sites of other domains than 0, by domain and line.
 *
 * How       A recycled site of domain 0 leaves its sums at the node of its stack (ptm_stacks). A
 *           node has no place for domains, so the sums of another domain go to a record of its own,
 *           for the stack of the most recent frame alone: of these a program has only so many.
 * Threads   under the books and the intern lock
 * Failure   bury: no memory, a place has two graves, or the allocated books lose what the site had
 * Cost      two probes
 */
#ifndef PTM_GRAVES_H
#define PTM_GRAVES_H

#include "trace/ptm_domains.h"

typedef struct {
    ptm_node_id node; /* of one frame */
    ptm_domain_id domain;
    uint64_t blocks, bytes; /* ever allocated */
} ptm_grave;

void ptm_graves_bury(ptm_domain_id domain, ptm_frame_id frame, uint64_t blocks, uint64_t bytes);
/* Marks their nodes as used, for a sweep of the stacks. */
void ptm_graves_mark(void);
const ptm_grave *ptm_graves_at(uint32_t id);
uint32_t ptm_graves_end(void); /* ids are 1 and up, below this */
void ptm_graves_clear(void);
void ptm_graves_visit(ptm_mem_visit visit, void *arg);

#endif
