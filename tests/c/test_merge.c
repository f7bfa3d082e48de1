/* SPDX-License-Identifier: MIT
 *
 * ptm_snap_merge against a model that compares stacks frame by frame and names byte by byte, and
 * looks every site up among all that were met before.
 */
#include "ptm_test_pprof.h"
#include "snap/ptm_merge.h"

#define SNAPS 4
#define SITES 150

/* Whatever their positions: what disagrees there is merged. */
static bool
same_call(const ptm_snap *a, const ptm_snap_frame *x, const ptm_snap *b, const ptm_snap_frame *y)
{
    return x->lineno == y->lineno && same_string(a, x->file, b, y->file)
           && same_string(a, x->name, b, y->name);
}

static bool
same_calls(const ptm_snap *a, ptm_stack_id x, const ptm_snap *b, ptm_stack_id y)
{
    while (x != 0 && y != 0
           && same_call(a, &a->frames[a->stacks[x].frame], b, &b->frames[b->stacks[y].frame])) {
        x = a->stacks[x].parent;
        y = b->stacks[y].parent;
    }
    return x == 0 && y == 0;
}

/* -- the model --------------------------------------------------------------------------------- */

typedef struct {
    const ptm_snap *snap; /* where the site's stack is */
    ptm_snap_site site;
} model_site;

typedef struct {
    model_site items[SNAPS * SITES];
    size_t len;
} model;

static bool
same_blocks(const ptm_snap *a, const ptm_snap_site *x, const ptm_snap *b, const ptm_snap_site *y)
{
    return x->size == y->size && x->domain == y->domain && x->depth == y->depth
           && x->folded == y->folded && same_calls(a, x->stack, b, y->stack);
}

static void
model_add(model *m, const ptm_snap *snap, const ptm_snap_site *site)
{
    for (size_t i = 0; i < m->len; i++) {
        ptm_snap_site *known = &m->items[i].site;
        if (same_blocks(m->items[i].snap, known, snap, site)) {
            known->live += site->live;
            known->peak += site->peak;
            known->allocated += site->allocated;
            known->allocated_bytes += site->allocated_bytes;
            return;
        }
    }
    m->items[m->len++] = (model_site){snap, *site};
}

static void
check_sites(const ptm_snap *merged, const model *m)
{
    CHECK_EQ(merged->n_sites, m->len);
    for (uint32_t i = 0; i < merged->n_sites && i < m->len; i++) {
        const ptm_snap_site *is = &merged->sites[i], *should = &m->items[i].site;
        CHECK(same_blocks(merged, is, m->items[i].snap, should));
        CHECK_EQ(is->live, should->live);
        CHECK_EQ(is->peak, should->peak);
        CHECK_EQ(is->allocated, should->allocated);
        CHECK_EQ(is->allocated_bytes, should->allocated_bytes);
    }
}

/* Whether some site's stack has the frame. */
static bool
frame_is_used(const ptm_snap *snap, ptm_frame_id frame)
{
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        for (ptm_stack_id id = snap->sites[i].stack; id != 0; id = snap->stacks[id].parent) {
            if (snap->stacks[id].frame == frame) {
                return true;
            }
        }
    }
    return false;
}

static void
agree(int32_t *position, int32_t other, bool first)
{
    *position = first || *position == other ? other : -1;
}

/* The module that the first snapshot tells which knows one. */
static void
check_module(const ptm_snap *merged, ptm_frame_id id, ptm_snap *const *snaps, size_t n)
{
    ptm_str_id file = merged->frames[id].file, is = ptm_snap_module(merged, file);
    for (size_t s = 0; s < n; s++) {
        for (uint32_t i = 0; i < snaps[s]->n_frames; i++) {
            ptm_str_id part = snaps[s]->frames[i].file, should = ptm_snap_module(snaps[s], part);
            if (should != PTM_SNAP_NONE && frame_is_used(snaps[s], i)
                && same_string(snaps[s], part, merged, file)) {
                CHECK(same_string(merged, is, snaps[s], should));
                return;
            }
        }
    }
    CHECK_EQ(is, PTM_SNAP_NONE);
}

