/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "os/ptm_reserve.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* What reports import and snapshots are written with, and some for what malloc cannot give back.
 * The allocator of free-threaded builds (mimalloc) asks for 32 MB on a boundary of as many. */
#ifdef PTM_FREE_THREADED
#define RESERVE_BYTES ((size_t)72 << 20)
#else
#define RESERVE_BYTES ((size_t)24 << 20)
#endif

static void *reserve; /* NULL: none */

void
ptm_reserve_hold(void)
{
    void *pages =
        mmap(NULL, RESERVE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    reserve = pages == MAP_FAILED ? NULL : pages;
}

static void
raise_limit(int resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) == 0 && limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(resource, &limit);
    }
}

void
ptm_reserve_give(void)
{
    if (reserve != NULL) {
        (void)munmap(reserve, RESERVE_BYTES);
    }
    reserve = NULL;
    raise_limit(RLIMIT_AS);
    raise_limit(RLIMIT_NOFILE);
}
