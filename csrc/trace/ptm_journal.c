/* SPDX-License-Identifier: MIT */
#include "trace/ptm_journal.h"

#define AT_ONCE 32u /* events of which the records are asked for together */

static PTM_ALWAYS_INLINE void
touch(const ptm_peak *peak, ptm_site *site)
{
#ifndef PTM_NO_BOOKS
    if (PTM_UNLIKELY(site->epoch != peak->epoch)) {
        site->at_peak = (uint64_t)ptm_site_live(site);
        site->epoch = peak->epoch;
    }
#else
    (void)peak;
    (void)site;
#endif
}

/* One formula for both kinds, since which of them comes next cannot be foretold: `left` is 0, or -1
 * if the block left. What comes after all had left, or leaves before it came, since the two were
 * written in different lanes, moves no total: as if the block had never been. Where there are no
 * threads' lanes it cannot (`ordered`). */
static PTM_ALWAYS_INLINE void
apply(ptm_peak *peak, uint32_t event, ptm_site *site, bool ordered)
{
    int64_t left = (int64_t)(int32_t)event >> 63;
    if (ordered || PTM_LIKELY(ptm_site_live(site) + left >= 0)) {
        ptm_peak_move(peak, (site->size ^ (uint64_t)left) - (uint64_t)left,
                      (uint64_t)(2 * left + 1));
        touch(peak, site);
    }
    site->moved[PTM_CAME + left]++;
}

/* The peak is a local copy meanwhile: the compiler keeps it in registers. */
static PTM_ALWAYS_INLINE void
apply_some(ptm_peak *peak, const uint32_t *events, uint32_t n, bool ordered)
{
    ptm_site *sites[AT_ONCE];
#pragma GCC unroll 4
    for (uint32_t i = 0; i < n; i++) {
        sites[i] = ptm_site_at(events[i] & PTM_EVENT_SITE);
        __builtin_prefetch(sites[i], 1);
    }
#pragma GCC unroll 4
    for (uint32_t i = 0; i < n; i++) {
        apply(peak, events[i], sites[i], ordered);
    }
}

/* Of the events from here on, those that lie in a row. */
static uint32_t
some_of(uint32_t at, uint32_t end)
{
    uint32_t n = end - at < AT_ONCE ? end - at : AT_ONCE;
    uint32_t row = PTM_JOURNAL_EVENTS - at % PTM_JOURNAL_EVENTS;
    return n < row ? n : row;
}

static PTM_ALWAYS_INLINE void
drain_to(ptm_journal *journal, uint32_t end, bool ordered)
{
    ptm_peak peak = ptm_the_peak;
    for (uint32_t at = journal->applied, n; at != end; at += n) {
        n = some_of(at, end);
        apply_some(&peak, &journal->events[at % PTM_JOURNAL_EVENTS], n, ordered);
    }
    ptm_the_peak = peak;
    PTM_STORE_RELEASE(&journal->applied, end);
}

static void
drain(ptm_journal *journal)
{
    uint32_t end = PTM_LOAD_ACQUIRE(&journal->written); /* before it is asked who else may write */
    if (ptm_lanes_at(PTM_N_FIXED_LANES) == NULL) {
        drain_to(journal, end, true);
    }
    else {
        drain_to(journal, end, false);
    }
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
    apply(&ptm_the_peak, event, ptm_site_at(event & PTM_EVENT_SITE), false);
}

static void
book_renewed(uint64_t entry, uint32_t *blocks)
{
    ptm_site *site = ptm_site_at(entry % PTM_RECENT_SITES);
    site->moved[PTM_LEFT] += *blocks;
    site->moved[PTM_CAME] += *blocks;
    *blocks = 0;
}

void
ptm_journal_book_renewed(ptm_lane *lane, uint32_t place)
{
    ptm_renewed *renewed = &lane->recents.renewed[place];
    for (uint32_t i = 0; i < PTM_ARRAY_LEN(renewed->blocks); i++) {
        if (renewed->blocks[i] != 0) {
            book_renewed(lane->recents.recent[place].entries[i], &renewed->blocks[i]);
        }
    }
}

void
ptm_journal_book_all_renewed(ptm_lane *lane)
{
    for (uint32_t i = 0; i < PTM_N_RECENT; i++) {
        ptm_journal_book_renewed(lane, i);
    }
}

void
ptm_journal_clear(void)
{
    ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        PTM_STORE_RELEASE(&lane->journal.applied, PTM_LOAD(&lane->journal.written));
    }
}
