/* SPDX-License-Identifier: MIT */
#include "ptm_test_snap.h"

static ptm_str_id
text(ptm_snap_builder *b, const char *s)
{
    return ptm_snap_build_string(b, s, strlen(s));
}

static ptm_snap_frame
frame_at(ptm_str_id file, ptm_str_id name, int32_t lineno)
{
    return (ptm_snap_frame){file, name, lineno, -1, -1, -1, 0};
}

static ptm_frame_id
add_frame(ptm_snap_builder *b, const char *file, const char *name, int32_t lineno)
{
    ptm_snap_frame frame = frame_at(text(b, file), name ? text(b, name) : PTM_SNAP_NONE, lineno);
    return ptm_snap_build_frame(b, &frame);
}

static ptm_snap *
finish(ptm_snap_builder *b)
{
    ptm_snap *snap = NULL;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    return snap;
}

static void
an_empty_snapshot_has_the_empty_stack(void)
{
    ptm_snap *snap = finish(ptm_snap_build_new(7));
    CHECK_EQ(snap->traceback_limit, 7);
    CHECK_EQ(snap->n_strings + snap->n_frames + snap->n_sites, 0);
    CHECK_EQ(snap->n_stacks, 1);
    CHECK_EQ(snap->stacks[0].nframe, 0);
    CHECK(ptm_snap_memory_bytes(snap) > 0);
    ptm_snap_decref(snap);
    ptm_snap_decref(NULL);
    ptm_snap_build_free(NULL);
}

static void
strings_are_interned(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    char name[20];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            int len = snprintf(name, sizeof(name), "%u", i);
            CHECK_EQ(ptm_snap_build_string(b, name, (size_t)len), i);
        }
    }
    CHECK_EQ(ptm_snap_build_string(b, "", 0), 5000);
    CHECK_EQ(ptm_snap_build_string(b, "a\0b", 3), 5001);
    CHECK_EQ(ptm_snap_build_string(b, "a\0c", 3), 5002);
    CHECK_EQ(ptm_snap_build_string(b, "", 0), 5000);
    ptm_snap *snap = finish(b);
    CHECK_EQ(snap->n_strings, 5003);
    size_t len;
    const char *bytes = ptm_snap_string(snap, 1234, &len);
    CHECK(len == 4 && memcmp(bytes, "1234", 4) == 0);
    bytes = ptm_snap_string(snap, 5001, &len);
    CHECK(len == 3 && memcmp(bytes, "a\0b", 3) == 0);
    ptm_snap_string(snap, 5000, &len);
    CHECK_EQ(len, 0);
    ptm_snap_decref(snap);
}

static void
frames_are_interned_and_know_their_line(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_frame_id f = add_frame(b, "a.py", "f", 3), g = add_frame(b, "a.py", "g", 3);
    ptm_frame_id nameless = add_frame(b, "a.py", NULL, 3), empty = add_frame(b, "a.py", "", 3);
    ptm_frame_id below = add_frame(b, "a.py", "f", 4), other = add_frame(b, "b.py", "f", 3);
    CHECK_EQ(add_frame(b, "a.py", "g", 3), g);
    CHECK_EQ(add_frame(b, "a.py", NULL, 3), nameless);
    ptm_snap *snap = finish(b);
    CHECK_EQ(snap->n_frames, 6);
    CHECK_EQ(snap->frames[f].line_key, f);
    CHECK_EQ(snap->frames[g].line_key, f);
    CHECK_EQ(snap->frames[nameless].line_key, f);
    CHECK_EQ(snap->frames[empty].line_key, f);
    CHECK_EQ(snap->frames[below].line_key, below);
    CHECK_EQ(snap->frames[other].line_key, other);
    CHECK_EQ(snap->frames[nameless].name, PTM_SNAP_NONE);
    ptm_snap_decref(snap);
}

static void
positions_stay_only_where_all_agree(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_snap_frame frame = {text(b, "a.py"), text(b, "f"), 3, 5, 7, 11, 0};
    ptm_frame_id id = ptm_snap_build_frame(b, &frame);
    frame.colno = 8;
    CHECK_EQ(ptm_snap_build_frame(b, &frame), id);
    frame.colno = 7; /* too late: they have disagreed */
    CHECK_EQ(ptm_snap_build_frame(b, &frame), id);
    ptm_snap *snap = finish(b);
    CHECK_EQ(snap->frames[id].end_lineno, 5);
    CHECK_EQ(snap->frames[id].colno, -1);
    CHECK_EQ(snap->frames[id].end_colno, 11);
    ptm_snap_decref(snap);
}

