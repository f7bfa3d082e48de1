/* SPDX-License-Identifier: MIT */
#include "trace/ptm_lanes.h"

ptm_lane ptm_fixed_lanes[PTM_N_FIXED_LANES];
uint32_t ptm_gate = PTM_GATE_OFF;
PTM_DEFINE_THREAD_LOCAL ptm_lane *ptm_my_lane;

#define MOST_LANES 8192u /* threads at one time; the rest share the raw lane */

static struct {
    ptm_lock lock;
    uint32_t n;                  /* atomic */
    ptm_lane *lanes[MOST_LANES]; /* by id less the fixed ones; those below n stay for good */
    ptm_lane *idle;
} pool;

static ptm_lock freezer; /* held while all is frozen */
static ptm_os_thread_key key;
PTM_THREAD_LOCAL bool ending; /* the thread's lane was given back */

/* -- the gate ---------------------------------------------------------------------------------- */

bool
ptm_lanes_enter_slow(ptm_lane *lane)
{
    for (;;) {
        PTM_STORE(&lane->busy, 1u);
        PTM_FENCE();
        uint32_t gate = PTM_LOAD_ACQUIRE(&ptm_gate);
        if ((gate & (PTM_GATE_FROZEN | PTM_GATE_OFF)) == 0) {
            return true;
        }
        ptm_lanes_leave(lane);
        if ((gate & PTM_GATE_OFF) != 0) {
            return false;
        }
        ptm_os_yield();
    }
}

static void
wait_for(const ptm_lane *lane)
{
    for (unsigned spins = 0; PTM_LOAD_ACQUIRE(&lane->busy) != 0; spins++) {
        ptm_lock_wait(spins);
    }
}

void
ptm_lanes_freeze(void)
{
    ptm_lock_take(&freezer);
    PTM_FETCH_OR(&ptm_gate, (uint32_t)PTM_GATE_FROZEN);
    PTM_FENCE();
    ptm_os_barrier();
    ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        wait_for(lane);
    }
}

void
ptm_lanes_thaw(void)
{
    PTM_FETCH_AND_RELEASE(&ptm_gate, ~(uint32_t)PTM_GATE_FROZEN);
    ptm_lock_release(&freezer);
}

void
ptm_lanes_see_others(void)
{
    if (!ptm_lanes_seen_others()) {
        PTM_FETCH_OR(&ptm_gate, (uint32_t)PTM_GATE_OTHERS);
    }
}

void
ptm_lanes_turn(bool on, bool deep)
{
    uint32_t up = (on ? 0 : PTM_GATE_OFF) | (deep ? PTM_GATE_DEEP : 0);
    PTM_FETCH_OR(&ptm_gate, up);
    PTM_FETCH_AND_RELEASE(&ptm_gate, up | ~(uint32_t)(PTM_GATE_OFF | PTM_GATE_DEEP));
}

/* -- the pool ---------------------------------------------------------------------------------- */

ptm_lane *
ptm_lanes_at(uint32_t i)
{
    if (i < PTM_N_FIXED_LANES) {
        return &ptm_fixed_lanes[i];
    }
    i -= PTM_N_FIXED_LANES;
    return i < PTM_LOAD_ACQUIRE(&pool.n) ? pool.lanes[i] : NULL;
}

/* NULL: no memory, or too many. */
static ptm_lane *
make_lane(void)
{
    ptm_lane *lane = pool.n < MOST_LANES ? ptm_mem_map(sizeof(ptm_lane)) : NULL;
    if (lane != NULL) {
        lane->spare_id = (uint16_t)(PTM_N_FIXED_LANES + pool.n);
        pool.lanes[pool.n] = lane;
        PTM_STORE_RELEASE(&pool.n, pool.n + 1);
    }
    return lane;
}

static ptm_lane *
take_lane(void)
{
    ptm_lock_take(&pool.lock);
    ptm_lane *lane = pool.idle;
    if (lane != NULL) {
        pool.idle = lane->next_idle;
    }
    else {
        lane = make_lane();
    }
    ptm_lock_release(&pool.lock);
    return lane;
}

static void
give_back(ptm_lane *lane)
{
    ptm_lock_take(&pool.lock);
    lane->next_idle = pool.idle;
    pool.idle = lane;
    ptm_lock_release(&pool.lock);
}

/* What the thread does after this, as others' thread-local storage is destroyed, is the raw
 * lane's. */
static void
end_of_thread(void *lane)
{
    ending = true;
    ptm_my_lane = NULL;
    give_back(lane);
}

PTM_NOINLINE ptm_lane *
ptm_lanes_find_mine(void)
{
    ptm_lane *lane = ending ? NULL : take_lane();
    if (lane != NULL && !ptm_os_thread_at_end(key, lane)) {
        give_back(lane);
        return NULL;
    }
    ptm_my_lane = lane;
    return lane;
}

bool
ptm_lanes_init(void)
{
    if (!ptm_os_barrier_init()) {
        PTM_FETCH_OR(&ptm_gate, (uint32_t)PTM_GATE_FENCE);
    }
    return ptm_os_thread_key_new(&key, end_of_thread);
}

void
ptm_lanes_losses(uint64_t *blocks, uint64_t *bytes)
{
    const ptm_lane *lane;
    *blocks = *bytes = 0;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        *blocks += PTM_LOAD(&lane->lost_blocks);
        *bytes += PTM_LOAD(&lane->lost_bytes);
    }
}

/* -- fork -------------------------------------------------------------------------------------- */

void
ptm_lanes_before_fork(void)
{
    ptm_lock_take(&pool.lock);
}

/* Only the forking thread lives on. Another one that waited at the closed gate had said, at times,
 * that it is in: nobody is left to take that back. */
static void
make_others_idle(void)
{
    ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        lane->busy = 0;
    }
    pool.idle = NULL;
    for (uint32_t i = 0; i < pool.n; i++) {
        if (pool.lanes[i] != ptm_my_lane) {
            pool.lanes[i]->next_idle = pool.idle;
            pool.idle = pool.lanes[i];
        }
    }
}

void
ptm_lanes_after_fork(bool in_child)
{
    if (in_child) {
        make_others_idle();
    }
    ptm_lock_release(&pool.lock);
}

void
ptm_lanes_visit(ptm_mem_visit visit, void *arg)
{
    for (uint32_t i = 0; i < pool.n; i++) {
        visit(arg, pool.lanes[i], sizeof(ptm_lane));
    }
}
