/* SPDX-License-Identifier: MIT
 *
 * ptm_lanes - who is in which lane, and how everybody is kept out of all of them.
 *
 * How       A writer says that it is in (`busy`), then looks at the gate. Who wants all lanes for
 *           himself closes the gate, lets the system put a barrier into every running thread
 *           (membarrier), and waits until nobody is in. So the writer pays two plain stores and a
 *           load, and no atomic operation.
 *
 *               writer   busy = 1 · gate? ── 0 ──► its lane ──► busy = 0
 *               freezer  gate |= FROZEN · barrier · while (busy) wait ──► all lanes
 *
 *           A thread takes a lane from the pool at its first event and gives it back when it ends;
 *           what the lane knows serves the next thread, too. Lanes are never unmapped.
 * Threads   any
 * Failure   no lane: no memory, or the thread is ending; the raw lane takes the event then
 * Order     frozen before any other lock; a writer may wait for locks while it is in, so nobody
 *           may freeze who holds one
 */
#ifndef PTM_LANES_H
#define PTM_LANES_H

#include "trace/ptm_lane.h"

enum {
    PTM_GATE_FROZEN = 1, /* wait */
    PTM_GATE_FENCE = 2,  /* the system has no such barrier: the writer brings its own */
    PTM_GATE_OFF = 4,    /* not tracing */
    PTM_GATE_OTHERS = 8, /* the main lane's writer must ask whose an event is: other interpreters
                            have been seen */
    PTM_GATE_DEEP = 16,  /* windows of more than one frame: no quick way to a site (ptm_quick) */
    PTM_GATE_PASSED = PTM_GATE_OTHERS | PTM_GATE_DEEP /* by the whole way */
};

PTM_EXTERN uint32_t ptm_gate; /* atomic */

/* Of the calling thread; NULL: none yet. */
PTM_EXTERN_THREAD_LOCAL ptm_lane *ptm_my_lane;

/* What ptm_lanes_enter() does when the gate is not wide open. */
bool ptm_lanes_enter_slow(ptm_lane *lane);
/* The calling thread's lane, taken from the pool and not entered; NULL: none to be had. */
ptm_lane *ptm_lanes_find_mine(void);

static PTM_ALWAYS_INLINE void
ptm_lanes_leave(ptm_lane *lane)
{
    PTM_STORE_RELEASE(&lane->busy, 0u);
}

/* False: some bit of the gate other than these is up; the lane has not been entered. */
static PTM_ALWAYS_INLINE bool
ptm_lanes_try(ptm_lane *lane, uint32_t besides)
{
    PTM_STORE(&lane->busy, 1u);
    PTM_COMPILER_BARRIER();
    if (PTM_LIKELY((PTM_LOAD_ACQUIRE(&ptm_gate) & ~besides) == 0)) {
        return true;
    }
    ptm_lanes_leave(lane);
    return false;
}

/* Waits while all is frozen. False: not tracing. */
static PTM_ALWAYS_INLINE bool
ptm_lanes_enter(ptm_lane *lane)
{
    return PTM_LIKELY(ptm_lanes_try(lane, PTM_GATE_PASSED)) || ptm_lanes_enter_slow(lane);
}

static PTM_ALWAYS_INLINE ptm_lane *
ptm_lanes_mine(void)
{
    return PTM_LIKELY(ptm_my_lane != NULL) ? ptm_my_lane : ptm_lanes_find_mine();
}

static PTM_ALWAYS_INLINE bool
ptm_lanes_seen_others(void)
{
    return (PTM_LOAD(&ptm_gate) & PTM_GATE_OTHERS) != 0;
}

void ptm_lanes_see_others(void);
void ptm_lanes_turn(bool on, bool deep); /* tracing; frozen */

/* Nobody is in a lane from then on until the thaw. */
void ptm_lanes_freeze(void);
void ptm_lanes_thaw(void);

/* All lanes there are, fixed ones first; NULL: no more. */
ptm_lane *ptm_lanes_at(uint32_t i);

/* What could not be recorded in any of them. */
void ptm_lanes_losses(uint64_t *blocks, uint64_t *bytes);

/* The fixed ones are all zero at first, so that they take no room in the file. */
static inline uint16_t
ptm_lanes_id(const ptm_lane *lane)
{
    return lane == PTM_LANE_RAW ? 1 : lane->spare_id;
}

static PTM_ALWAYS_INLINE ptm_lane *
ptm_lanes_of(uint16_t id)
{
    return id < PTM_N_FIXED_LANES ? &ptm_fixed_lanes[id] : ptm_lanes_at(id);
}

/* Once. False: no key for thread-local storage is left. */
bool ptm_lanes_init(void);
/* Around fork, frozen. In the child the lanes of threads that are gone are idle. */
void ptm_lanes_before_fork(void);
void ptm_lanes_after_fork(bool in_child);
void ptm_lanes_visit(ptm_mem_visit visit, void *arg);

#endif
