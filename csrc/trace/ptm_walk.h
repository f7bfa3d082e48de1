/* SPDX-License-Identifier: MIT
 *
 * ptm_walk - reading the calling thread's stack: as a hash on every event, frame by frame on a
 * miss.
 *
 * How       The hash takes the instruction pointer of every frame it meets, shims included, until
 *           the window holds `limit` complete frames. A frame in the middle of a stack is complete
 *           unless it is a shim, and shims are known by their owner or by their code
 *           (ptm_walk_shim), so only the top ones are asked in full. Where the window ends before
 *           the stack does, the depth is hashed as well.
 * Threads   a thread walks its own stack
 * Failure   none
 * Cost      two loads and a multiplication a frame
 */
#ifndef PTM_WALK_H
#define PTM_WALK_H

#include "base/ptm_hash.h"
#include "pyver/ptm_frames.h"
#include "trace/ptm_stacks.h"

/* Code of the interpreter's own `__init__` shim, once one was met. (Code made by hand may look like
 * it, and die: then a depth beyond the limit may be off by one, no more.) */
PTM_EXTERN const PyCodeObject *ptm_walk_shim;

typedef struct {
    uint64_t hash;
    /* complete frames of the stack; where it was cut, by the interpreter's counter */
    uint32_t depth;
} ptm_window;

/* What an exact walk found. */
typedef struct {
    ptm_node_id node;
    uint32_t n_whole; /* frames of a stack that fits into the window; 0: it was cut */
    /* an incomplete frame in the middle that no hash can tell: the hash must not find it again */
    bool irregular;
} ptm_walked;

static PTM_ALWAYS_INLINE bool
ptm_walk_is_shim(const ptm_pyframe *frame)
{
    return ptm_frame_is_entry(frame) || ptm_frame_code(frame) == ptm_walk_shim;
}

/* The depth of a stack that goes on at `rest` after `seen` complete frames and `shims` counted
 * incomplete ones. */
static PTM_ALWAYS_INLINE uint32_t
ptm_walk_depth(const PyThreadState *tstate, const ptm_pyframe *rest, uint32_t seen, uint32_t shims)
{
    int counted;
    if (ptm_depth_counted(tstate, &counted)) {
        uint32_t depth = (uint32_t)counted - shims;
        return depth > seen ? depth : seen + 1;
    }
    for (; rest != NULL; rest = ptm_frame_previous(rest)) {
        seen++;
    }
    return seen;
}

/* Whether a complete frame follows: a stack that ends with shims ends before them. */
static PTM_ALWAYS_INLINE bool
ptm_walk_goes_on(const ptm_pyframe *frame)
{
    while (frame != NULL && ptm_walk_is_shim(frame)) {
        frame = ptm_frame_previous(frame);
    }
    return frame != NULL;
}

/* Tells an incomplete frame from a complete one at the same instruction: instruction pointers are
 * even. */
#define PTM_WALK_INCOMPLETE 1u

/* The window of `limit` frames with one block of `size` bytes. */
static PTM_ALWAYS_INLINE ptm_window
ptm_walk_hash(const PyThreadState *tstate, uint32_t limit, uint64_t size)
{
    const ptm_pyframe *frame = ptm_frame_top(tstate);
    uint64_t hash = PTM_HASH_SEED ^ size;
    uint32_t shims = 0, seen = 0;
    while (frame != NULL && PTM_UNLIKELY(ptm_frame_is_incomplete(frame))) {
        hash = ptm_hash_step(hash, ptm_frame_ip(frame) | PTM_WALK_INCOMPLETE);
        shims += !ptm_frame_is_entry(frame);
        frame = ptm_frame_previous(frame);
    }
    while (frame != NULL && seen < limit) {
        hash = ptm_hash_step(hash, ptm_frame_ip(frame));
        if (PTM_LIKELY(!ptm_walk_is_shim(frame))) {
            seen++;
        }
        else {
            shims += !ptm_frame_is_entry(frame);
        }
        frame = ptm_frame_previous(frame);
    }
    uint32_t depth = seen;
    if (ptm_walk_goes_on(frame)) {
        depth = ptm_walk_depth(tstate, frame, seen, shims);
        hash ^= (uint64_t)depth << 40;
    }
    return (ptm_window){ptm_hash_end(hash), depth};
}

/* Under the intern lock: the same window, frame by frame, as a node whose `limit` most recent
 * frames are the window; its callers beyond them, if it has any, mean nothing. False: no memory. */
bool ptm_walk_exact(const PyThreadState *tstate, uint32_t limit, ptm_walked *walked);
/* Under the intern lock: node ids that were handed out may be gone. */
void ptm_walk_forget(void);

void ptm_walk_clear(void);
void ptm_walk_visit(ptm_mem_visit visit, void *arg);

#endif
