/* SPDX-License-Identifier: MIT
 *
 * ptm_peak - the totals, the all-time peak, and what was alive at it, at a constant price per
 * event.
 *
 * How       Time is cut into epochs. An epoch ends at the falling edge: the first event after a new
 *           maximum that does not go higher still. A site that is touched for the first time in an
 *           epoch saves what it had: that was its share of the peak, since nothing of it has
 *           changed since. So the share of a site is
 *               at a maximum right now:       live
 *               touched since the peak:       what it saved
 *               not touched since the peak:   live
 *           Nothing is copied at a peak, however many come one after the other.
 * Threads   under the books lock: events come one after the other (ptm_journal)
 * Failure   none
 */
#ifndef PTM_PEAK_H
#define PTM_PEAK_H

#include "base/ptm_base.h"

typedef struct {
    uint64_t bytes, blocks;           /* alive */
    uint64_t best_bytes, best_blocks; /* alive at the peak; blocks: unless it is now */
    /* beyond them something is to be done: best_bytes, or AT_MAX if the last event made a new
     * maximum */
    int64_t quiet_bytes;
    /* starts at 1, so a site that was never touched (0) is never of this epoch */
    uint32_t epoch;
} ptm_peak;

#define PTM_PEAK_AT_MAX (-1)

PTM_EXTERN ptm_peak ptm_the_peak; /* guarded: books lock */

/* A new maximum, or the falling edge. Before anything is changed. */
static PTM_ALWAYS_INLINE void
ptm_peak_turn(ptm_peak *peak, uint64_t now)
{
    if (now > peak->best_bytes) {
        peak->best_bytes = now;
        peak->quiet_bytes = PTM_PEAK_AT_MAX;
    }
    else {
        peak->best_blocks = peak->blocks;
        peak->quiet_bytes = (int64_t)peak->best_bytes;
        peak->epoch++;
    }
}

/* A block comes (its bytes, 1) or goes (both negative, modulo 2^64). Call before any share is
 * touched. What goes makes no maximum. */
static PTM_ALWAYS_INLINE void
ptm_peak_move(ptm_peak *peak, uint64_t bytes, uint64_t blocks)
{
    uint64_t now = peak->bytes + bytes;
    if (PTM_UNLIKELY((int64_t)now > peak->quiet_bytes)) {
        ptm_peak_turn(peak, now);
    }
    peak->bytes = now;
    peak->blocks += blocks;
}

static inline bool
ptm_peak_is_now(void)
{
    return ptm_the_peak.quiet_bytes == PTM_PEAK_AT_MAX;
}

static inline uint64_t
ptm_peak_blocks(void)
{
    return ptm_peak_is_now() ? ptm_the_peak.blocks : ptm_the_peak.best_blocks;
}

static inline void
ptm_peak_restart(void)
{
    ptm_the_peak.best_bytes = ptm_the_peak.bytes;
    ptm_the_peak.quiet_bytes = PTM_PEAK_AT_MAX;
}

#endif
