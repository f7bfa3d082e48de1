/* SPDX-License-Identifier: MIT */
#include "trace/ptm_journal.h"

ptm_journal ptm_the_journal;

#define AT_ONCE 32u /* events of which the records are asked for together */

static PTM_ALWAYS_INLINE void
touch(const ptm_peak *peak, ptm_site *site)
{
#ifndef PTM_NO_BOOKS
    if (PTM_UNLIKELY(site->epoch != peak->epoch)) {
        site->at_peak = site->live;
        site->epoch = peak->epoch;
    }
#else
    (void)peak;
    (void)site;
#endif
}

/* One formula for both kinds, since which of them comes next cannot be foretold. */
static PTM_ALWAYS_INLINE void
apply(ptm_peak *peak, uint32_t event, ptm_site *site)
{
    uint64_t entered = ~event >> 31, step = 2 * entered - 1; /* one more, or one less */
    ptm_peak_move(peak, (site->size ^ (entered - 1)) + (1 - entered), step);
    touch(peak, site);
    site->live += step;
#ifndef PTM_NO_BOOKS
    site->allocated += entered;
#endif
}

/* The peak is a local copy meanwhile: the compiler keeps it in registers. */
static PTM_ALWAYS_INLINE void
apply_some(ptm_peak *peak, uint32_t at, uint32_t n)
{
    ptm_site *sites[AT_ONCE];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t event = ptm_the_journal.events[(at + i) % PTM_JOURNAL_EVENTS];
        sites[i] = ptm_site_at(event & ~PTM_EVENT_LEFT);
        __builtin_prefetch(sites[i], 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        apply(peak, ptm_the_journal.events[(at + i) % PTM_JOURNAL_EVENTS], sites[i]);
    }
}

void
ptm_journal_drain(void)
{
    uint32_t end = PTM_LOAD_ACQUIRE(&ptm_the_journal.written);
    ptm_peak peak = ptm_the_peak;
    for (uint32_t at = ptm_the_journal.applied; at != end;) {
        uint32_t n = end - at < AT_ONCE ? end - at : AT_ONCE;
        apply_some(&peak, at, n);
        at += n;
    }
    ptm_the_peak = peak;
    PTM_STORE_RELEASE(&ptm_the_journal.applied, end);
}

PTM_NOINLINE void
ptm_journal_flush(void)
{
    ptm_lock_take(&ptm_books_lock);
    ptm_journal_drain();
    ptm_lock_release(&ptm_books_lock);
}

void
ptm_journal_book(uint32_t event)
{
    ptm_journal_drain();
    apply(&ptm_the_peak, event, ptm_site_at(event & ~PTM_EVENT_LEFT));
}

void
ptm_journal_clear(void)
{
    PTM_STORE_RELEASE(&ptm_the_journal.applied, PTM_LOAD(&ptm_the_journal.written));
}
