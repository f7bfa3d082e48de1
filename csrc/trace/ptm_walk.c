/* SPDX-License-Identifier: MIT */
#include "trace/ptm_walk.h"

#include <string.h>

#include "trace/ptm_codes.h"
#include "trace/ptm_sites.h"

const PyCodeObject *ptm_walk_shim;

/* A frame of the window under way. */
typedef struct {
    const ptm_pyframe *frame;
    uintptr_t mark;
} seen_frame;

/* A frame of the stack as it was walked last, and the node of the stack that ends with it. */
typedef struct {
    const ptm_pyframe *frame;
    uintptr_t mark;
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
    level *levels; /* MOST_LEVELS, mapped when first used */
} memory;

#define N_MEMORIES 8u /* threads, by address */
#define MOST_LEVELS (2u * PTM_NFRAME_MAX)
#define LEVELS_BYTES (MOST_LEVELS * sizeof(level))
#define WINDOW_BYTES (PTM_NFRAME_MAX * sizeof(seen_frame))
#define SHORT_WINDOW PTM_TAIL /* such ones are quicker pushed than remembered */

static seen_frame *window;          /* most recent first; guarded: intern lock */
static memory memories[N_MEMORIES]; /* guarded: intern lock */

/* -- the window -------------------------------------------------------------------------------- */

static bool
has_window(void)
{
    if (window == NULL) {
        window = ptm_mem_map(WINDOW_BYTES);
    }
    return window != NULL;
}

/* An incomplete frame's instruction is part of what is remembered as well; shims never die. */
static bool
know_incomplete(const ptm_pyframe *frame)
{
    return ptm_walk_is_shim(frame) || ptm_codes_know(ptm_frame_code(frame));
}

/* The number of frames, *whole: the stack does not go on behind them. False: no memory. */
static bool
fill_window(const PyThreadState *tstate, uint32_t limit, ptm_walk_manner manner, uint32_t *n,
            bool *whole)
{
    const ptm_pyframe *frame =
        tstate == NULL ? NULL : ptm_walk_start(ptm_frame_top(tstate), manner);
    for (*n = 0; frame != NULL && *n < limit; frame = ptm_frame_previous(frame)) {
        if (!ptm_walk_skips(frame, manner)) {
            window[(*n)++] = (seen_frame){frame, ptm_frame_mark(frame)};
        }
        else if (!know_incomplete(frame)) {
            return false;
        }
    }
    *whole = ptm_walk_next(frame, manner) == NULL;
    return true;
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

static memory *
memory_of(const PyThreadState *tstate)
{
    memory *m = &memories[ptm_hash_pair((uintptr_t)tstate, 0) % N_MEMORIES];
    uint32_t age = PTM_LOAD(&ptm_code_age);
    if (m->levels == NULL) {
        m->levels = ptm_mem_map(LEVELS_BYTES);
    }
    if (m->tstate != tstate || m->code_age != age) {
        *m = (memory){.tstate = tstate, .code_age = age, .levels = m->levels};
    }
    return m->levels == NULL ? NULL : m;
}

static bool
is_at(const level *l, const seen_frame *seen)
{
    return l->frame == seen->frame && l->mark == seen->mark;
}

/* The level of the oldest frame of a window of n; n_levels: it is not known. */
static uint32_t
find_oldest(const memory *m, uint32_t n, bool whole)
{
    const seen_frame *oldest = &window[n - 1];
    if (whole) {
        return m->n_levels != 0 && is_at(&m->levels[0], oldest) ? 0 : m->n_levels;
    }
    for (uint32_t at = m->n_levels, tries = 2 * n + 16; at-- > 1 && tries-- > 0;) {
        if (is_at(&m->levels[at], oldest)) {
            return at;
        }
    }
    return m->n_levels;
}

/* How many frames of the window, from its oldest on, are as remembered; forgets what is above
 * them. */
static uint32_t
recall(memory *m, uint32_t n, bool whole)
{
    uint32_t at = find_oldest(m, n, whole), known = 0;
    if (at == m->n_levels) {
        m->n_levels = 0;
        return 0;
    }
    while (known < n && at < m->n_levels && is_at(&m->levels[at], &window[n - 1 - known])) {
        known++, at++;
    }
    m->n_levels = at;
    return known;
}

/* The window's frames above those that are known. */
static bool
add_levels(memory *m, uint32_t n, uint32_t known, ptm_walked *walked)
{
    for (uint32_t i = n - known; i-- > 0;) {
        ptm_frame_id id = frame_of(&window[i], walked);
        if (id == 0) {
            m->n_levels = 0;
            return false;
        }
        m->levels[m->n_levels++] = (level){window[i].frame, window[i].mark, id, 0};
    }
    return true;
}

/* The node of the stack of the n oldest levels. False: no memory. */
static bool
node_of(memory *m, uint32_t n, ptm_node_id *node)
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

static bool
walk_remembered(memory *m, uint32_t n, bool whole, ptm_walked *walked)
{
    uint32_t known = recall(m, n, whole);
    if (m->n_levels + n > MOST_LEVELS) {
        m->n_levels = known = 0;
    }
    if (!add_levels(m, n, known, walked)) {
        return false;
    }
    walked->n_tail = PTM_TAIL;
    uint32_t below = m->n_levels - PTM_TAIL;
    for (uint32_t i = 0; i < PTM_TAIL; i++) {
        walked->tail.frames[i] = m->levels[below + i].id;
    }
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
walk_short(uint32_t n, ptm_walked *walked)
{
    for (uint32_t i = n; i-- > 0;) {
        ptm_frame_id id = frame_of(&window[i], walked);
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
    if (top == NULL || ptm_walk_is_shim(top) || !ptm_frame_is_incomplete(top)) {
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

bool
ptm_walk_exact(const PyThreadState *tstate, uint32_t limit, ptm_walk_manner manner,
               ptm_walked *walked)
{
    bool whole;
    *walked = (ptm_walked){.verdict = PTM_WALK_RIGHT};
    if (manner == PTM_WALK_TOP && !leaves_out_rightly(tstate, walked)) {
        return false;
    }
    uint32_t n;
    if (!has_window() || !fill_window(tstate, limit, manner, &n, &whole)) {
        return false;
    }
    walked->n_whole = !whole ? 0 : n == 0 ? 1 : n;
    if (n == 0) {
        return walk_unknown(walked);
    }
    memory *m = n > SHORT_WINDOW ? memory_of(tstate) : NULL;
    return m == NULL ? walk_short(n, walked) : walk_remembered(m, n, whole, walked);
}

void
ptm_walk_clear(void)
{
    ptm_walk_forget();
    if (window != NULL) {
        memset(met_frames, 0, sizeof(met_frames));
    }
    ptm_mem_unmap(window, WINDOW_BYTES);
    window = NULL;
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        ptm_mem_unmap(memories[i].levels, LEVELS_BYTES);
        memories[i] = (memory){0};
    }
}

void
ptm_walk_visit(ptm_mem_visit visit, void *arg)
{
    if (window != NULL) {
        visit(arg, window, WINDOW_BYTES);
    }
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        if (memories[i].levels != NULL) {
            visit(arg, memories[i].levels, LEVELS_BYTES);
        }
    }
}
