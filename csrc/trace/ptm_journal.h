/* SPDX-License-Identifier: MIT
 *
 * ptm_journal - from events to books: a block came to a site, or left it.
 *
 * How       The main lane writes its events into a ring, four bytes each, and goes on. They are
 *           booked together when the ring is full or somebody wants to know: the records of sites
 *           are cold memory, and of many at a time the processor fetches several at once. The raw
 *           lane books its events directly, after those that the main lane has written before. So
 *           the books see one order of events, in which each thread's own are as they happened;
 *           totals and peak are exact for it, up to the events that a hook has under way.
 *
 *               main lane ──► ring ──┐
 *                                    ├──► sites, totals, peak     (under the books lock)
 *               raw lane ────────────┘
 *
 * Threads   `add` by the main lane's writer, without a lock; the others under the books lock
 * Failure   none
 */
#ifndef PTM_JOURNAL_H
#define PTM_JOURNAL_H

#include "base/ptm_atomic.h"
#include "trace/ptm_sites.h"

#define PTM_JOURNAL_EVENTS 256u /* a power of two; 1 kB */

/* An event:
 *
 *      31   30                                    0
 *     +----+---------------------------------------+
 *     |left|               site id                 |
 *     +----+---------------------------------------+
 */
#define PTM_EVENT_LEFT 0x80000000u

typedef struct {
    uint32_t written; /* events ever; writer: the main lane */
    uint32_t applied; /* of these, in the books; writer: who holds the books lock */
    uint32_t events[PTM_JOURNAL_EVENTS];
} ptm_journal;

PTM_EXTERN ptm_journal ptm_the_journal;

/* Takes the books lock for the time of the booking. */
void ptm_journal_flush(void);
/* Books all that is written. */
void ptm_journal_drain(void);
/* Books one event after all that is written. */
void ptm_journal_book(uint32_t event);
/* What is written and not booked is forgotten. */
void ptm_journal_clear(void);

/* Nothing can be written before a flush: all is booked whenever the ring has been written round. */
static PTM_ALWAYS_INLINE bool
ptm_journal_is_full(void)
{
    return ptm_the_journal.written % PTM_JOURNAL_EVENTS == 0;
}

/* It is not full. */
static PTM_ALWAYS_INLINE void
ptm_journal_write(uint32_t event)
{
    uint32_t at = ptm_the_journal.written;
    ptm_the_journal.events[at % PTM_JOURNAL_EVENTS] = event;
    PTM_STORE_RELEASE(&ptm_the_journal.written, at + 1);
}

static PTM_ALWAYS_INLINE void
ptm_journal_add(uint32_t event)
{
    if (PTM_UNLIKELY(ptm_journal_is_full())) {
        ptm_journal_flush();
    }
    ptm_journal_write(event);
}

#endif
