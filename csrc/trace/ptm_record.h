/* SPDX-License-Identifier: MIT
 *
 * ptm_record - an event comes in, the books change: a block was allocated, moved, freed, or given a
 * new life.
 *
 * Which     `main` events are those of the MEM and OBJ domains: their thread is attached. With a
 *           GIL, those of the main interpreter have the main lane. `elsewhere` are all others
 *           (ptm_elsewhere.c): of the raw domain, of other interpreters, and on free-threaded
 *           builds all.
 * Failure   what cannot be recorded is counted in the lane's losses; the block is the program's in
 *           any case
 * Cost      main lane, known window: walk + one slot + one shadow entry + four bytes of the
 *           journal; the site when that is booked. What is usual goes a shorter way (ptm_quick).
 */
#ifndef PTM_RECORD_H
#define PTM_RECORD_H

#include "pyver/ptm_frames.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_sites.h"

/* Read by every hook; written by the tracer while nobody else is in a lane. */
typedef struct {
    bool tracing;
    uint32_t limit; /* frames of a window */
    /* the interpreter ends: it frees the states of other threads */
    bool leaving;
    /* rises with each clear and stop: site ids of before mean nothing */
    uint32_t session;
    PyInterpreterState *main_interp;
} ptm_record_state;

PTM_EXTERN ptm_record_state ptm_recording;

/* The second net: for an end that did not call the functions of atexit. */
static inline bool
ptm_record_is_leaving(void)
{
    return PTM_LOAD(&ptm_recording.leaving) || ptm_is_finalizing();
}

PTM_EXTERN ptm_lock ptm_intern_lock;

/* What a realloc took away, to be settled when its outcome is known. */
typedef struct {
    uint32_t entry;   /* 0: the block was not traced */
    uint32_t session; /* in which the entry was taken */
} ptm_taken;

/* What was taken, unless tracing began anew since. In a lane. */
static PTM_ALWAYS_INLINE uint32_t
ptm_record_still_taken(ptm_taken taken)
{
    return taken.session == PTM_LOAD(&ptm_recording.session) ? taken.entry : 0;
}

/* The block itself; NULL: nothing happens. marks: for its entry; key: of the window, if it was
 * walked; else 0. */
void *ptm_record_main_alloc(void *block, size_t size, uint32_t marks, uint64_t key);
void *ptm_record_raw_alloc(void *block, size_t size);

/* Before the real free. The entry's mark of a code object stays if it was a known one's, which must
 * be parked (ptm_parked). */
uint32_t ptm_record_main_free(const void *block);
void ptm_record_raw_free(const void *block);

/* The allocator below gave a block of a pool, which may have begun with it: in its region may still
 * be the row of one whose end went unheard. */
void ptm_record_begin_pool(const void *block);

static PTM_ALWAYS_INLINE void
ptm_record_may_begin_pool(const void *block)
{
    if (PTM_UNLIKELY(ptm_blocks_is_packed(block))) {
        ptm_record_begin_pool(block);
    }
}

/* The last block of a pool is about to be given back to the allocator below. */
void ptm_record_end_pool(const void *block);

/* Before any block that had this entry is. */
static PTM_ALWAYS_INLINE void
ptm_record_may_end_pool(const void *block, uint32_t entry)
{
    if ((entry & PTM_ENTRY_POOLED) != 0 && PTM_UNLIKELY(ptm_pools_ends_with(block))) {
        ptm_record_end_pool(block);
    }
}

/* Before the real realloc; after it, exactly one of the others. */
ptm_taken ptm_record_main_take(const void *block);
ptm_taken ptm_record_raw_take(const void *block);
void ptm_record_main_realloc(ptm_taken taken, void *block, size_t size);
void ptm_record_raw_realloc(ptm_taken taken, void *block, size_t size);
void ptm_record_realloc_failed(ptm_taken taken, const void *block);

/* An object came to life on a block that is not the newest one: it waited in a free list. 0, which
 * is what a PyRefTracer answers. */
int ptm_record_object(PyObject *object);

#endif
