/* SPDX-License-Identifier: MIT */
#include "trace/ptm_walk.h"

#include <string.h>

#include "trace/ptm_codes.h"
#include "trace/ptm_sites.h"

const PyCodeObject *ptm_walk_shim;

/* A frame as it was met. */
typedef struct {
    const ptm_pyframe *frame;
    uintptr_t mark;
} seen_frame;

/* A level of a stack: its frame, and the node of the stack that ends with it. */
typedef struct {
    ptm_frame_id id;
    ptm_node_id node; /* 0: not asked for yet */
} level;

/* What is known of a thread's stack: its levels from the oldest to the most recent. Levels older
 * than the last window may be out of date; they are looked at only when a window reaches them, and
 * then every level of the window is compared, the oldest first. A frame at the same address with
 * the same instruction pointer is the same line of the same code as long as no code object died;
 * what lies below the window is not part of the stack and is not compared. */
typedef struct {
    const PyThreadState *tstate;
    uint32_t code_age;
    uint32_t n_levels;
    uint32_t oldest;  /* the level of the last window's oldest frame */
    seen_frame *seen; /* MOST_LEVELS, mapped when first used; the levels lie behind them */
    level *levels;
} memory;

#define N_MEMORIES 8u /* threads, by address */
#define MOST_LEVELS (2u * PTM_NFRAME_MAX)
#define MEMORY_BYTES (MOST_LEVELS * (sizeof(seen_frame) + sizeof(level)))
#define WINDOW_BYTES (PTM_NFRAME_MAX * sizeof(seen_frame))
#define SHORT_WINDOW PTM_TAIL /* such ones are quicker pushed than remembered */

/* The room for the window under way: it ends where the room ends, the most recent frame last.
 * Guarded: intern lock. */
static seen_frame *room;
static memory memories[N_MEMORIES]; /* guarded: intern lock */

/* -- the window -------------------------------------------------------------------------------- */

/* Oldest frame first; n frames. */
typedef struct {
    seen_frame *frames;
    uint32_t n;
    const ptm_pyframe *below; /* the next one that counts; NULL: that is the whole stack */
} window;

static bool
has_room(void)
{
    if (room == NULL) {
        room = ptm_mem_map(WINDOW_BYTES);
    }
    return room != NULL;
}

static seen_frame *
room_end(void)
{
    return room + PTM_NFRAME_MAX;
}

/* An incomplete frame's instruction is part of what is remembered as well; shims never die. */
static bool
know_incomplete(const ptm_pyframe *frame)
{
    return ptm_walk_is_shim(frame, PTM_LOAD(&ptm_walk_shim))
           || ptm_codes_know(ptm_frame_code(frame));
}

/* The first frame from here that counts; NULL: none. */
static const ptm_pyframe *
next_counted(const ptm_pyframe *frame, ptm_walk_manner manner)
{
    const PyCodeObject *shim = PTM_LOAD(&ptm_walk_shim);
    while (frame != NULL && ptm_walk_skips(frame, shim, manner)) {
        frame = ptm_frame_previous(frame);
    }
    return frame;
}

/* False: no memory. */
static PTM_ALWAYS_INLINE bool
fill_from(window *w, const ptm_pyframe *frame, uint32_t limit, ptm_walk_manner manner)
{
    const PyCodeObject *shim = PTM_LOAD(&ptm_walk_shim);
    seen_frame *at = room_end(), *end = at - limit;
    for (; frame != NULL && at != end; frame = ptm_frame_previous(frame)) {
        if (PTM_LIKELY(!ptm_walk_skips(frame, shim, manner))) {
            *--at = (seen_frame){frame, ptm_frame_mark(frame)};
        }
        else if (!know_incomplete(frame)) {
            return false;
        }
    }
    *w = (window){at, (uint32_t)(room_end() - at), next_counted(frame, manner)};
    return true;
}

/* Below the top frame PTM_WALK_TOP trusts as well; the compiler makes two loops, neither of which
 * asks for the manner. */
static bool
fill_window(window *w, const PyThreadState *tstate, uint32_t limit, ptm_walk_manner manner)
{
    const ptm_pyframe *frame =
        tstate == NULL ? NULL : ptm_walk_start(ptm_frame_top(tstate), manner);
    return manner == PTM_WALK_ASK ? fill_from(w, frame, limit, PTM_WALK_ASK)
                                  : fill_from(w, frame, limit, PTM_WALK_TRUST);
}

/* A frame that was taken for a complete one: the interpreter's shim, which is learnt here, or one
 * that has to be asked for. */
static void
learn(const ptm_pyframe *frame, ptm_walked *walked)
{
    if (ptm_code_is_shim(ptm_frame_code(frame))) {
        walked->verdict = PTM_WALK_LEARNT;
        PTM_STORE(&ptm_walk_shim, ptm_frame_code(frame));
    }
    else if (know_incomplete(frame)) {
        walked->verdict = PTM_WALK_WRONG;
    }
}

