/* SPDX-License-Identifier: MIT */
#include "trace/ptm_tracer.h"

#include "os/ptm_os.h"
#include "pyver/ptm_listed.h"
#include "pyver/ptm_newref.h"
#include "pyver/ptm_selftest.h"
#include "pyver/ptm_shims.h"
#include "pyver/ptm_turn.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_codes.h"
#include "trace/ptm_domains.h"
#include "trace/ptm_graves.h"
#include "trace/ptm_hooks.h"
#include "trace/ptm_journal.h"
#include "trace/ptm_parked.h"
#include "trace/ptm_record.h"
#include "trace/ptm_stacks.h"
#include "trace/ptm_take.h"
#include "trace/ptm_track.h"
#include "trace/ptm_walk.h"

/* Nobody is in a lane, and nobody writes anywhere. */
static void
lock_all(void)
{
    ptm_lanes_freeze();
    ptm_lock_take(&ptm_books_lock);
    ptm_lock_take(&ptm_intern_lock);
    ptm_journal_drain();
}

static void
unlock_all(void)
{
    ptm_lock_release(&ptm_intern_lock);
    ptm_lock_release(&ptm_books_lock);
    ptm_lanes_thaw();
}

/* A child must not inherit a lock that nobody there holds. */
static void
before_fork(void)
{
    lock_all();
    ptm_lanes_before_fork();
    ptm_blockmap_lock();
    ptm_parked_lock();
}

static void
after_fork(void)
{
    ptm_parked_unlock();
    ptm_blockmap_unlock();
    ptm_lanes_after_fork(false);
    unlock_all();
}

static void
after_fork_in_child(void)
{
    ptm_parked_unlock();
    ptm_blockmap_unlock();
    ptm_lanes_after_fork(true);
    unlock_all();
    ptm_turn_forget();
}

/* Locked. */
static void
drop_everything(void)
{
    PTM_STORE(&ptm_recording.session, ptm_recording.session + 1);
    ptm_journal_clear();
    ptm_shadow_clear();
    ptm_blockmap_clear();
    ptm_sites_clear();
    ptm_stacks_clear();
    ptm_codes_clear();
    ptm_names_clear();
    ptm_domains_clear();
    ptm_graves_clear();
    ptm_walk_clear();
}

static void
set_leaving(bool leaving)
{
    lock_all();
    PTM_STORE(&ptm_recording.leaving, leaving);
    unlock_all();
}

void
ptm_tracer_leave(void)
{
    ptm_parked_release();
    set_leaving(true);
}

static ptm_err
set_up(const char **why)
{
    if (!ptm_lanes_init()) {
        *why = "no key for thread-local storage is left";
        return PTM_ENOMEM;
    }
    /* last: a handler stays, and must not be there twice when the import is tried again */
    if (ptm_os_at_fork(before_fork, after_fork, after_fork_in_child) != 0) {
        *why = "the fork handlers cannot be registered";
        return PTM_ENOMEM;
    }
    ptm_mem_use((ptm_mem_ops){ptm_os_map, ptm_os_map_large, ptm_os_unmap, ptm_os_discard});
    ptm_recording.main_interp = PyInterpreterState_Main();
    ptm_shims_init();
    ptm_sites_clear();
    return PTM_OK;
}

ptm_err
ptm_tracer_init(const char **why)
{
    static bool done; /* guarded: the turn */
    ptm_err err = ptm_selftest(why);
    if (err == PTM_OK) {
        ptm_turn_take();
        err = done ? PTM_OK : set_up(why);
        done = err == PTM_OK;
        ptm_turn_leave();
    }
    return err;
}

/* Its next event may be a free, which does not ask whose it is unless others have been seen. */
static void
see_other_interpreters(void)
{
    if (PyInterpreterState_Next(PyInterpreterState_Head()) != NULL) {
        ptm_lanes_see_others();
    }
}

static void
turn_on(uint32_t nframe)
{
    see_other_interpreters();
    ptm_hooks_install();
    ptm_listed_fill();
    ptm_newref_install(ptm_record_object);
    ptm_track_install();
    lock_all();
    PTM_STORE(&ptm_recording.limit, nframe);
    PTM_STORE(&ptm_recording.tracing, true);
    ptm_lanes_turn(true, nframe > 1);
    unlock_all();
}

