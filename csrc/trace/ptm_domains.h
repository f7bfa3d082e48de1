/* SPDX-License-Identifier: MIT
 *
 * ptm_domains - the numbers of domains, as small ids that fit into a site.
 *
 * Owns      a record per domain that was met. Id 0 is domain 0, Python's own allocators; the others
 *           are those of PyTraceMalloc_Track, any 32 bits that its caller chose.
 * Threads   under the books lock
 * Failure   intern answers false: no memory, or 65,535 domains
 * Cost      a probe
 */
#ifndef PTM_DOMAINS_H
#define PTM_DOMAINS_H

#include "base/ptm_base.h"
#include "base/ptm_mem.h"

typedef uint16_t ptm_domain_id;

bool ptm_domains_intern(uint32_t number, ptm_domain_id *out);
uint32_t ptm_domains_number(ptm_domain_id id);
void ptm_domains_clear(void);
void ptm_domains_visit(ptm_mem_visit visit, void *arg);

#endif