/* The frames met last, one for each value of a few bits of a hash: the code object of such a one
 * need not be looked at. */
typedef struct {
    uintptr_t mark;
    ptm_frame_id id;   /* 0: empty */
    uint32_t code_age; /* valid only in this age */
} met_frame;

#define N_MET 4096u

static met_frame met_frames[N_MET]; /* guarded: intern lock */

/* 0: no memory, or the frame is not complete. */
static ptm_frame_id
look_up(const seen_frame *seen, ptm_walked *walked)
{
    if (ptm_frame_is_incomplete(seen->frame)) {
        learn(seen->frame, walked);
        return 0;
    }
    return ptm_codes_frame(ptm_frame_code(seen->frame), ptm_frame_ip(seen->frame));
}

static ptm_frame_id
frame_of(const seen_frame *seen, ptm_walked *walked)
{
    met_frame *met = &met_frames[ptm_hash_pair(seen->mark, 0) % N_MET];
    uint32_t age = PTM_LOAD(&ptm_code_age);
    if (met->mark != seen->mark || met->code_age != age || met->id == 0) {
        *met = (met_frame){seen->mark, look_up(seen, walked), age};
    }
    return met->id;
}

/* -- memory ------------------------------------------------------------------------------------ */

static bool
has_levels(memory *m)
{
    if (m->seen == NULL && (m->seen = ptm_mem_map(MEMORY_BYTES)) != NULL) {
        m->levels = (level *)(m->seen + MOST_LEVELS);
    }
    return m->seen != NULL;
}

/* NULL: no memory. */
static memory *
memory_of(const PyThreadState *tstate)
{
    memory *m = &memories[ptm_hash_pair((uintptr_t)tstate, 0) % N_MEMORIES];
    uint32_t age = PTM_LOAD(&ptm_code_age);
    if (m->tstate != tstate || m->code_age != age) {
        m->tstate = tstate;
        m->code_age = age;
        m->n_levels = 0;
    }
    return has_levels(m) ? m : NULL;
}

static PTM_ALWAYS_INLINE bool
is_same(const seen_frame *a, const seen_frame *b)
{
    return a->frame == b->frame && a->mark == b->mark;
}

static bool
is_at(const memory *m, uint32_t at, const seen_frame *seen)
{
    return at < m->n_levels && is_same(&m->seen[at], seen);
}

/* The level of the window's oldest frame; n_levels: it is not known. Mostly it is near that of the
 * last window. */
static uint32_t
find_oldest(const memory *m, const window *w)
{
    if (w->below == NULL) {
        return is_at(m, 0, w->frames) ? 0 : m->n_levels;
    }
    for (uint32_t d = 0, most = w->n + 16; d < most; d++) {
        if (is_at(m, m->oldest + d, w->frames)) {
            return m->oldest + d;
        }
        if (is_at(m, m->oldest - d, w->frames)) {
            return m->oldest - d;
        }
    }
    return m->n_levels;
}

/* How many frames of the window, from its oldest on, are as remembered; forgets what is above
 * them. */
static uint32_t
recall(memory *m, const window *w)
{
    uint32_t at = find_oldest(m, w), known = 0;
    if (at == m->n_levels) {
        m->n_levels = 0;
        return 0;
    }
    const seen_frame *remembered = m->seen + at, *frames = w->frames;
    uint32_t most = m->n_levels - at < w->n ? m->n_levels - at : w->n;
    while (known < most && is_same(&remembered[known], &frames[known])) {
        known++;
    }
    m->n_levels = at + known;
    return known;
}

/* The window's frames above those that are known. */
static bool
add_levels(memory *m, const window *w, uint32_t known, ptm_walked *walked)
{
    for (uint32_t i = known; i < w->n; i++) {
        ptm_frame_id id = frame_of(&w->frames[i], walked);
        if (id == 0) {
            m->n_levels = 0;
            return false;
        }
        m->seen[m->n_levels] = w->frames[i];
        m->levels[m->n_levels++] = (level){id, 0};
    }
    return true;
}

/* The node of the stack of the n oldest levels. False: no memory. */
static bool
node_of(const memory *m, uint32_t n, ptm_node_id *node)
{
    uint32_t at = n;
    while (at > 0 && m->levels[at - 1].node == 0) {
        at--;
    }
    *node = at == 0 ? 0 : m->levels[at - 1].node;
    for (; at < n; at++) {
        *node = ptm_stacks_push(*node, m->levels[at].id);
        if (*node == 0) {
            return false;
        }
        m->levels[at].node = *node;
    }
    return true;
}

