/* SPDX-License-Identifier: MIT
 *
 * ptm_walk - reading the calling thread's stack: as a hash on every event, frame by frame on a
 * miss.
 *
 * How       The hash takes the mark (instruction pointer, on old versions with the kind) of every
 *           frame it meets, shims included, until the window holds `limit` frames that are no shims
 *           (ptm_shims). Whether a frame is complete follows from its mark, so a hit need not ask.
 *           On a miss every frame is asked; if one of the window is not complete (a cell or a
 *           generator is being made for a call that begins, a finalizer runs), the window reaches
 *           further down than it was hashed, and another hash is taken: one that leaves out the
 *           most recent frame, or if that is not it, one that asks each frame. Where the window
 *           ends before the stack does, what the interpreter counts is part of the key, too.
 * Threads   a thread walks its own stack
 * Failure   none
 * Cost      eleven instructions a frame, none of which depends on what kind of frame it is
 */
#ifndef PTM_WALK_H
#define PTM_WALK_H

#include "base/ptm_hash.h"
#include "pyver/ptm_frames.h"
#include "pyver/ptm_shims.h"
#include "trace/ptm_sites.h"
#include "trace/ptm_stacks.h"

typedef struct {
    uint64_t hash;  /* of the marks */
    uint32_t depth; /* where the stack was cut, by the interpreter's counter; 0: it was not */
} ptm_window;

/* How incomplete frames are told that are no shims. The first two are right as long as the exact
 * walk says so. */
typedef enum {
    PTM_WALK_TRUST, /* there are none */
    PTM_WALK_TOP,   /* the most recent frame is one, and no other */
    PTM_WALK_ASK    /* each frame is asked */
} ptm_walk_manner;

/* What an exact walk found. */
typedef struct {
    ptm_node_id node; /* of the stack less its tail */
    ptm_tail tail;
    uint32_t n_tail;
    uint32_t depth; /* complete frames of the stack */
    /* the manner was wrong, for this once or always for these marks; no node then */
    enum { PTM_WALK_RIGHT, PTM_WALK_LEARNT, PTM_WALK_WRONG } verdict;
} ptm_walked;

/* The window of a stack that may go on below it. */
static PTM_ALWAYS_INLINE ptm_window
ptm_walk_cut(const PyThreadState *tstate, uint64_t hash)
{
#ifdef PTM_COUNTS_C_CALLS
    hash = ptm_hash_add(ptm_hash_spread(hash), ptm_eval_place(tstate));
#endif
    return (ptm_window){hash, (uint32_t)ptm_depth_counted(tstate)};
}

static PTM_ALWAYS_INLINE bool
ptm_walk_skips(const ptm_pyframe *frame, uintptr_t mark, ptm_shims shims, ptm_walk_manner manner)
{
    return ptm_shims_have(shims, mark)
           || (manner == PTM_WALK_ASK && ptm_frame_is_incomplete(frame));
}

/* Where the walk starts to ask or to trust. */
static PTM_ALWAYS_INLINE const ptm_pyframe *
ptm_walk_start(const ptm_pyframe *top, ptm_walk_manner manner)
{
    return manner == PTM_WALK_TOP && top != NULL ? ptm_frame_previous(top) : top;
}

static PTM_ALWAYS_INLINE ptm_window
ptm_walk_hash(const PyThreadState *tstate, uint32_t limit, ptm_walk_manner manner)
{
    const ptm_pyframe *frame = ptm_walk_start(ptm_frame_top(tstate), manner);
    ptm_shims shims = ptm_shims_known();
    uint64_t hash = PTM_HASH_SEED ^ (uint64_t)manner << 62; /* which no mark reaches */
    uint32_t left = limit;
    for (; frame != NULL; frame = ptm_frame_previous(frame)) {
        uintptr_t mark = ptm_frame_mark(frame);
        hash = ptm_hash_add(hash, mark);
        left -= !ptm_walk_skips(frame, mark, shims, manner);
        if (PTM_UNLIKELY(left == 0)) {
            return ptm_walk_cut(tstate, hash);
        }
        hash = ptm_hash_spread(hash);
    }
    return (ptm_window){hash, 0};
}

/* What a site is found by: sizes below 2^40, depths above. The depth of a whole stack says nothing
 * that its marks do not. */
static PTM_ALWAYS_INLINE uint64_t
ptm_walk_key(ptm_window window, uint64_t size)
{
    return ptm_hash_fold(window.hash, size ^ (uint64_t)window.depth << 40);
}

/* Under the intern lock: the same window, frame by frame, as a node and a tail (ptm_tails) whose
 * `limit` most recent frames are the window; its callers beyond them, if it has any, mean nothing.
 * False: no memory, or the manner was wrong. */
bool ptm_walk_exact(const PyThreadState *tstate, uint32_t limit, ptm_walk_manner manner,
                    ptm_walked *walked);
/* Under the intern lock: node ids that were handed out may be gone. */
void ptm_walk_forget(void);

/* The frame that a complete one shows; 0: no memory, or it is not complete. */
ptm_frame_id ptm_walk_frame(const ptm_pyframe *frame, uintptr_t mark, ptm_walked *walked);
/* An incomplete frame's instruction is part of what is remembered as well; shims never die. */
bool ptm_walk_know_incomplete(const ptm_pyframe *frame);

void ptm_walk_clear(void);
void ptm_walk_visit(ptm_mem_visit visit, void *arg);

#endif
