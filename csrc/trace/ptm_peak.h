/* SPDX-License-Identifier: MIT
 *
 * ptm_peak - the all-time peak, and what was alive at it, at a constant price per event.
 *
 * How       Time is cut into epochs. An epoch ends at the falling edge: the first event after a new
 *           maximum that does not go higher still. Whoever is touched for the first time in an
 *           epoch saves what it had: that was its share of the peak, since nothing of it has
 *           changed since. So the share of a site is
 *               at a maximum right now:       live
 *               touched since the peak:       what it saved
 *               not touched since the peak:   live
 *           Nothing is copied at a peak, however many come one after the other.
 *
 * Threads   Every lane judges its own events. The words are shared and relaxed: a maximum may be
 *           missed by what other threads allocate or free while one thread is between judging an
 *           event and booking it. What is *reported* as the peak is the sum of the lanes' shares,
 *           saved at the same moments as their sites' shares, so it equals the composition always.
 * Failure   none
 */
#ifndef PTM_PEAK_H
#define PTM_PEAK_H

#include "base/ptm_atomic.h"
#include "base/ptm_base.h"

typedef struct {
    uint64_t best_bytes; /* the highest total seen by any lane; only for judging */
    /* starts at 1, so a site that was never touched (0) is never of this epoch */
    uint32_t epoch;
    bool at_max; /* the last event made a new maximum */
} ptm_peak;

PTM_EXTERN ptm_peak ptm_the_peak;

/* An event is about to make the total smaller or leave it as it is. Call before any share is
 * touched. */
static PTM_ALWAYS_INLINE void
ptm_peak_fall(void)
{
    if (PTM_LOAD(&ptm_the_peak.at_max) && PTM_EXCHANGE_ACQUIRE(&ptm_the_peak.at_max, false)) {
        PTM_FETCH_ADD(&ptm_the_peak.epoch, 1u); /* by one lane, if two fall at once */
    }
}

/* An event is about to make the total of all lanes `bytes`. Call before any share is touched. */
static PTM_ALWAYS_INLINE void
ptm_peak_judge(uint64_t bytes)
{
    if (bytes > PTM_LOAD(&ptm_the_peak.best_bytes)) {
        PTM_STORE(&ptm_the_peak.best_bytes, bytes);
        PTM_STORE(&ptm_the_peak.at_max, true);
    }
    else {
        ptm_peak_fall();
    }
}

static inline void
ptm_peak_restart(uint64_t bytes)
{
    PTM_STORE(&ptm_the_peak.best_bytes, bytes);
    PTM_STORE(&ptm_the_peak.at_max, true);
}

#endif
