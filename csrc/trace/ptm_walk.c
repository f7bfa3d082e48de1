/* SPDX-License-Identifier: MIT */
#include "trace/ptm_walk.h"

#include <string.h>

#include "trace/ptm_codes.h"
#include "trace/ptm_levels.h"

#define SHORT_WINDOW PTM_TAIL /* such ones are quicker pushed than remembered */

/* -- frames ------------------------------------------------------------------------------------ */

bool
ptm_walk_know_incomplete(const ptm_pyframe *frame)
{
    return ptm_shims_have(ptm_shims_known(), ptm_frame_mark(frame)) || ptm_frame_is_entry(frame)
           || ptm_codes_know(ptm_frame_code(frame));
}

/* A frame that was taken for a complete one: one of the interpreter's shims, which is learnt here,
 * or one that has to be asked for. */
static void
learn(const ptm_pyframe *frame, ptm_walked *walked)
{
    if (ptm_shims_learn(frame)) {
        walked->verdict = PTM_WALK_LEARNT;
    }
    else if (ptm_walk_know_incomplete(frame)) {
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
static bool has_met;                /* not all of them are empty */

/* 0: no memory, or the frame is not complete. */
static ptm_frame_id
look_up(const ptm_pyframe *frame, ptm_walked *walked)
{
    if (ptm_frame_is_incomplete(frame)) {
        learn(frame, walked);
        return 0;
    }
    return ptm_codes_frame(ptm_frame_code(frame), ptm_frame_ip(frame));
}

ptm_frame_id
ptm_walk_frame(const ptm_pyframe *frame, uintptr_t mark, ptm_walked *walked)
{
    met_frame *met = &met_frames[ptm_hash_pair(mark, 0) % N_MET];
    uint32_t age = PTM_LOAD(&ptm_code_age);
    if (met->mark != mark || met->code_age != age || met->id == 0) {
        *met = (met_frame){mark, look_up(frame, walked), age};
        has_met = true;
    }
    return met->id;
}

/* -- short windows ----------------------------------------------------------------------------- */

/* Most recent frame first. */
typedef struct {
    const ptm_pyframe *frames[SHORT_WINDOW];
    uint32_t n;
} short_window;

/* False: no memory. */
static PTM_ALWAYS_INLINE bool
fill_from(short_window *w, ptm_descent *d, ptm_walk_manner manner)
{
    ptm_shims shims = ptm_shims_known();
    for (; d->frame != NULL && d->left != 0; d->frame = ptm_frame_previous(d->frame)) {
        if (ptm_frame_is_bottom(d->frame)) {
            continue;
        }
        if (PTM_LIKELY(!ptm_walk_skips(d->frame, ptm_frame_mark(d->frame), shims, manner))) {
            w->frames[w->n++] = d->frame;
            d->left--;
        }
        else if (!ptm_walk_know_incomplete(d->frame)) {
            return false;
        }
        else {
            d->n_holes += !ptm_frame_is_entry(d->frame);
        }
    }
    return true;
}

static bool
walk_short(ptm_descent *d, ptm_walked *walked)
{
    short_window w = {.n = 0};
    bool filled = d->manner == PTM_WALK_ASK ? fill_from(&w, d, PTM_WALK_ASK)
                                            : fill_from(&w, d, PTM_WALK_TRUST);
    while (filled && w.n > 0) {
        const ptm_pyframe *frame = w.frames[--w.n];
        ptm_frame_id id = ptm_walk_frame(frame, ptm_frame_mark(frame), walked);
        walked->node = id == 0 ? 0 : ptm_stacks_push(walked->node, id);
        filled = walked->node != 0;
    }
    return filled;
}

/* -- walking ----------------------------------------------------------------------------------- */

/* PTM_WALK_TOP leaves out the most recent frame. */
static bool
leaves_out_rightly(const PyThreadState *tstate, ptm_walked *walked)
{
    const ptm_pyframe *top = ptm_frame_top(tstate);
    if (top == NULL || ptm_shims_have(ptm_shims_known(), ptm_frame_mark(top))
        || !ptm_frame_is_incomplete(top)) {
        walked->verdict = PTM_WALK_WRONG;
        return false;
    }
    return ptm_walk_know_incomplete(top);
}

static bool
walk_unknown(ptm_walked *walked)
{
    ptm_frame_id frame = ptm_codes_unknown();
    walked->node = frame == 0 ? 0 : ptm_stacks_push(0, frame);
    return walked->node != 0;
}

#ifdef PTM_COUNTS_C_CALLS

/* The counter does not tell: the complete frames of all the stack are counted; a new site can pay
 * for that. */
static uint32_t
position_of(const PyThreadState *tstate, const ptm_pyframe *frame)
{
    (void)tstate;
    uint32_t n = 0;
    for (; frame != NULL; frame = ptm_frame_previous(frame)) {
        n += !ptm_frame_is_incomplete(frame);
    }
    return n;
}

static uint32_t
depth_of(const ptm_descent *d, uint32_t n, ptm_walk_manner manner)
{
    (void)n;
    (void)manner;
    return d->position;
}

#else

/* The first frame from here that counts; NULL: none. */
static const ptm_pyframe *
next_counted(const ptm_pyframe *frame, ptm_walk_manner manner)
{
    ptm_shims shims = ptm_shims_known();
    while (frame != NULL
           && (ptm_frame_is_entry(frame)
               || ptm_walk_skips(frame, ptm_frame_mark(frame), shims, manner))) {
        frame = ptm_frame_previous(frame);
    }
    return frame;
}

static uint32_t
position_of(const PyThreadState *tstate, const ptm_pyframe *frame)
{
    const ptm_pyframe *top = ptm_frame_top(tstate);
    bool left_out = frame != top && !ptm_frame_is_entry(top);
    return (uint32_t)ptm_depth_counted(tstate) - left_out;
}

/* Of n frames and what lies below them: more, whatever the counter says. */
static uint32_t
depth_of(const ptm_descent *d, uint32_t n, ptm_walk_manner manner)
{
    uint32_t counted = d->position - d->n_holes;
    if (next_counted(d->frame, manner) == NULL) {
        return n;
    }
    return (int32_t)(counted - n) > 0 ? counted : n + 1;
}

#endif

static ptm_descent
begin(const PyThreadState *tstate, uint32_t limit, ptm_walk_manner manner)
{
    if (tstate == NULL) {
        return (ptm_descent){NULL, limit, 0, 0, manner};
    }
    const ptm_pyframe *frame = ptm_walk_start(ptm_frame_top(tstate), manner);
    return (ptm_descent){frame, limit, position_of(tstate, frame), 0, manner};
}

bool
ptm_walk_exact(const PyThreadState *tstate, uint32_t limit, ptm_walk_manner manner,
               ptm_walked *walked)
{
    *walked = (ptm_walked){.verdict = PTM_WALK_RIGHT, .depth = 1};
    if (manner == PTM_WALK_TOP && !leaves_out_rightly(tstate, walked)) {
        return false;
    }
    ptm_descent d = begin(tstate, limit, manner);
    if (d.frame == NULL) {
        return walk_unknown(walked);
    }
    if (!(limit <= SHORT_WINDOW ? walk_short(&d, walked) : ptm_levels_walk(tstate, &d, walked))) {
        return false;
    }
    uint32_t n = limit - d.left;
    if (n == 0) {
        return walk_unknown(walked);
    }
    walked->depth = depth_of(&d, n, manner);
    return true;
}

void
ptm_walk_forget(void)
{
    ptm_levels_forget();
}

void
ptm_walk_clear(void)
{
    if (has_met) {
        memset(met_frames, 0, sizeof(met_frames));
    }
    has_met = false;
    ptm_levels_clear();
}

void
ptm_walk_visit(ptm_mem_visit visit, void *arg)
{
    ptm_levels_visit(visit, arg);
}
