/* SPDX-License-Identifier: MIT
 *
 * ptm_agree - what the frames of a line agree on, of those that a question counts.
 *
 * Owns      nothing: arrays are the caller's, to be freed with ptm_array_free
 * How       the frames that count are those of the sites for which the metric counts a block: the
 *           most recent one of a stack, or all if the question is cumulative or by traceback. One
 *           pass marks them, another merges those of a line
 * Threads   reads immutable snapshots only
 * Failure   NULL: no memory
 * Cost      ptm_agree_shared: linear in frames. ptm_agree: in sites and frames, and in stacks if
 *           all frames of a stack count
 *
 * Law       A line with one frame is that frame. On a line with several, a name or a position is
 *           known only if all its frames that count agree on it. So a group by line with key k
 *           shows agreed[k], and a frame f of a merged traceback agreed[frames[f].line_key]. Rows
 *           with snap 1 ask the old snapshot.
 */
#ifndef PTM_AGREE_H
#define PTM_AGREE_H

#include "snap/ptm_group.h"

/* Which frames count: a ptm_metric, and whether all of a stack do. */
typedef uint8_t ptm_counted;
#define PTM_N_COUNTED (2 * (PTM_METRIC_FREED + 1)) /* all numbers are below */

/* What the query counts on a side (see ptm_keys). */
ptm_counted ptm_counted_by(const ptm_group_query *query, int side);

/* By line_key: 1 if several frames have the line, else 0. */
uint8_t *ptm_agree_shared(const ptm_snap *snap);

/* By line_key: what the frames of the line that count agree on. Where none counts it is of no
 * use. */
ptm_snap_frame *ptm_agree(const ptm_snap *snap, ptm_counted counted);

#endif
