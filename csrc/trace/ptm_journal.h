/* SPDX-License-Identifier: MIT
 *
 * ptm_journal - from events to books: a block came to a site, or left it.
 *
 * How       A lane's writer writes its events into a ring, four bytes each, and goes on. They are
 *           booked together when the ring is full or somebody wants to know: the records of sites
 *           are cold memory, and of many at a time the processor fetches several at once. The raw
 *           lane books its events directly, after those that the main lane has written before.
 *
 *               main lane ─────► ring ──┐
 *               a thread's ────► ring ──┼──► sites, totals, peak     (under the books lock)
 *               raw lane ───────────────┘
 *
 *           So the books see one order of events, in which each lane's own are as they happened;
 *           totals and peak are exact for it. Against the true one the events of thread lanes may
 *           be late by a ring, and by as many bytes as PTM_LARGE_BYTES times a ring: what is larger
 *           is booked at once. A block that came in one lane and left in another, and of which the
 *           second is booked first, is not counted at all.
 *           A block that begins a new life at the site it had (it waited in a free list, with the
 *           same size) changes no total and no share of the peak, but what the site ever
 *           allocated. That is counted beside the site's recent entry, and booked when somebody
 *           wants to know or the entry has to go.
 * Threads   `add` by the lane's writer, without a lock; the others under the books lock
 * Failure   none
 */
#ifndef PTM_JOURNAL_H
#define PTM_JOURNAL_H

#include "base/ptm_atomic.h"
#include "trace/ptm_sites.h"

/* An event:
 *
 *      31  30      29  28                         0
 *     +----+----------+----------------------------+
 *     |left| anything |          site id           |
 *     +----+----------+----------------------------+
 */
#define PTM_EVENT_LEFT 0x80000000u
#define PTM_EVENT_SITE 0x1fffffffu

/* A block of so many bytes, that comes or goes in a thread's lane, is booked at once. */
#define PTM_LARGE_BYTES (32u << 10)

/* Takes the books lock for the time of the booking. */
void ptm_journal_flush(ptm_lane *lane);
/* Books all that is written in any lane. */
void ptm_journal_drain(void);
/* Books one event after all that the main lane has written. */
void ptm_journal_book(uint32_t event);
/* Books what was renewed at a place of the lane's recent sites; at all of them. By the lane's
 * writer, or frozen. */
void ptm_journal_book_renewed(ptm_lane *lane, uint32_t place);
void ptm_journal_book_all_renewed(ptm_lane *lane);
/* What is written and not booked is forgotten. Frozen. */
void ptm_journal_clear(void);

/* Nothing can be written before a flush: all is booked whenever the ring has been written round. */
static PTM_ALWAYS_INLINE bool
ptm_journal_is_full(const ptm_lane *lane)
{
    return lane->journal.written % PTM_JOURNAL_EVENTS == 0;
}

/* It is not full. */
static PTM_ALWAYS_INLINE void
ptm_journal_write(ptm_lane *lane, uint32_t event)
{
    uint32_t at = lane->journal.written;
    lane->journal.events[at % PTM_JOURNAL_EVENTS] = event;
    PTM_STORE_RELEASE(&lane->journal.written, at + 1);
}

static PTM_ALWAYS_INLINE bool
ptm_journal_takes_two(const ptm_lane *lane)
{
    return (lane->journal.written - 1) % PTM_JOURNAL_EVENTS < PTM_JOURNAL_EVENTS - 2;
}

/* It takes two. Two or none, which cannot be foretold, are written in the same way. */
static PTM_ALWAYS_INLINE void
ptm_journal_write_two_if(ptm_lane *lane, bool really, uint32_t first, uint32_t second)
{
    uint32_t at = lane->journal.written;
    uint32_t *events = &lane->journal.events[at % PTM_JOURNAL_EVENTS];
    events[0] = first;
    events[1] = second;
    PTM_STORE_RELEASE(&lane->journal.written, at + 2u * really);
}

static PTM_ALWAYS_INLINE void
ptm_journal_write_two(ptm_lane *lane, uint32_t first, uint32_t second)
{
    ptm_journal_write_two_if(lane, true, first, second);
}

static PTM_ALWAYS_INLINE void
ptm_journal_add(ptm_lane *lane, uint32_t event)
{
    if (PTM_UNLIKELY(ptm_journal_is_full(lane))) {
        ptm_journal_flush(lane);
    }
    ptm_journal_write(lane, event);
}

#endif
