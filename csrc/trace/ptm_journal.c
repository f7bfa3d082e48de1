/* SPDX-License-Identifier: MIT */
#include "trace/ptm_journal.h"

#define AT_ONCE 32u /* events of which the records are asked for together */

static PTM_ALWAYS_INLINE void
touch(const ptm_peak *peak, ptm_site *site)
{
#ifndef PTM_NO_BOOKS
    if (PTM_UNLIKELY(site->epoch != peak->epoch)) {
        site->at_peak = (uint64_t)site->live;
        site->epoch = peak->epoch;
    }
#else
    (void)peak;
    (void)site;
#endif
}

/* What comes after all had left, or leaves before it came, since the two were written in different
 * lanes: neither is counted, as if the block had never been. */
static PTM_ALWAYS_INLINE bool
cancels_out(const ptm_site *site, uint64_t left)
{
    return site->live - (int64_t)left < 0;
}

/* One formula for both kinds, since which of them comes next cannot be foretold. */
static PTM_ALWAYS_INLINE void
apply(ptm_peak *peak, uint32_t event, ptm_site *site)
{
    uint64_t left = event >> 31, step = 1 - 2 * left; /* one more, or one less */
    if (PTM_LIKELY(!cancels_out(site, left))) {
        ptm_peak_move(peak, (site->size ^ -left) + left, step);
        touch(peak, site);
    }
    site->live += (int64_t)step;
#ifndef PTM_NO_BOOKS
    site->allocated += 1 - left;
#endif
}

/* The peak is a local copy meanwhile: the compiler keeps it in registers. */
static PTM_ALWAYS_INLINE void
apply_some(ptm_peak *peak, const ptm_journal *journal, uint32_t at, uint32_t n)
{
    ptm_site *sites[AT_ONCE];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t event = journal->events[(at + i) % PTM_JOURNAL_EVENTS];
        sites[i] = ptm_site_at(event & ~PTM_EVENT_LEFT);
        __builtin_prefetch(sites[i], 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        apply(peak, journal->events[(at + i) % PTM_JOURNAL_EVENTS], sites[i]);
    }
}

static void
drain(ptm_journal *journal)
{
    uint32_t end = PTM_LOAD_ACQUIRE(&journal->written);
    ptm_peak peak = ptm_the_peak;
    for (uint32_t at = journal->applied; at != end;) {
        uint32_t n = end - at < AT_ONCE ? end - at : AT_ONCE;
        apply_some(&peak, journal, at, n);
        at += n;
    }
    ptm_the_peak = peak;
    PTM_STORE_RELEASE(&journal->applied, end);
}

void
ptm_journal_drain(void)
{
    ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        drain(&lane->journal);
    }
}

PTM_NOINLINE void
ptm_journal_flush(ptm_lane *lane)
{
    ptm_lock_take(&ptm_books_lock);
    drain(&lane->journal);
    ptm_lock_release(&ptm_books_lock);
}

void
ptm_journal_book(uint32_t event)
{
    drain(&PTM_LANE_MAIN->journal);
    apply(&ptm_the_peak, event, ptm_site_at(event & ~PTM_EVENT_LEFT));
}

void
ptm_journal_clear(void)
{
    ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        PTM_STORE_RELEASE(&lane->journal.applied, PTM_LOAD(&lane->journal.written));
    }
}
