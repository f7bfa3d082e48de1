/* SPDX-License-Identifier: MIT */
#include "trace/ptm_tracer.h"

#include "os/ptm_os.h"
#include "pyver/ptm_newref.h"
#include "pyver/ptm_selftest.h"
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

/* The main lane is ours by the GIL; with these two nobody writes anywhere. Order: books, intern. */
static void
lock_all(void)
{
    ptm_lock_take(&ptm_books_lock);
    ptm_lock_take(&ptm_intern_lock);
    ptm_journal_drain();
}

static void
unlock_all(void)
{
    ptm_lock_release(&ptm_intern_lock);
    ptm_lock_release(&ptm_books_lock);
}

/* A child must not inherit a lock that nobody there holds. */
static void
before_fork(void)
{
    lock_all();
    ptm_blockmap_lock();
}

static void
after_fork(void)
{
    ptm_blockmap_unlock();
    unlock_all();
}

/* Under both locks. */
static void
drop_everything(void)
{
    ptm_recording.session++;
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
    ptm_lock_take(&ptm_books_lock);
    ptm_recording.leaving = leaving;
    ptm_lock_release(&ptm_books_lock);
}

void
ptm_tracer_stay(void)
{
    if (!ptm_is_finalizing()) {
        set_leaving(false);
    }
}

void
ptm_tracer_leave(void)
{
    ptm_parked_release();
    set_leaving(true);
}

ptm_err
ptm_tracer_init(const char **why)
{
    static bool done;
    ptm_err err = ptm_selftest(why);
    if (err != PTM_OK || done) {
        return err;
    }
    if (ptm_os_at_fork(before_fork, after_fork, after_fork) != 0) {
        *why = "the fork handlers cannot be registered";
        return PTM_ENOMEM;
    }
    ptm_mem_use((ptm_mem_ops){ptm_os_map, ptm_os_map_large, ptm_os_unmap, ptm_os_discard});
    ptm_recording.main_interp = PyInterpreterState_Main();
    ptm_sites_clear();
    done = true;
    return PTM_OK;
}

ptm_err
ptm_tracer_start(uint32_t nframe)
{
    if (ptm_recording.tracing) {
        return PTM_OK;
    }
    ptm_hooks_install();
    ptm_newref_install(ptm_record_object);
    ptm_track_install();
    lock_all();
    ptm_recording.limit = nframe;
    ptm_recording.tracing = true;
    unlock_all();
    return PTM_OK;
}

void
ptm_tracer_stop(void)
{
    if (!ptm_recording.tracing) {
        return;
    }
    ptm_parked_release();
    lock_all();
    PTM_STORE(&ptm_recording.tracing, false);
    drop_everything();
    unlock_all();
    ptm_track_remove();
    ptm_newref_remove();
    ptm_hooks_remove();
}

void
ptm_tracer_clear(void)
{
    if (ptm_recording.tracing) {
        lock_all();
        drop_everything();
        unlock_all();
    }
}

void
ptm_tracer_reset_peak(void)
{
    if (ptm_recording.tracing) {
        lock_all();
        ptm_peak_restart();
        unlock_all();
    }
}

bool
ptm_tracer_is_tracing(void)
{
    return ptm_recording.tracing;
}

uint32_t
ptm_tracer_limit(void)
{
    return ptm_recording.limit;
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
    for (int i = 0; i < PTM_N_LANES; i++) {
        totals.lost_blocks += ptm_lanes[i].lost_blocks;
        totals.lost_bytes += ptm_lanes[i].lost_bytes;
    }
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
    if (!ptm_recording.tracing) {
        return PTM_ESTATE;
    }
    lock_all();
    ptm_err err = ptm_take_all(ptm_recording.limit, out);
    unlock_all();
    return err;
}

ptm_err
ptm_tracer_find_object(const void *object, ptm_snap **out)
{
    *out = NULL;
    ptm_site_id id = ptm_recording.tracing ? ptm_record_find_object(object) : 0;
    if (id == 0) {
        return PTM_OK;
    }
    lock_all();
    ptm_err err = ptm_take_one(ptm_recording.limit, id, out);
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
