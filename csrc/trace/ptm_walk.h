/* SPDX-License-Identifier: MIT
 *
 * ptm_walk - reading the calling thread's stack: as a hash on every event, frame by frame on a
 * miss.
 *
 * How       The hash takes the mark (instruction pointer and kind) of every frame it meets, shims
 *           included, until the window holds `limit` frames that are no shims: shims are known by
 *           their kind or by their code (ptm_walk_shim). Whether a frame is complete follows from
 *           its mark, so a hit need not ask. On a miss every frame is asked; if one of the window
 *           is not complete (a cell or a generator is being made for a call that begins, a
 *           finalizer runs), the window reaches further down than it was hashed, and another hash
 *           is taken: one that leaves out the most recent frame, or if that is not it, one that
 *           asks each frame. Where the window ends before the stack does, what the interpreter
 *           counts is part of the key, too.
 * Threads   a thread walks its own stack
 * Failure   none
 * Cost      three loads and a multiplication a frame
 */
#ifndef PTM_WALK_H
#define PTM_WALK_H

#include "base/ptm_hash.h"
#include "pyver/ptm_frames.h"
#include "trace/ptm_sites.h"
#include "trace/ptm_stacks.h"

/* Code of the interpreter's own `__init__` shim, once one was met: a constant of it; atomic. */
PTM_EXTERN const PyCodeObject *ptm_walk_shim;

typedef struct {
    uint64_t hash; /* of the marks */
    /* complete frames of the stack; where it was cut, by the interpreter's counter */
    uint32_t depth;
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
    uint32_t depth; /* complete frames of the stack; 0: it was cut, and the counter tells */
    /* the manner was wrong, for this once or always for these marks; no node then */
    enum { PTM_WALK_RIGHT, PTM_WALK_LEARNT, PTM_WALK_WRONG } verdict;
} ptm_walked;

/* `shim` is what ptm_walk_shim says: a loop asks it once. */
static PTM_ALWAYS_INLINE bool
ptm_walk_is_shim(const ptm_pyframe *frame, const PyCodeObject *shim)
{
    return ptm_frame_is_entry(frame) || ptm_frame_code(frame) == shim;
}

/* The window of a stack that may go on below the last of `seen` complete frames; above it are
 * `shims` counted incomplete ones. */
static PTM_ALWAYS_INLINE ptm_window
ptm_walk_cut(const PyThreadState *tstate, uint64_t hash, uint32_t seen, uint32_t shims)
{
    int depth = ptm_depth_counted(tstate) - (int)shims;
#ifdef PTM_COUNTS_C_CALLS
    hash = ptm_hash_step(hash, ptm_eval_place(tstate));
#endif
    return (ptm_window){hash, depth > (int)seen ? (uint32_t)depth : seen};
}

static PTM_ALWAYS_INLINE bool
ptm_walk_skips(const ptm_pyframe *frame, const PyCodeObject *shim, ptm_walk_manner manner)
{
    return ptm_walk_is_shim(frame, shim)
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
    const PyCodeObject *shim = PTM_LOAD(&ptm_walk_shim);
    uint64_t hash = PTM_HASH_SEED ^ (uint64_t)manner;
    uint32_t shims = manner == PTM_WALK_TOP, left = limit;
    for (; frame != NULL; frame = ptm_frame_previous(frame)) {
        hash = ptm_hash_step(hash, ptm_frame_mark(frame));
        if (PTM_UNLIKELY(ptm_walk_skips(frame, shim, manner))) {
            shims += !ptm_frame_is_entry(frame);
        }
        else if (--left == 0) {
            break;
        }
    }
    return left != 0 ? (ptm_window){hash, limit - left} : ptm_walk_cut(tstate, hash, limit, shims);
}

/* What a site is found by: sizes below 2^40, depths above. The depth of a whole stack says nothing
 * that its marks do not. */
static PTM_ALWAYS_INLINE uint64_t
ptm_walk_key(ptm_window window, uint64_t size)
{
    return ptm_hash_end(window.hash ^ size ^ (uint64_t)window.depth << 40);
}

/* Under the intern lock: the same window, frame by frame, as a node and a tail (ptm_tails) whose
 * `limit` most recent frames are the window; its callers beyond them, if it has any, mean nothing.
 * False: no memory, or the manner was wrong. */
bool ptm_walk_exact(const PyThreadState *tstate, uint32_t limit, ptm_walk_manner manner,
                    ptm_walked *walked);
/* Under the intern lock: node ids that were handed out may be gone. */
void ptm_walk_forget(void);

void ptm_walk_clear(void);
void ptm_walk_visit(ptm_mem_visit visit, void *arg);

#endif
