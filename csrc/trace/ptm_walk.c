/* SPDX-License-Identifier: MIT */
#include "trace/ptm_walk.h"

#include "trace/ptm_codes.h"

const PyCodeObject *ptm_walk_shim;

/* Frames of the window under way, most recent first; the pages that are used are touched, no more. */
static ptm_frame_id *window; /* guarded: intern lock */
#define WINDOW_BYTES (PTM_NFRAME_MAX * sizeof(ptm_frame_id))

static bool
has_window(void)
{
    if (window == NULL) {
        window = ptm_mem_map(WINDOW_BYTES);
    }
    return window != NULL;
}

/* An incomplete frame below a complete one: either the shim, which is learnt here, or something that only this stack
 * knows about (a finalizer run while a frame was being set up). */
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

/* Fills the window; the number of its frames, or -1: no memory. */
static int64_t
fill_window(const PyThreadState *tstate, uint32_t limit, ptm_walked *walked)
{
    uint32_t n = 0;
    for (const ptm_pyframe *f = ptm_frame_top(tstate); f != NULL && n < limit; f = ptm_frame_previous(f)) {
        if (!ptm_frame_is_incomplete(f)) {
            window[n] = ptm_codes_frame(ptm_frame_code(f), ptm_frame_ip(f));
            if (window[n++] == 0) {
                return -1;
            }
        }
        else if (n > 0) {
            learn_shim(f, walked);
        }
    }
    return n;
}

static bool
push_window(int64_t n, ptm_walked *walked)
{
    for (int64_t i = n - 1; i >= 0; i--) {
        walked->node = ptm_stacks_push(walked->node, window[i]);
        if (walked->node == 0) {
            return false;
        }
    }
    return true;
}

bool
ptm_walk_exact(const PyThreadState *tstate, uint32_t limit, ptm_walked *walked)
{
    *walked = (ptm_walked){0, false};
    if (!has_window()) {
        return false;
    }
    int64_t n = tstate == NULL ? 0 : fill_window(tstate, limit, walked);
    if (n == 0) {
        window[0] = ptm_codes_unknown();
        n = window[0] == 0 ? -1 : 1;
    }
    return n > 0 && push_window(n, walked);
}

void
ptm_walk_clear(void)
{
    ptm_mem_unmap(window, WINDOW_BYTES);
    window = NULL;
}

void
ptm_walk_visit(ptm_mem_visit visit, void *arg)
{
    if (window != NULL) {
        visit(arg, window, WINDOW_BYTES);
    }
}
