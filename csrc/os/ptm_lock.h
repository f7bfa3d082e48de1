/* SPDX-License-Identifier: MIT
 *
 * ptm_lock - a lock that may be taken under an allocator hook: it never waits for a GIL and
 * allocates nothing.
 *
 * How       a flag; a waiter spins a little, then gives its processor away
 * Threads   any; not re-entrant. Held for the time of an insertion, of a booking, of a sweep,
 *           or while a snapshot copies the tables.
 * Order     books, intern, the pool's of lanes, the blockmap's, that of parked blocks
 *           (docs/design/lanes.md)
 */
#ifndef PTM_LOCK_H
#define PTM_LOCK_H

#include "base/ptm_atomic.h"
#include "os/ptm_os.h"

typedef struct {
    uint32_t held; /* 0 or 1, atomic */
} ptm_lock;

#define PTM_LOCK_SPINS 100

/* Tells the processor that this is a wait. */
static inline void
ptm_lock_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* One turn of a wait that has turned so often. */
static inline void
ptm_lock_wait(unsigned spins)
{
    if (spins < PTM_LOCK_SPINS) {
        ptm_lock_relax();
    }
    else {
        ptm_os_yield();
    }
}

static inline void
ptm_lock_take(ptm_lock *lock)
{
    for (unsigned spins = 0; PTM_EXCHANGE_ACQUIRE(&lock->held, 1u) != 0; spins++) {
        while (PTM_LOAD(&lock->held) != 0) {
            ptm_lock_wait(++spins);
        }
    }
}

static inline void
ptm_lock_release(ptm_lock *lock)
{
    PTM_STORE_RELEASE(&lock->held, 0u);
}

#endif
