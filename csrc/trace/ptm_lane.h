/* SPDX-License-Identifier: MIT
 *
 * ptm_lane - what belongs to one writer: its way from windows to sites, and the events it has not
 * booked yet.
 *
 * Which     main: the holder of the main interpreter's GIL; raw: the holder of the books lock; the
 *           others are a thread's each (ptm_lanes): on free-threaded builds every thread's, with a
 *           GIL those of threads that run another interpreter.
 * Threads   One writer at a time. Others read and write a lane only while its writer is kept out
 *           (ptm_lanes_freeze), but for the journal: who holds the books lock books it; and the
 *           losses, which anybody may read.
 */
#ifndef PTM_LANE_H
#define PTM_LANE_H

#include "base/ptm_atomic.h"
#include "base/ptm_index.h"
#include "os/ptm_lock.h"
#include "trace/ptm_recent.h"

/* A thread's own events need less room than those of all threads. */
#ifdef PTM_FREE_THREADED
#define PTM_N_YOUNG 1024u
#endif

/* A sweep of the young ones follows so many new sites: their records stay in the second-level
 * cache. */
#ifndef PTM_N_YOUNG
#define PTM_N_YOUNG 4096u
#endif
#define PTM_YOUNG_SLOTS (2u * PTM_N_YOUNG)

/* The most recent frames of a young site's stack, which are no nodes yet (ptm_tails): oldest
 * first. */
#define PTM_TAIL 8u
typedef struct {
    ptm_frame_id frames[PTM_TAIL];
} ptm_tail;

#define PTM_JOURNAL_EVENTS 256u /* a power of two; 1 kB */

/* A ring of events (ptm_journal). */
typedef struct {
    uint32_t written; /* events ever; writer: the lane's */
    uint32_t applied; /* of these, in the books; writer: who holds the books lock */
    uint32_t events[PTM_JOURNAL_EVENTS];
} ptm_journal;

typedef struct ptm_lane {
    uint32_t busy;                    /* atomic; the writer is in a hook */
    uint16_t spare_id;                /* 0: a fixed one (ptm_lanes_id) */
    bool used;                        /* since the last clear: what lies below is not all zero */
    struct ptm_lane *next_idle;       /* guarded: the pool's lock */
    uint32_t n_sites, sweep_at;       /* sites of this lane; how many call for a sweep */
    uint64_t lost_blocks, lost_bytes; /* atomic */
    ptm_index sites;                  /* those that are young no more */
    ptm_journal journal;
    uint32_t n_young;
    ptm_recents recents;
    /* the sites made since the last sweep; guarded: intern lock */
    ptm_site_id young[PTM_N_YOUNG];
    ptm_tail tails[PTM_N_YOUNG]; /* of the same; guarded: intern lock */
    /* the same by hash, open addressing; id 0: empty */
    ptm_slot young_slots[PTM_YOUNG_SLOTS];
} __attribute__((aligned(64))) ptm_lane;

#define PTM_N_FIXED_LANES 2
PTM_EXTERN ptm_lane ptm_fixed_lanes[PTM_N_FIXED_LANES];

#define PTM_LANE_MAIN (&ptm_fixed_lanes[0])
#define PTM_LANE_RAW (&ptm_fixed_lanes[1])

PTM_EXTERN ptm_lock ptm_books_lock; /* before the intern lock */

#endif
