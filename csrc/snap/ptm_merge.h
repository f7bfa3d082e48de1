/* SPDX-License-Identifier: MIT
 *
 * ptm_merge - several snapshots as one: the processes of a server, or runs of one program.
 *
 * Owns      nothing; the answer is a snapshot that shares nothing with those it came from
 * How       one builder takes them in, one after the other: its tables intern strings, frames and
 *           stacks, and add up sites that agree in stack, size, domain, depth and folded (those of
 *           one snapshot, too). Only what some site's stack has is taken over
 * Threads   reads immutable snapshots only
 * Failure   PTM_ENOMEM; nothing is written to *out then
 * Cost      linear in the sites, and in the stacks, frames and strings of all snapshots
 *
 * Laws      For every group of every metric: its sum in the merged snapshot is the sum of its sums.
 *           (By module: as far as they agree which module a file is; the first that knows one
 *           tells.) Losses add up, the greatest limit holds, what one lacks all lack. Sites stand
 *           in the order in which their first part was met. A frame keeps a position where all
 *           snapshots agree in it.
 *           Peaks of several processes are of different moments: their sum is an upper bound of
 *           what the processes had at any moment together.
 */
#ifndef PTM_MERGE_H
#define PTM_MERGE_H

#include "snap/ptm_snap.h"

/* n > 0. */
ptm_err ptm_snap_merge(const ptm_snap *const *snaps, size_t n, ptm_snap **out);

#endif
