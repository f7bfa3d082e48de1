/* SPDX-License-Identifier: MIT
 *
 * ptm_tracer - the one tracer of the process: start, stop, clear, fork, and the questions one may
 * ask it.
 *
 * Owns      the state of trace/ (allocator hooks are process-wide, so there is one tracer per
 *           process)
 * Threads   any that are attached to an interpreter, at the same time
 * Failure   never fails the traced program: what could not be recorded is counted as lost
 * Cost      start and stop: a tenth of a millisecond each; totals: a lock, and what the journal
 *           holds is booked; snapshot: linear in sites, not blocks
 */
#ifndef PTM_TRACER_H
#define PTM_TRACER_H

#include "base/ptm_base.h"
#include "snap/ptm_snap.h"

typedef struct {
    uint64_t current_bytes, peak_bytes;
    uint64_t current_blocks, peak_blocks;
    uint64_t lost_blocks, lost_bytes; /* since start or clear */
} ptm_totals;

/* Once per process, at import: checks the layout of frames against the public API. On failure *why
 * says in one sentence what does not fit. */
ptm_err ptm_tracer_init(const char **why);

void ptm_tracer_start(uint32_t nframe); /* already tracing: nothing changes */
void ptm_tracer_stop(void);             /* drops everything recorded; not tracing: nothing */
void ptm_tracer_clear(void);            /* drops everything recorded, goes on tracing */
void ptm_tracer_reset_peak(void);

/* The main interpreter begins, and ends: from then on the frames of threads without the GIL are not
 * read, since it frees their states. If it begins after an end, tracing stops. */
void ptm_tracer_stay(void);
void ptm_tracer_leave(void);

bool ptm_tracer_is_tracing(void);
uint32_t ptm_tracer_limit(void); /* of the running trace, else of the last one, else 1 */
ptm_totals ptm_tracer_totals(void);
size_t ptm_tracer_memory_bytes(void); /* bytes of our own memory that are resident */

/* Test-only: the tracer gets n more pieces of memory and none after; -1: all. */
void ptm_tracer_fail_after(int64_t n);

/* Everything recorded: live, at-peak and allocated counts of every site. PTM_ESTATE when not
 * tracing. */
ptm_err ptm_tracer_snapshot(ptm_snap **out);

/* The trace of the block that holds object `obj` (a PyObject *), as a snapshot with one site; *out
 * is NULL if there is none. */
ptm_err ptm_tracer_find_object(const void *obj, ptm_snap **out);
/* Likewise of the block of any domain that starts at this address. */
ptm_err ptm_tracer_find_block(uint32_t domain, uintptr_t address, ptm_snap **out);

#endif
