/* SPDX-License-Identifier: MIT */
#include "trace/ptm_levels.h"

#include <string.h>

typedef struct {
    const PyThreadState *tstate;
    uint32_t code_age;
    uint32_t base;       /* position of level 0, modulo 2^32 */
    uint32_t first, end; /* the levels that are known */
    /* MOST_LEVELS each, in one mapping that is made when first used */
    uintptr_t *marks;
    const ptm_pyframe **frames; /* where the mark was met; for a level without an id */
    ptm_frame_id *ids;          /* 0: not asked for yet */
    ptm_node_id *nodes;         /* 0: likewise */
} memory;

#define N_MEMORIES 8u                     /* threads, by address */
#define MOST_LEVELS (4u * PTM_NFRAME_MAX) /* a window and its holes, and as much below it */
#define LEVEL_BYTES \
    (sizeof(uintptr_t) + sizeof(void *) + sizeof(ptm_frame_id) + sizeof(ptm_node_id))
#define MEMORY_BYTES (MOST_LEVELS * LEVEL_BYTES)
#define HOLE UINT32_MAX                /* an id */
#define HOLE_MARK ((uintptr_t)1 << 63) /* what is a hole to one manner is none to another */

static memory memories[N_MEMORIES]; /* guarded: intern lock */

/* -- what is known ----------------------------------------------------------------------------- */

static bool
has_levels(memory *m)
{
    if (m->marks == NULL && (m->marks = ptm_mem_map(MEMORY_BYTES)) != NULL) {
        m->frames = (const ptm_pyframe **)(m->marks + MOST_LEVELS);
        m->ids = (ptm_frame_id *)(m->frames + MOST_LEVELS);
        m->nodes = m->ids + MOST_LEVELS;
    }
    return m->marks != NULL;
}

/* These levels are known no more. */
static void
unmark(memory *m, uint32_t from, uint32_t to)
{
    if (from < to) {
        memset(m->marks + from, 0, (to - from) * sizeof(m->marks[0]));
    }
}

static void
forget_from(memory *m, uint32_t level)
{
    unmark(m, level, m->end);
    m->end = level;
}

static void
forget(memory *m)
{
    forget_from(m, m->first);
}

/* NULL: no memory. */
static memory *
memory_of(const PyThreadState *tstate)
{
    memory *m = &memories[ptm_hash_pair((uintptr_t)tstate, 0) % N_MEMORIES];
    uint32_t age = PTM_LOAD(&ptm_code_age);
    if (m->tstate != tstate || m->code_age != age) {
        forget(m);
        m->tstate = tstate;
        m->code_age = age;
    }
    return has_levels(m) ? m : NULL;
}

/* The level above that of the most recent frame. Below it there is room for the deepest window,
 * even if there is a hole for each of its frames. */
static uint32_t
top_at(memory *m, uint32_t position)
{
    if (position - m->base - MOST_LEVELS / 2 > MOST_LEVELS / 2) {
        forget(m);
        m->base = position - MOST_LEVELS / 4 * 3;
    }
    return position - m->base;
}

/* -- going down -------------------------------------------------------------------------------- */

/* Levels that were seen. */
typedef struct {
    uint32_t top;     /* the level above the most recent frame's */
    uint32_t lowest;  /* top: none was seen */
    uint32_t changed; /* the lowest that is not as remembered; top: all are */
} span;

/* A level that is not as remembered. */
static void
put(const memory *m, span *seen, uint32_t level, uintptr_t mark, const ptm_pyframe *frame)
{
    m->marks[level] = mark;
    m->frames[level] = frame;
    m->ids[level] = (mark & HOLE_MARK) != 0 ? HOLE : 0;
    seen->changed = level;
}

static PTM_ALWAYS_INLINE void
see(const memory *m, span *seen, uintptr_t mark, const ptm_pyframe *frame)
{
    uint32_t level = --seen->lowest;
    if (m->marks[level] != mark) {
        put(m, seen, level, mark, frame);
    }
}

/* A frame of the window that does not count. False: no memory. */
static bool
see_hole(const memory *m, span *seen, const ptm_pyframe *frame, ptm_descent *d)
{
    see(m, seen, ptm_frame_mark(frame) | HOLE_MARK, frame);
    d->n_holes++;
    return ptm_walk_know_incomplete(frame);
}

/* Down to the end of the window or of the stack. False: no memory, or no level is left. */
static PTM_ALWAYS_INLINE bool
see_window(const memory *m, span *seen, ptm_descent *d, ptm_walk_manner manner)
{
    ptm_shims shims = ptm_shims_known();
    const ptm_pyframe *frame = d->frame;
    uint32_t end = seen->lowest - d->left;
    for (; frame != NULL && seen->lowest != end; frame = ptm_frame_previous(frame)) {
        uintptr_t mark = ptm_frame_mark(frame);
        if (PTM_LIKELY(!ptm_walk_skips(frame, mark, shims, manner))) {
            if (PTM_LIKELY(!ptm_frame_is_bottom(frame))) {
                see(m, seen, mark, frame);
            }
        }
        else if (!ptm_frame_is_entry(frame) /* which has no level */
                 && (end-- == 0 || !see_hole(m, seen, frame, d))) {
            return false;
        }
    }
    d->frame = frame;
    d->left = seen->lowest - end;
    return true;
}

