/* SPDX-License-Identifier: MIT */
#include "trace/ptm_track.h"

#include "os/ptm_redirect.h"
#include "pyver/ptm_core.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_domains.h"
#include "trace/ptm_elsewhere.h"
#include "trace/ptm_event.h"
#include "trace/ptm_find.h"
#include "trace/ptm_journal.h"
#include "trace/ptm_record.h"

/* What the two functions answer. */
enum { DONE = 0, NO_MEMORY = -1, OFF = -2 };

/* -- blocks: all of these under the books lock ------------------------------------------------- */

static ptm_site_id
find_here(const void *block)
{
    ptm_site_id id = ptm_blocks_get(block) & PTM_ENTRY_SITE;
    return id != 0 ? id : ptm_blockmap_get(0, (uintptr_t)block);
}

ptm_site_id
ptm_track_find(uint32_t domain, uintptr_t address)
{
    return domain != 0 ? ptm_blockmap_get(domain, address) : find_here((const void *)address);
}

/* A block of domain 0 may be one that an allocator gave out, lie in a pool and hold a code object:
 * its marks stay until it is freed. A row that is a pool's is the main lane's: there others change
 * the entries of its live blocks only. What else lies there is in the blockmap. */
static bool
put(uint32_t domain, uintptr_t address, ptm_site_id id, uint32_t *old)
{
    if (domain != 0) {
        return ptm_blockmap_put(domain, address, id, old);
    }
    const void *block = (const void *)address;
    uint32_t there = ptm_blocks_get(block);
    if (there == 0 && ptm_blocks_is_packed(block)) {
        return ptm_blockmap_put(0, address, id, old);
    }
    return ptm_blocks_put(block, (there & (PTM_ENTRY_CODE | PTM_ENTRY_POOLED)) | id, old);
}

static uint32_t
take(uint32_t domain, uintptr_t address)
{
    if (domain != 0) {
        return ptm_blockmap_take(domain, address);
    }
    uint32_t entry = ptm_blocks_take_site((const void *)address);
    return (entry & PTM_ENTRY_SITE) != 0 ? entry : ptm_blockmap_take(0, address);
}

/* -- events ------------------------------------------------------------------------------------ */

static bool
track_in(uint32_t domain, uintptr_t address, size_t size)
{
    ptm_domain_id in;
    uint32_t old;
    ptm_site_id id = ptm_domains_intern(domain, &in)
                         ? ptm_find_site_in(in, PTM_LANE_RAW, ptm_elsewhere_tstate(), size, 0)
                         : 0;
    if (id == 0 || !put(domain, address, id, &old)) {
        ptm_event_left(PTM_LANE_RAW, take(domain, address));
        ptm_event_loss(PTM_LANE_RAW, size);
        return false;
    }
    ptm_event_left(PTM_LANE_RAW, old);
    ptm_journal_book(id);
    return true;
}

static int
track_here(unsigned domain, uintptr_t address, size_t size)
{
    if (!PTM_LOAD(&ptm_recording.tracing) || !ptm_elsewhere_enter_raw()) {
        return OFF;
    }
    bool done = track_in(domain, address, size);
    ptm_elsewhere_leave_raw();
    return done ? DONE : NO_MEMORY;
}

static int
untrack_here(unsigned domain, uintptr_t address)
{
    if (!PTM_LOAD(&ptm_recording.tracing) || !ptm_elsewhere_enter_raw()) {
        return OFF;
    }
    ptm_event_left(PTM_LANE_RAW, take(domain, address));
    ptm_elsewhere_leave_raw();
    return DONE;
}

/* -- in the place of core's functions ---------------------------------------------------------- */

static int track(unsigned domain, uintptr_t address, size_t size);
static int untrack(unsigned domain, uintptr_t address);
static PyObject *get_traceback(unsigned domain, uintptr_t address);

typedef int track_function(unsigned domain, uintptr_t address, size_t size);
typedef int untrack_function(unsigned domain, uintptr_t address);

enum { TRACK, UNTRACK, GET_TRACEBACK, N_REDIRECTS };

static ptm_redirect redirects[N_REDIRECTS] = {
    [TRACK] = {.name = "PyTraceMalloc_Track", .ours = (ptm_function *)track},
    [UNTRACK] = {.name = "PyTraceMalloc_Untrack", .ours = (ptm_function *)untrack},
    [GET_TRACEBACK] = {.name = "_PyTraceMalloc_GetTraceback",
                       .ours = (ptm_function *)get_traceback},
};

static ptm_track_answer *the_answer;

static int
track(unsigned domain, uintptr_t address, size_t size)
{
    int result = track_here(domain, address, size);
    if (result != OFF && !ptm_core_may_be_asked()) {
        return result;
    }
    int cores = ((track_function *)redirects[TRACK].theirs)(domain, address, size);
    return result == OFF ? cores : result;
}

static int
untrack(unsigned domain, uintptr_t address)
{
    int result = untrack_here(domain, address);
    if (result != OFF && !ptm_core_may_be_asked()) {
        return result;
    }
    int cores = ((untrack_function *)redirects[UNTRACK].theirs)(domain, address);
    return result == OFF ? cores : result;
}

static PyObject *
get_traceback(unsigned domain, uintptr_t address)
{
    return the_answer(domain, address);
}

PyObject *
ptm_track_ask_core(unsigned domain, uintptr_t address)
{
    return ((ptm_track_answer *)redirects[GET_TRACEBACK].theirs)(domain, address);
}

void
ptm_track_use(ptm_track_answer *answer)
{
    the_answer = answer;
}

static void
find_all(void)
{
    for (int i = 0; i < N_REDIRECTS; i++) {
        ptm_redirect_find(&redirects[i]);
    }
    ptm_core_find();
}

void
ptm_track_install(void)
{
    static bool found; /* guarded: the turn */
    if (!found) {
        find_all();
    }
    found = true;
    ptm_redirect_put(redirects, N_REDIRECTS);
}

void
ptm_track_remove(void)
{
    ptm_redirect_remove(redirects, N_REDIRECTS);
}
