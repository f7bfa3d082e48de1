/* SPDX-License-Identifier: MIT
 *
 * Two stacks as the API orders tracebacks. Stacks are walked from their most recent frame, so the
 * order from the oldest frame walks to the end and keeps the last difference it met, unless the
 * walks meet in one stack.
 */
#include "snap/ptm_group.h"

#include "base/ptm_bytes.h"

typedef struct {
    const ptm_snap *snap;
    ptm_stack_id stack;
} walk;

static int
compare_strings(const ptm_snap *a, ptm_str_id sa, const ptm_snap *b, ptm_str_id sb)
{
    size_t len_a, len_b;
    if (a == b && sa == sb) {
        return 0;
    }
    const char *bytes_a = ptm_snap_string(a, sa, &len_a), *bytes_b = ptm_snap_string(b, sb, &len_b);
    return ptm_bytes_compare(bytes_a, len_a, bytes_b, len_b);
}

static int
compare_frames(walk a, walk b)
{
    const ptm_snap_frame *in_a = &a.snap->frames[a.snap->stacks[a.stack].frame];
    const ptm_snap_frame *in_b = &b.snap->frames[b.snap->stacks[b.stack].frame];
    int diff = compare_strings(a.snap, in_a->file, b.snap, in_b->file);
    return diff != 0 ? diff : (in_a->lineno > in_b->lineno) - (in_a->lineno < in_b->lineno);
}

static void
step(walk *w)
{
    w->stack = w->snap->stacks[w->stack].parent;
}

static uint32_t
length(walk w)
{
    return w.snap->stacks[w.stack].nframe;
}

static bool
met(walk a, walk b)
{
    return a.snap == b.snap && a.stack == b.stack;
}

static int
compare_from_recent(walk a, walk b)
{
    for (; a.stack != 0 && b.stack != 0 && !met(a, b); step(&a), step(&b)) {
        int diff = compare_frames(a, b);
        if (diff != 0) {
            return diff;
        }
    }
    return (a.stack != 0) - (b.stack != 0);
}

static int
compare_from_oldest(walk a, walk b)
{
    int diff = (length(a) > length(b)) - (length(a) < length(b));
    while (length(a) > length(b)) {
        step(&a);
    }
    while (length(b) > length(a)) {
        step(&b);
    }
    for (; a.stack != 0 && !met(a, b); step(&a), step(&b)) {
        int here = compare_frames(a, b);
        diff = here != 0 ? here : diff;
    }
    return diff;
}

int
ptm_stack_compare(const ptm_snap *a, ptm_stack_id sa, const ptm_snap *b, ptm_stack_id sb,
                  ptm_order order)
{
    walk in_a = {a, sa}, in_b = {b, sb};
    return order == PTM_ORDER_RECENT_FIRST ? compare_from_recent(in_a, in_b)
                                           : compare_from_oldest(in_a, in_b);
}