/* A position is the one that all snapshots have, else -1; the module is told by the first. */
static void
check_frames(const ptm_snap *merged, ptm_snap *const *snaps, size_t n)
{
    for (uint32_t id = 0; id < merged->n_frames; id++) {
        const ptm_snap_frame *frame = &merged->frames[id];
        ptm_snap_frame should = {0};
        bool first = true;
        for (size_t s = 0; s < n; s++) {
            for (uint32_t i = 0; i < snaps[s]->n_frames; i++) {
                const ptm_snap_frame *part = &snaps[s]->frames[i];
                if (same_call(snaps[s], part, merged, frame) && frame_is_used(snaps[s], i)) {
                    agree(&should.end_lineno, part->end_lineno, first);
                    agree(&should.colno, part->colno, first);
                    agree(&should.end_colno, part->end_colno, first);
                    first = false;
                }
            }
        }
        check_module(merged, id, snaps, n);
        CHECK(!first); /* what no site needs is left out */
        CHECK_EQ(frame->end_lineno, should.end_lineno);
        CHECK_EQ(frame->colno, should.colno);
        CHECK_EQ(frame->end_colno, should.end_colno);
    }
}

/* Equal strings, frames and stacks have one id, and every stack is some site's or its caller's. */
static void
check_interned(const ptm_snap *snap)
{
    for (uint32_t i = 0; i < snap->n_strings; i++) {
        for (uint32_t k = 0; k < i; k++) {
            CHECK(!same_string(snap, i, snap, k));
        }
    }
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        for (uint32_t k = 0; k < i; k++) {
            CHECK(!same_call(snap, &snap->frames[i], snap, &snap->frames[k]));
        }
    }
    uint8_t *needed = calloc(snap->n_stacks, 1);
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        needed[snap->sites[i].stack] = 1;
    }
    for (uint32_t i = snap->n_stacks - 1; i > 0; i--) {
        CHECK(needed[i]);
        needed[snap->stacks[i].parent] = 1;
        for (uint32_t k = 1; k < i; k++) {
            CHECK(snap->stacks[i].parent != snap->stacks[k].parent
                  || snap->stacks[i].frame != snap->stacks[k].frame);
        }
    }
    free(needed);
}

static ptm_snap *
merged_of(ptm_snap *const *snaps, size_t n)
{
    ptm_snap *merged = NULL;
    NEED(ptm_snap_merge((const ptm_snap *const *)snaps, n, &merged) == PTM_OK);
    check_laws(merged);
    return merged;
}

/* -- tests ------------------------------------------------------------------------------------- */

static ptm_snap *
random_subset(ptm_snap *snap)
{
    uint8_t keep[SITES];
    ptm_snap *subset;
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        keep[i] = ptm_test_below(4) == 0;
    }
    NEED(ptm_snap_subset(snap, keep, &subset) == PTM_OK);
    ptm_snap_decref(snap);
    return subset;
}

static void
merged_are_as_the_model(void)
{
    for (uint32_t round = 0; round < 60; round++) {
        static model m;
        ptm_snap *snaps[SNAPS];
        uint64_t lost_blocks = 0, lost_bytes = 0;
        uint32_t limit = 0;
        size_t n = 1 + ptm_test_below(SNAPS);
        m.len = 0;
        for (size_t s = 0; s < n; s++) {
            uint32_t frames = 1 + ptm_test_below(5);
            snaps[s] = test_snap(ptm_test_below(SITES), frames);
            snaps[s] = ptm_test_below(3) == 0 ? random_subset(snaps[s]) : snaps[s];
            limit = frames > limit ? frames : limit;
            lost_blocks += snaps[s]->lost_blocks;
            lost_bytes += snaps[s]->lost_bytes;
            for (uint32_t i = 0; i < snaps[s]->n_sites; i++) {
                model_add(&m, snaps[s], &snaps[s]->sites[i]);
            }
        }
        ptm_snap *merged = merged_of(snaps, n);
        check_sites(merged, &m);
        check_frames(merged, snaps, n);
        check_interned(merged);
        CHECK_EQ(merged->traceback_limit, limit);
        CHECK_EQ(merged->lost_blocks, lost_blocks);
        CHECK_EQ(merged->lost_bytes, lost_bytes);
        for (size_t s = 0; s < n; s++) {
            ptm_snap_decref(snaps[s]);
        }
        ptm_snap_decref(merged);
    }
}

