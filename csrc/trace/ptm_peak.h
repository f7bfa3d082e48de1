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
    uint64_t best_bytes, best_blocks; /* alive at the peak; blocks: unless at_max */
    /* starts at 1, so a site that was never touched (0) is never of this epoch */
    uint32_t epoch;
    bool at_max; /* the last event made a new maximum */
} ptm_peak;

PTM_EXTERN ptm_peak ptm_the_peak; /* guarded: books lock */

/* The falling edge. Call before anything is changed. */
static PTM_ALWAYS_INLINE void
ptm_peak_fall(ptm_peak *peak)
{
    peak->best_blocks = peak->blocks;
    peak->at_max = false;
    peak->epoch++;
}

/* A block comes (its bytes, 1) or goes (both negative, modulo 2^64). Call before any share is
 * touched. What goes makes no maximum. */
static PTM_ALWAYS_INLINE void
ptm_peak_move(ptm_peak *peak, uint64_t bytes, uint64_t blocks)
{
    uint64_t now = peak->bytes + bytes;
    if (now > peak->best_bytes) {
        peak->best_bytes = now;
        peak->at_max = true;
    }
    else if (PTM_UNLIKELY(peak->at_max)) {
        ptm_peak_fall(peak);
    }
    peak->bytes = now;
    peak->blocks += blocks;
}

static inline uint64_t
ptm_peak_blocks(void)
{
    return ptm_the_peak.at_max ? ptm_the_peak.blocks : ptm_the_peak.best_blocks;
}

static inline void
ptm_peak_restart(void)
{
    ptm_the_peak.best_bytes = ptm_the_peak.bytes;
    ptm_the_peak.at_max = true;
}

#endif