static void
what_is_no_position_becomes_unknown(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_str_id file = text(b, "a.py");
    ptm_snap_frame before = {file, 0, 3, 2, -5, INT32_MAX, 0}, nowhere = {file, 0, 0, 9, 0, 0, 0};
    ptm_frame_id first = ptm_snap_build_frame(b, &before);
    ptm_frame_id second = ptm_snap_build_frame(b, &nowhere);
    ptm_snap *snap = finish(b);
    CHECK_EQ(snap->frames[first].end_lineno, -1);
    CHECK_EQ(snap->frames[first].colno, -1);
    CHECK_EQ(snap->frames[first].end_colno, -1);
    CHECK_EQ(snap->frames[second].end_lineno, -1);
    CHECK_EQ(snap->frames[second].colno, 0);
    ptm_snap_decref(snap);
}

static void
stacks_are_a_tree_with_parents_first(void)
{
    ptm_snap *snap = test_snap(2000, 12);
    for (uint32_t id = 1; id < snap->n_stacks; id++) {
        const ptm_snap_stack *stack = &snap->stacks[id];
        CHECK(stack->parent < id);
        CHECK(stack->frame < snap->n_frames);
        CHECK_EQ(stack->nframe, snap->stacks[stack->parent].nframe + 1);
    }
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        CHECK(snap->sites[i].stack != 0 && snap->sites[i].stack < snap->n_stacks);
    }
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        const ptm_snap_frame *frame = &snap->frames[i], *key = &snap->frames[frame->line_key];
        CHECK(frame->line_key <= i && key->line_key == frame->line_key);
        CHECK(key->file == frame->file && key->lineno == frame->lineno);
    }
    ptm_snap_decref(snap);
}

static void
equal_stacks_have_equal_ids(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(100);
    ptm_frame_id frames[10];
    ptm_stack_id first[1000];
    for (uint32_t i = 0; i < 10; i++) {
        frames[i] = add_frame(b, "a.py", "f", (int32_t)i);
    }
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 1000; i++) {
            ptm_stack_id stack = ptm_snap_build_stack(b, 0, frames[i / 100]);
            stack = ptm_snap_build_stack(b, stack, frames[i / 10 % 10]);
            stack = ptm_snap_build_stack(b, stack, frames[i % 10]);
            first[i] = round == 0 ? stack : first[i];
            CHECK_EQ(stack, first[i]);
        }
    }
    ptm_snap *snap = finish(b);
    CHECK_EQ(snap->n_stacks, 1 + 10 + 100 + 1000);
    ptm_snap_decref(snap);
}

static void
sites_keep_their_order_and_are_never_merged(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_stack_id stack = ptm_snap_build_stack(b, 0, add_frame(b, "a.py", "f", 1));
    ptm_snap_site site = {.stack = stack, .size = 16, .live = 2, .depth = 1};
    for (uint32_t i = 0; i < 300; i++) {
        site.domain = i / 2;
        ptm_snap_build_site(b, &site);
    }
    ptm_snap_build_losses(b, 3, 4096);
    ptm_snap *snap = finish(b);
    CHECK_EQ(snap->n_sites, 300);
    for (uint32_t i = 0; i < 300; i++) {
        CHECK_EQ(snap->sites[i].domain, i / 2);
    }
    CHECK_EQ(snap->lost_blocks, 3);
    CHECK_EQ(snap->lost_bytes, 4096);
    ptm_snap_decref(snap);
}

static void
a_subset_outlives_what_it_came_from(void)
{
    ptm_snap *snap = test_snap(100, 3), *half, *quarter;
    uint8_t keep[100];
    for (uint32_t i = 0; i < 100; i++) {
        keep[i] = i % 2 == 0;
    }
    NEED(ptm_snap_subset(snap, keep, &half) == PTM_OK);
    NEED(ptm_snap_subset(half, keep, &quarter) == PTM_OK);
    CHECK_EQ(half->n_sites, 50);
    CHECK_EQ(quarter->n_sites, 25);
    CHECK(ptm_snap_memory_bytes(half) < ptm_snap_memory_bytes(snap));
    ptm_snap_site expected = snap->sites[96];
    ptm_snap_decref(snap);
    ptm_snap_decref(half);
    CHECK(memcmp(&quarter->sites[24], &expected, sizeof(expected)) == 0);
    CHECK(quarter->frames[quarter->stacks[expected.stack].frame].file < quarter->n_strings);
    ptm_snap_decref(quarter);
}

static void
references_count(void)
{
    ptm_snap *snap = finish(ptm_snap_build_new(1));
    ptm_snap_incref(snap);
    ptm_snap_decref(snap);
    CHECK_EQ(snap->n_stacks, 1);
    ptm_snap_decref(snap);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(an_empty_snapshot_has_the_empty_stack);
    RUN(strings_are_interned);
    RUN(frames_are_interned_and_know_their_line);
    RUN(positions_stay_only_where_all_agree);
    RUN(what_is_no_position_becomes_unknown);
    RUN(stacks_are_a_tree_with_parents_first);
    RUN(equal_stacks_have_equal_ids);
    RUN(sites_keep_their_order_and_are_never_merged);
    RUN(a_subset_outlives_what_it_came_from);
    RUN(references_count);
    return ptm_test_done();
}
