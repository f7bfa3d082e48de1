/* SPDX-License-Identifier: MIT */
#include "snap/ptm_tree.h"

#include "base/ptm_array.h"

/* Where the callees of a stack are (ptm_snap_stack.callees). */
enum {
    CALLEES_NONE,
    CALLEES_NEXT,  /* one, the stack after it */
    CALLEES_LISTED /* in the table */
};

static ptm_snap_stack *
stack_at(const ptm_tree *tree, ptm_stack_id id)
{
    return (ptm_snap_stack *)tree->stacks.items + id;
}

static bool
reserve(ptm_tree *tree, size_t more)
{
    return tree->stacks.len + more <= PTM_SNAP_STACKS
           && ptm_column_reserve(&tree->stacks, more, sizeof(ptm_snap_stack));
}

bool
ptm_tree_init(ptm_tree *tree)
{
    *tree = (ptm_tree){0};
    if (!ptm_ids_init(&tree->listed, 64) || !reserve(tree, 64)) {
        ptm_tree_fini(tree);
        return false;
    }
    *stack_at(tree, 0) = (ptm_snap_stack){.frame = PTM_SNAP_NONE};
    tree->stacks.len = 1;
    return true;
}

void
ptm_tree_fini(ptm_tree *tree)
{
    ptm_array_free(tree->stacks.items);
    ptm_ids_fini(&tree->listed);
    *tree = (ptm_tree){0};
}

static uint32_t
tag_of(const ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame)
{
    return ptm_ids_tag(&tree->listed, (uint64_t)parent << 32 | frame);
}

static bool
list(ptm_tree *tree, ptm_stack_id callee)
{
    const ptm_snap_stack *stack = stack_at(tree, callee);
    stack_at(tree, stack->parent)->callees = CALLEES_LISTED;
    return ptm_ids_put_tag(&tree->listed, tag_of(tree, stack->parent, stack->frame), callee);
}

/* 0: none. */
static ptm_stack_id
find_listed(const ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame, uint32_t tag)
{
    ptm_ids_probe probe = ptm_ids_find_tag(&tree->listed, tag);
    while (ptm_ids_next(&tree->listed, &probe)) {
        const ptm_snap_stack *other = stack_at(tree, probe.id);
        if (other->parent == parent && other->frame == frame) {
            return probe.id;
        }
    }
    return 0;
}

static ptm_stack_id
find(const ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame, uint32_t tag)
{
    switch (stack_at(tree, parent)->callees) {
    case CALLEES_NEXT:
        return stack_at(tree, parent + 1)->frame == frame ? parent + 1 : 0;
    case CALLEES_LISTED:
        return find_listed(tree, parent, frame, tag);
    default:
        return 0;
    }
}

/* At the end; nobody finds it yet. */
static ptm_stack_id
append(ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame)
{
    ptm_stack_id id = (ptm_stack_id)tree->stacks.len;
    *stack_at(tree, id) =
        (ptm_snap_stack){parent, CALLEES_NONE, frame, stack_at(tree, parent)->nframe + 1};
    tree->stacks.len = id + (size_t)1;
    return id;
}

static ptm_stack_id
add(ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame)
{
    if (!reserve(tree, 1)) {
        return 0;
    }
    ptm_stack_id id = append(tree, parent, frame);
    uint32_t before = stack_at(tree, parent)->callees;
    if (before == CALLEES_NONE && id == parent + 1) {
        stack_at(tree, parent)->callees = CALLEES_NEXT;
        return id;
    }
    bool ok = before != CALLEES_NEXT || list(tree, parent + 1);
    return ok && list(tree, id) ? id : 0;
}

static ptm_stack_id
push(ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame, uint32_t tag)
{
    ptm_stack_id found = find(tree, parent, frame, tag);
    return found != 0 ? found : add(tree, parent, frame);
}

ptm_stack_id
ptm_tree_push(ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame)
{
    return push(tree, parent, frame, tag_of(tree, parent, frame));
}

/* -- several paths side by side ---------------------------------------------------------------- */

typedef struct {
    ptm_snap_path *path;
    uint32_t tag; /* of the next step */
} walker;

static ptm_frame_id
frame_at(const ptm_snap_path *path, uint32_t step)
{
    return path->frames[path->n - 1 - step];
}

static void
expect_slot(const ptm_tree *tree, uint32_t tag)
{
    __builtin_prefetch(&tree->listed.slots[ptm_ids_find_tag(&tree->listed, tag).at], 1);
}

/* What the step looks at: the next stack, or a slot of the table. */
static void
expect(const ptm_tree *tree, walker *w, uint32_t step)
{
    ptm_stack_id stack = w->path->stack;
    w->tag = tag_of(tree, stack, frame_at(w->path, step));
    if (stack_at(tree, stack)->callees == CALLEES_LISTED) {
        expect_slot(tree, w->tag);
    }
    else {
        __builtin_prefetch(stack_at(tree, stack + 1));
    }
}

/* And then: the stack that the slot names; or if the next stack is not it, the slots of both. */
static void
expect_more(const ptm_tree *tree, const walker *w, uint32_t step)
{
    ptm_stack_id stack = w->path->stack;
    uint32_t callees = stack_at(tree, stack)->callees;
    if (callees == CALLEES_LISTED) {
        ptm_ids_probe probe = ptm_ids_find_tag(&tree->listed, w->tag);
        if (ptm_ids_next(&tree->listed, &probe)) {
            __builtin_prefetch(stack_at(tree, probe.id));
        }
    }
    else if (callees == CALLEES_NEXT) {
        ptm_frame_id next = stack_at(tree, stack + 1)->frame;
        if (next != frame_at(w->path, step)) {
            expect_slot(tree, w->tag);
            expect_slot(tree, tag_of(tree, stack, next));
        }
    }
}

/* The rest of a path above the newest stack: one after the other, as whoever follows callers will
 * read them. */
static bool
push_rest(ptm_tree *tree, ptm_snap_path *path, uint32_t step)
{
    if (!reserve(tree, path->n - step)) {
        return false;
    }
    for (; step < path->n; step++) {
        stack_at(tree, path->stack)->callees = CALLEES_NEXT;
        path->stack = append(tree, path->stack, frame_at(path, step));
    }
    return true;
}

/* A step at least, and all that are left from a new stack on; *left says whether some are. */
static bool
make_step(ptm_tree *tree, const walker *w, uint32_t step, bool *left)
{
    ptm_snap_path *path = w->path;
    path->stack = push(tree, path->stack, frame_at(path, step), w->tag);
    if (path->stack == 0) {
        return false;
    }
    *left = step + 1 < path->n;
    if (*left && path->stack + 1 == tree->stacks.len) {
        *left = false;
        return push_rest(tree, path, step + 1);
    }
    return true;
}

bool
ptm_tree_push_paths(ptm_tree *tree, ptm_snap_path *paths, size_t n_paths)
{
    walker going[PTM_SNAP_PATHS];
    size_t n_going = 0;
    for (size_t i = 0; i < n_paths; i++) {
        going[n_going].path = &paths[i];
        n_going += paths[i].n != 0;
    }
    for (uint32_t step = 0; n_going != 0; step++) {
        for (size_t i = 0; i < n_going; i++) {
            expect(tree, &going[i], step);
        }
        for (size_t i = 0; i < n_going; i++) {
            expect_more(tree, &going[i], step);
        }
        size_t n_left = 0;
        for (size_t i = 0; i < n_going; i++) {
            bool left;
            if (!make_step(tree, &going[i], step, &left)) {
                return false;
            }
            going[n_left] = going[i];
            n_left += left;
        }
        n_going = n_left;
    }
    return true;
}
