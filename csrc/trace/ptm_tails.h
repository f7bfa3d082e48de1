/* SPDX-License-Identifier: MIT
 *
 * ptm_tails - the most recent frames of young sites' stacks, before they are nodes.
 *
 * How       A program that walks trees meets a new stack every few allocations, and most of them
 *           never again. So a new site names the node of a caller some frames down and keeps the
 *           frames above it in a list; nodes are made of these when the site is young no more, or
 *           when somebody looks. The stack of a young site that dies is made before it is buried,
 *           unless there are so many stacks already that the next sweep would fold it: then it is
 *           folded at once.
 * Threads   under the intern lock
 * Failure   false: no memory, the site is as it was
 */
#ifndef PTM_TAILS_H
#define PTM_TAILS_H

#include "trace/ptm_sites.h"

/* The site's whole stack becomes its node. */
bool ptm_tails_join(ptm_site *site);
/* The same for all young ones of all lanes. */
bool ptm_tails_join_all(void);
/* What the site allocated is kept at its stack. */
void ptm_tails_bury(ptm_site *site);

/* The node of a stack that ends with these frames; 0: no memory. */
ptm_node_id ptm_tails_push(ptm_node_id node, const ptm_tail *tail, uint32_t n);

#endif