/* As many frames below the window as it has: a program that returns from a deep recursion shows an
 * older frame with each return, and what is remembered has to begin with it. */
static void
see_below(memory *m, span *seen, const ptm_pyframe *frame)
{
    ptm_shims shims = ptm_shims_known();
    uint32_t window = seen->top - seen->lowest;
    uint32_t end = seen->lowest > window ? seen->lowest - window : 0;
    for (; frame != NULL && seen->lowest > end; frame = ptm_frame_previous(frame)) {
        uintptr_t mark = ptm_frame_mark(frame);
        if (ptm_frame_is_entry(frame)) {
            continue;
        }
        if (ptm_shims_have(shims, mark)) {
            mark |= HOLE_MARK;
        }
        else if (ptm_frame_is_incomplete(frame)) {
            break;
        }
        see(m, seen, mark, frame);
    }
}

/* What was seen is what is known now, and what it hangs on. A whole stack hangs on nothing. */
static void
settle(memory *m, span *seen, bool whole)
{
    if (whole && m->first < seen->lowest) {
        seen->changed = seen->lowest;
    }
    if (seen->changed == seen->lowest) {
        unmark(m, m->first, m->end < seen->lowest ? m->end : seen->lowest);
        m->first = seen->lowest;
    }
    unmark(m, seen->top, m->end);
    m->end = seen->top;
    memset(m->nodes + seen->changed, 0, (seen->top - seen->changed) * sizeof(m->nodes[0]));
}

/* -- what it says ------------------------------------------------------------------------------ */

/* False: no memory, or a frame is not complete. */
static bool
name_changed(memory *m, const span *seen, ptm_walked *walked)
{
    for (uint32_t level = seen->changed; level < seen->top; level++) {
        if (m->ids[level] == 0) {
            m->ids[level] = ptm_walk_frame(m->frames[level], m->marks[level], walked);
        }
        if (m->ids[level] == 0) {
            return false;
        }
    }
    return true;
}

/* The node of the stack of the levels below this one. False: no memory. */
static bool
node_below(const memory *m, uint32_t end, ptm_node_id *node)
{
    uint32_t at = end;
    while (at > m->first && m->nodes[at - 1] == 0) {
        at--;
    }
    *node = at == m->first ? 0 : m->nodes[at - 1];
    for (; at < end; at++) {
        if (m->ids[at] != HOLE && (*node = ptm_stacks_push(*node, m->ids[at])) == 0) {
            return false;
        }
        m->nodes[at] = *node;
    }
    return true;
}

/* The most recent frames; returns the level of the oldest of them. */
static uint32_t
take_tail(const memory *m, uint32_t top, uint32_t n_holes, ptm_walked *walked)
{
    uint32_t at = top, left = PTM_TAIL;
    walked->n_tail = PTM_TAIL;
    if (PTM_LIKELY(n_holes == 0)) {
        memcpy(walked->tail.frames, &m->ids[top - PTM_TAIL], sizeof(walked->tail));
        return top - PTM_TAIL;
    }
    while (left != 0) {
        at--;
        if (m->ids[at] != HOLE) {
            walked->tail.frames[--left] = m->ids[at];
        }
    }
    return at;
}

bool
ptm_levels_walk(const PyThreadState *tstate, ptm_descent *d, ptm_walked *walked)
{
    memory *m = memory_of(tstate);
    if (m == NULL) {
        return false;
    }
    uint32_t limit = d->left, top = top_at(m, d->position);
    span seen = {top, top, top};
    bool known = d->manner == PTM_WALK_ASK ? see_window(m, &seen, d, PTM_WALK_ASK)
                                           : see_window(m, &seen, d, PTM_WALK_TRUST);
    if (seen.changed == seen.lowest) {
        see_below(m, &seen, d->frame);
    }
    settle(m, &seen, d->left != 0);
    if (!known || !name_changed(m, &seen, walked)) {
        forget_from(m, seen.changed);
        return false;
    }
    bool has_tail = limit - d->left > PTM_TAIL;
    return node_below(m, has_tail ? take_tail(m, top, d->n_holes, walked) : top, &walked->node);
}

/* -- all of them ------------------------------------------------------------------------------- */

void
ptm_levels_forget(void)
{
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        forget(&memories[i]);
    }
}

void
ptm_levels_clear(void)
{
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        ptm_mem_unmap(memories[i].marks, MEMORY_BYTES);
        memories[i] = (memory){0};
    }
}

void
ptm_levels_visit(ptm_mem_visit visit, void *arg)
{
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        if (memories[i].marks != NULL) {
            visit(arg, memories[i].marks, MEMORY_BYTES);
        }
    }
}