/* As many frames below the window as it has: a program that returns from a deep recursion shows an
 * older frame with each return, and what is remembered has to begin with it. */
static void
reach_below(window *w)
{
    uint32_t end = w->n < PTM_NFRAME_MAX / 2 ? 2 * w->n : PTM_NFRAME_MAX;
    const PyCodeObject *shim = PTM_LOAD(&ptm_walk_shim);
    const ptm_pyframe *frame = w->frames[0].frame;
    while (w->n < end && (frame = ptm_frame_previous(frame)) != NULL) {
        if (ptm_walk_is_shim(frame, shim)) {
            continue;
        }
        if (ptm_frame_is_incomplete(frame)) {
            break;
        }
        *--w->frames = (seen_frame){frame, ptm_frame_mark(frame)};
        w->n++;
    }
}

static bool
walk_remembered(memory *m, window *w, ptm_walked *walked)
{
    uint32_t n = w->n, known = recall(m, w);
    if (m->n_levels + n > MOST_LEVELS) {
        m->n_levels = known = 0;
    }
    if (known == 0) {
        reach_below(w);
    }
    if (!add_levels(m, w, known, walked)) {
        return false;
    }
    m->oldest = m->n_levels - n;
    uint32_t below = m->n_levels - PTM_TAIL;
    for (uint32_t i = 0; i < PTM_TAIL; i++) {
        walked->tail.frames[i] = m->levels[below + i].id;
    }
    walked->n_tail = PTM_TAIL;
    return node_of(m, below, &walked->node);
}

void
ptm_walk_forget(void)
{
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        memories[i].n_levels = 0;
    }
}

/* -- walking ----------------------------------------------------------------------------------- */

static bool
walk_short(const window *w, ptm_walked *walked)
{
    for (uint32_t i = 0; i < w->n; i++) {
        ptm_frame_id id = frame_of(&w->frames[i], walked);
        walked->node = id == 0 ? 0 : ptm_stacks_push(walked->node, id);
        if (walked->node == 0) {
            return false;
        }
    }
    return true;
}

/* PTM_WALK_TOP leaves out the most recent frame. */
static bool
leaves_out_rightly(const PyThreadState *tstate, ptm_walked *walked)
{
    const ptm_pyframe *top = ptm_frame_top(tstate);
    const PyCodeObject *shim = PTM_LOAD(&ptm_walk_shim);
    if (top == NULL || ptm_walk_is_shim(top, shim) || !ptm_frame_is_incomplete(top)) {
        walked->verdict = PTM_WALK_WRONG;
        return false;
    }
    return know_incomplete(top);
}

static bool
walk_unknown(ptm_walked *walked)
{
    ptm_frame_id frame = ptm_codes_unknown();
    walked->node = frame == 0 ? 0 : ptm_stacks_push(0, frame);
    return walked->node != 0;
}

/* 0: the counter tells. Where it does not, all of the stack is walked; a new site can pay for
 * that. */
static uint32_t
depth_of(const window *w)
{
    uint32_t depth = w->n > 0 ? w->n : 1;
    if (w->below == NULL) {
        return depth;
    }
#ifdef PTM_COUNTS_C_CALLS
    for (const ptm_pyframe *frame = w->below; frame != NULL; frame = ptm_frame_previous(frame)) {
        depth += !ptm_frame_is_incomplete(frame);
    }
    return depth;
#else
    return 0;
#endif
}

bool
ptm_walk_exact(const PyThreadState *tstate, uint32_t limit, ptm_walk_manner manner,
               ptm_walked *walked)
{
    *walked = (ptm_walked){.verdict = PTM_WALK_RIGHT};
    if (manner == PTM_WALK_TOP && !leaves_out_rightly(tstate, walked)) {
        return false;
    }
    window w;
    if (!has_room() || !fill_window(&w, tstate, limit, manner)) {
        return false;
    }
    walked->depth = depth_of(&w);
    if (w.n == 0) {
        return walk_unknown(walked);
    }
    memory *m = w.n > SHORT_WINDOW ? memory_of(tstate) : NULL;
    return m == NULL ? walk_short(&w, walked) : walk_remembered(m, &w, walked);
}

void
ptm_walk_clear(void)
{
    if (room != NULL) {
        memset(met_frames, 0, sizeof(met_frames));
    }
    ptm_mem_unmap(room, WINDOW_BYTES);
    room = NULL;
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        ptm_mem_unmap(memories[i].seen, MEMORY_BYTES);
        memories[i] = (memory){0};
    }
}

void
ptm_walk_visit(ptm_mem_visit visit, void *arg)
{
    if (room != NULL) {
        visit(arg, room, WINDOW_BYTES);
    }
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        if (memories[i].seen != NULL) {
            visit(arg, memories[i].seen, MEMORY_BYTES);
        }
    }
}
