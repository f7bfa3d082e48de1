/* SPDX-License-Identifier: MIT
 *
 * ptm_take - from the tables of the tracer to a snapshot's columns.
 *
 * Threads   frozen (ptm_lanes), with the books and the intern lock held and empty journals
 * Failure   PTM_ENOMEM
 * Cost      linear in sites and in the frames of their stacks, each visited once
 */
#ifndef PTM_TAKE_H
#define PTM_TAKE_H

#include "snap/ptm_snap.h"
#include "trace/ptm_sites.h"

ptm_err ptm_take_all(uint32_t limit, ptm_snap **out);
ptm_err ptm_take_one(uint32_t limit, ptm_site_id site, ptm_snap **out); /* as one live block */

#endif
