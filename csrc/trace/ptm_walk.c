/* SPDX-License-Identifier: MIT */
#include "trace/ptm_walk.h"

#include "trace/ptm_codes.h"
#include "trace/ptm_sites.h"

const PyCodeObject *ptm_walk_shim;

/* A complete frame of the window under way. */
typedef struct {
    const ptm_pyframe *frame;
    const PyCodeObject *code;
    uintptr_t ip;
} seen_frame;

/* A frame of the stack as it was walked last, and the node of the stack that ends with it. */
typedef struct {
    const ptm_pyframe *frame;
    uintptr_t ip;
    ptm_node_id node;
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
#define SHORT_WINDOW 4u /* shorter ones are quicker pushed than remembered */

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

/* An incomplete frame below a complete one: either the shim, which is learnt here, or something
 * that only this stack knows about (a finalizer run while a frame was being set up). */
static void
learn_shim(const ptm_pyframe *frame, ptm_walked *walked)
{
    if (ptm_walk_is_shim(frame)) {
        return;
    }
    walked->irregular = true;
    if (ptm_code_is_shim(ptm_frame_code(frame))) {
        ptm_walk_shim = ptm_frame_code(frame);
    }
}

/* The number of frames; *whole: the stack does not go on behind them. */
static uint32_t
fill_window(const PyThreadState *tstate, uint32_t limit, ptm_walked *walked, bool *whole)
{
    uint32_t n = 0;
    const ptm_pyframe *frame = tstate == NULL ? NULL : ptm_frame_top(tstate);
    for (; frame != NULL && n < limit; frame = ptm_frame_previous(frame)) {
        if (!ptm_frame_is_incomplete(frame)) {
            window[n++] = (seen_frame){frame, ptm_frame_code(frame), ptm_frame_ip(frame)};
        }
        else if (n > 0) {
            learn_shim(frame, walked);
        }
    }
    while (frame != NULL && ptm_frame_is_incomplete(frame)) {
        frame = ptm_frame_previous(frame);
    }
    *whole = frame == NULL;
    return n;
}

static ptm_node_id
push(ptm_node_id caller, const seen_frame *seen)
{
    ptm_frame_id frame = ptm_codes_frame(seen->code, seen->ip);
    return frame == 0 ? 0 : ptm_stacks_push(caller, frame);
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
    return l->frame == seen->frame && l->ip == seen->ip;
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

/* 0: no memory. */
static ptm_node_id
push_remembered(memory *m, uint32_t n, bool whole)
{
    uint32_t known = recall(m, n, whole);
    if (m->n_levels + n > MOST_LEVELS) {
        m->n_levels = known = 0;
    }
    ptm_node_id node = m->n_levels == 0 ? 0 : m->levels[m->n_levels - 1].node;
    for (uint32_t i = n - known; i-- > 0;) {
        node = push(node, &window[i]);
        if (node == 0) {
            m->n_levels = 0;
            return 0;
        }
        m->levels[m->n_levels++] = (level){window[i].frame, window[i].ip, node};
    }
    return node;
}

void
ptm_walk_forget(void)
{
    for (uint32_t i = 0; i < N_MEMORIES; i++) {
        memories[i].n_levels = 0;
    }
}

/* -- walking ----------------------------------------------------------------------------------- */

static ptm_node_id
push_all(uint32_t n)
{
    ptm_node_id node = 0;
    for (uint32_t i = n; i-- > 0;) {
        node = push(node, &window[i]);
        if (node == 0) {
            return 0;
        }
    }
    return node;
}

static ptm_node_id
push_unknown(void)
{
    ptm_frame_id frame = ptm_codes_unknown();
    return frame == 0 ? 0 : ptm_stacks_push(0, frame);
}

bool
ptm_walk_exact(const PyThreadState *tstate, uint32_t limit, ptm_walked *walked)
{
    bool whole;
    *walked = (ptm_walked){0, 0, false};
    if (!has_window()) {
        return false;
    }
    uint32_t n = fill_window(tstate, limit, walked, &whole);
    walked->n_whole = !whole ? 0 : n == 0 ? 1 : n;
    memory *m = n > SHORT_WINDOW ? memory_of(tstate) : NULL;
    walked->node = n == 0 ? push_unknown() : m == NULL ? push_all(n) : push_remembered(m, n, whole);
    return walked->node != 0;
}

void
ptm_walk_clear(void)
{
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
