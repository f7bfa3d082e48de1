/* SPDX-License-Identifier: MIT */
#include "snap/ptm_tree.h"

#include "base/ptm_array.h"

/* In only_child: look in the table. 0: none. */
#define MANY UINT32_MAX

static ptm_snap_stack *
stack_at(const ptm_tree *tree, ptm_stack_id id)
{
    return (ptm_snap_stack *)tree->stacks.items + id;
}

static uint32_t *
only_child_of(const ptm_tree *tree, ptm_stack_id id)
{
    return (uint32_t *)tree->only_child.items + id;
}

bool
ptm_tree_init(ptm_tree *tree)
{
    *tree = (ptm_tree){0};
    if (!ptm_ids_init(&tree->many, 64)
        || !ptm_column_reserve(&tree->stacks, 64, sizeof(ptm_snap_stack))
        || !ptm_column_reserve(&tree->only_child, 64, sizeof(uint32_t))) {
        ptm_tree_fini(tree);
        return false;
    }
    *stack_at(tree, 0) = (ptm_snap_stack){.frame = PTM_SNAP_NONE};
    *only_child_of(tree, 0) = 0;
    tree->stacks.len = tree->only_child.len = 1;
    return true;
}

void
ptm_tree_fini(ptm_tree *tree)
{
    ptm_array_free(tree->stacks.items);
    ptm_array_free(tree->only_child.items);
    ptm_ids_fini(&tree->many);
    *tree = (ptm_tree){0};
}

static uint32_t
tag_of(const ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame)
{
    return ptm_ids_tag(&tree->many, (uint64_t)parent << 32 | frame);
}

static ptm_stack_id
add(ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame)
{
    ptm_stack_id id = (ptm_stack_id)tree->stacks.len;
    if (tree->stacks.len >= PTM_SNAP_NONE - 1
        || !ptm_column_reserve(&tree->stacks, 1, sizeof(ptm_snap_stack))
        || !ptm_column_reserve(&tree->only_child, 1, sizeof(uint32_t))) {
        return 0;
    }
    *stack_at(tree, id) = (ptm_snap_stack){parent, frame, stack_at(tree, parent)->nframe + 1};
    *only_child_of(tree, id) = 0;
    tree->stacks.len++;
    tree->only_child.len++;
    return id;
}

static bool
list(ptm_tree *tree, ptm_stack_id child)
{
    const ptm_snap_stack *stack = stack_at(tree, child);
    return ptm_ids_put_tag(&tree->many, tag_of(tree, stack->parent, stack->frame), child);
}

/* A parent's second child: the first one goes to the table with it. */
static ptm_stack_id
add_second_child(ptm_tree *tree, ptm_stack_id first, ptm_stack_id parent, ptm_frame_id frame)
{
    ptm_stack_id id = add(tree, parent, frame);
    if (id == 0 || !list(tree, first) || !list(tree, id)) {
        return 0;
    }
    *only_child_of(tree, parent) = MANY;
    return id;
}

static ptm_stack_id
one_of_many(ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame, uint32_t tag)
{
    ptm_ids_probe probe = ptm_ids_find_tag(&tree->many, tag);
    while (ptm_ids_next(&tree->many, &probe)) {
        const ptm_snap_stack *other = stack_at(tree, probe.id);
        if (other->parent == parent && other->frame == frame) {
            return probe.id;
        }
    }
    ptm_stack_id id = add(tree, parent, frame);
    return id != 0 && ptm_ids_put_tag(&tree->many, tag, id) ? id : 0;
}

static ptm_stack_id
push(ptm_tree *tree, ptm_stack_id parent, ptm_frame_id frame, uint32_t tag)
{
    uint32_t child = *only_child_of(tree, parent);
    if (child == MANY) {
        return one_of_many(tree, parent, frame, tag);
    }
    if (child != 0) {
        bool same = stack_at(tree, child)->frame == frame;
        return same ? child : add_second_child(tree, child, parent, frame);
    }
    ptm_stack_id id = add(tree, parent, frame);
    *only_child_of(tree, parent) = id; /* 0 after a failure: still none */
    return id;
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

/* What the step looks at: the only child, or a slot of the table. */
static void
expect(const ptm_tree *tree, walker *w, uint32_t step)
{
    uint32_t child = *only_child_of(tree, w->path->stack);
    w->tag = tag_of(tree, w->path->stack, frame_at(w->path, step));
    if (child == MANY) {
        __builtin_prefetch(&tree->many.slots[ptm_ids_find_tag(&tree->many, w->tag).at]);
    }
    else {
        __builtin_prefetch(stack_at(tree, child));
    }
}

/* Behind the slot: the stack that it names. */
static void
expect_listed(const ptm_tree *tree, const walker *w)
{
    if (*only_child_of(tree, w->path->stack) == MANY) {
        ptm_ids_probe probe = ptm_ids_find_tag(&tree->many, w->tag);
        if (ptm_ids_next(&tree->many, &probe)) {
            __builtin_prefetch(stack_at(tree, probe.id));
        }
    }
}

/* The rest of a path above a stack that nothing is above yet: one stack after the other, as
 * whoever follows callers will read them. */
static bool
push_rest(ptm_tree *tree, ptm_snap_path *path, uint32_t step)
{
    size_t more = path->n - step, end = tree->stacks.len + more;
    if (end >= PTM_SNAP_NONE - 1 || !ptm_column_reserve(&tree->stacks, more, sizeof(ptm_snap_stack))
        || !ptm_column_reserve(&tree->only_child, more, sizeof(uint32_t))) {
        return false;
    }
    uint32_t nframe = stack_at(tree, path->stack)->nframe;
    for (ptm_stack_id id = (ptm_stack_id)tree->stacks.len; id < end; id++, step++) {
        *stack_at(tree, id) = (ptm_snap_stack){path->stack, frame_at(path, step), ++nframe};
        *only_child_of(tree, path->stack) = id;
        *only_child_of(tree, id) = 0;
        path->stack = id;
    }
    tree->stacks.len = tree->only_child.len = end;
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
    if (*left && *only_child_of(tree, path->stack) == 0) {
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
            expect_listed(tree, &going[i]);
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