static void
check_same_file(const ptm_snap *a, const ptm_snap *b)
{
    ptm_buf x = written(a, NULL), y = written(b, NULL);
    CHECK(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
    ptm_buf_fini(&x);
    ptm_buf_fini(&y);
}

static void
it_does_not_matter_who_is_merged_first(void)
{
    for (uint32_t round = 0; round < 30; round++) {
        ptm_snap *all[3], *pair[2];
        for (size_t i = 0; i < 3; i++) {
            all[i] = test_snap(SITES, 3);
        }
        ptm_snap *at_once = merged_of(all, 3);
        pair[0] = merged_of(all, 2);
        pair[1] = all[2];
        ptm_snap *in_two_steps = merged_of(pair, 2);
        check_same_file(at_once, in_two_steps);
        ptm_snap *again = merged_of(&at_once, 1);
        check_same_file(at_once, again);
        ptm_snap *const done[] = {all[0], all[1], all[2], pair[0], at_once, in_two_steps, again};
        for (size_t i = 0; i < PTM_ARRAY_LEN(done); i++) {
            ptm_snap_decref(done[i]);
        }
    }
}

static void
what_one_lacks_all_lack(void)
{
    ptm_snap *snaps[3];
    for (uint32_t i = 0; i < 3; i++) {
        ptm_snap_builder *b = ptm_snap_build_new(1);
        ptm_snap_build_lacks(b, (uint32_t[]){1, 0, 6}[i]);
        NEED(ptm_snap_build_finish(b, &snaps[i]) == PTM_OK);
    }
    ptm_snap *all = merged_of(snaps, 3), *two = merged_of(snaps, 2), *one = merged_of(snaps + 1, 1);
    CHECK_EQ(all->lacks, 7);
    CHECK_EQ(two->lacks, 1);
    CHECK_EQ(one->lacks, 0);
    ptm_snap *const done[] = {all, two, one, snaps[0], snaps[1], snaps[2]};
    for (size_t i = 0; i < PTM_ARRAY_LEN(done); i++) {
        ptm_snap_decref(done[i]);
    }
}

static void
counts_beyond_all_numbers_stop_there(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_snap_site site = {.size = 8,
                          .live = UINT64_MAX - 1,
                          .peak = UINT64_MAX / 2,
                          .allocated = UINT64_MAX,
                          .allocated_bytes = 1};
    ptm_snap *snap;
    site.stack = ptm_snap_build_stack(b, 0, test_frame(b));
    ptm_snap_build_site(b, &site);
    ptm_snap_build_losses(b, UINT64_MAX - 1, 7);
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    ptm_snap *merged = merged_of((ptm_snap *[]){snap, snap}, 2);
    CHECK_EQ(merged->n_sites, 1);
    CHECK(merged->sites[0].live == UINT64_MAX && merged->sites[0].allocated == UINT64_MAX);
    CHECK(merged->sites[0].peak == UINT64_MAX - 1 && merged->sites[0].allocated_bytes == 2);
    CHECK(merged->lost_blocks == UINT64_MAX && merged->lost_bytes == 14);
    ptm_snap_decref(snap);
    ptm_snap_decref(merged);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(merged_are_as_the_model);
    RUN(it_does_not_matter_who_is_merged_first);
    RUN(what_one_lacks_all_lack);
    RUN(counts_beyond_all_numbers_stop_there);
    return ptm_test_done();
}