void
ptm_tracer_start(uint32_t nframe)
{
    ptm_turn_take();
    if (!ptm_recording.tracing) {
        turn_on(nframe);
    }
    ptm_turn_leave();
}

static void
turn_off(void)
{
    ptm_parked_release();
    lock_all();
    PTM_STORE(&ptm_recording.tracing, false);
    ptm_lanes_turn(false, false);
    drop_everything();
    unlock_all();
    ptm_track_remove();
    ptm_newref_remove();
    ptm_hooks_remove();
}

void
ptm_tracer_stop(void)
{
    ptm_turn_take();
    if (ptm_recording.tracing) {
        turn_off();
    }
    ptm_turn_leave();
}

/* Python was ended, and begins anew in the same process: what is known is of the life before, and
 * so are the hooks (from 3.12 on the runtime is reset, and they are gone). */
void
ptm_tracer_stay(void)
{
    if (ptm_is_finalizing()) {
        return;
    }
    if (PTM_LOAD(&ptm_recording.leaving)) {
        ptm_tracer_stop();
    }
    set_leaving(false);
}

void
ptm_tracer_clear(void)
{
    lock_all();
    if (ptm_recording.tracing) {
        drop_everything();
    }
    unlock_all();
}

void
ptm_tracer_reset_peak(void)
{
    lock_all();
    if (ptm_recording.tracing) {
        ptm_peak_restart();
    }
    unlock_all();
}

bool
ptm_tracer_is_tracing(void)
{
    return PTM_LOAD(&ptm_recording.tracing);
}

uint32_t
ptm_tracer_limit(void)
{
    return PTM_LOAD(&ptm_recording.limit);
}

ptm_totals
ptm_tracer_totals(void)
{
    ptm_lock_take(&ptm_books_lock);
    ptm_journal_drain();
    ptm_totals totals = {.current_bytes = ptm_the_peak.bytes,
                         .current_blocks = ptm_the_peak.blocks,
                         .peak_bytes = ptm_the_peak.best_bytes,
                         .peak_blocks = ptm_peak_blocks()};
    ptm_lanes_losses(&totals.lost_blocks, &totals.lost_bytes);
    ptm_lock_release(&ptm_books_lock);
    return totals;
}

static void
add_resident(void *arg, const void *pages, size_t bytes)
{
    *(size_t *)arg += ptm_os_resident_bytes(pages, bytes);
}

size_t
ptm_tracer_memory_bytes(void)
{
    size_t total = 0;
    ptm_os_visit_variables(add_resident, &total); /* the loader has a lock: before ours */
    lock_all();
    ptm_shadow_visit(add_resident, &total);
    ptm_blockmap_visit(add_resident, &total);
    ptm_sites_visit(add_resident, &total);
    ptm_stacks_visit(add_resident, &total);
    ptm_codes_visit(add_resident, &total);
    ptm_names_visit(add_resident, &total);
    ptm_domains_visit(add_resident, &total);
    ptm_graves_visit(add_resident, &total);
    ptm_walk_visit(add_resident, &total);
    ptm_lanes_visit(add_resident, &total);
    unlock_all();
    return total;
}

void
ptm_tracer_fail_after(int64_t n)
{
    ptm_mem_fail_after(n);
}

ptm_err
ptm_tracer_snapshot(ptm_snap **out)
{
    lock_all();
    ptm_err err = ptm_recording.tracing ? ptm_take_all(ptm_recording.limit, out) : PTM_ESTATE;
    unlock_all();
    return err;
}

ptm_err
ptm_tracer_find_block(uint32_t domain, uintptr_t address, ptm_snap **out)
{
    *out = NULL;
    lock_all();
    ptm_site_id id = ptm_recording.tracing ? ptm_track_find(domain, address) : 0;
    ptm_err err = id == 0 ? PTM_OK : ptm_take_one(ptm_recording.limit, id, out);
    unlock_all();
    return err;
}

ptm_err
ptm_tracer_find_object(const void *object, ptm_snap **out)
{
    return ptm_tracer_find_block(0, (uintptr_t)ptm_object_block(object), out);
}
