/* SPDX-License-Identifier: MIT
 *
 * Sums of ptm_group and ptm_diff at the end of what an int64 holds.
 */
#include "ptm_test.h"
#include "snap/ptm_group.h"

#include <string.h>

/* Two stacks of two frames each in one file: the second is `size` bytes and `live` blocks, the
 * first one block of a byte. */
static ptm_snap *
two_sites(uint64_t size, uint64_t live)
{
    ptm_snap_builder *b = ptm_snap_build_new(2);
    ptm_snap *snap;
    ptm_snap_site site = {.live = 1, .peak = 1, .allocated = 1, .allocated_bytes = 1, .size = 1};
    ptm_snap_frame frame = {.file = ptm_snap_build_string(b, "a.py", 4), .name = PTM_SNAP_NONE};
    ptm_frame_id caller = ptm_snap_build_frame(b, &frame);
    for (int i = 0; i < 2; i++) {
        frame.lineno = i + 1;
        site.stack = ptm_snap_build_stack(b, 0, caller);
        site.stack = ptm_snap_build_stack(b, site.stack, ptm_snap_build_frame(b, &frame));
        ptm_snap_build_site(b, &site);
        site.size = size;
        site.live = site.peak = site.allocated = live;
        site.allocated_bytes = ptm_product_saturated(size, live);
    }
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    return snap;
}

static ptm_err
asked_for(const ptm_snap *snap, const ptm_snap *old, ptm_by by, ptm_cumulative cumulative,
          int64_t *size)
{
    ptm_group_query q = {by, cumulative, PTM_METRIC_LIVE, PTM_ORDER_RECENT_FIRST, 0, 0};
    ptm_groups groups;
    ptm_err err = ptm_diff(snap, old, &q, &groups);
    if (err == PTM_OK) {
        *size = old == NULL ? groups.rows[0].size : groups.rows[0].size_diff;
        ptm_groups_free(&groups);
    }
    return err;
}

static void
sums_are_right_or_refused(void)
{
    static const struct {
        uint64_t size, live;
        ptm_by by;
        ptm_cumulative cumulative;
        ptm_err err;
    } cases[] = {
        {INT64_MAX - 1, 1, PTM_BY_FILE, PTM_FLAT, PTM_OK},
        {INT64_MAX, 1, PTM_BY_FILE, PTM_FLAT, PTM_ERANGE},
        {INT64_MAX, 1, PTM_BY_DOMAIN, PTM_FLAT, PTM_ERANGE},
        {INT64_MAX - 1, 1, PTM_BY_TRACEBACK, PTM_FLAT, PTM_OK},
        {INT64_MAX, 1, PTM_BY_TRACEBACK, PTM_FLAT, PTM_ERANGE},
        {INT64_MAX, 1, PTM_BY_LINE, PTM_CUMULATIVE_FRAMES, PTM_ERANGE},
        {INT64_MAX, 1, PTM_BY_LINE, PTM_CUMULATIVE_ONCE, PTM_ERANGE},
        {INT64_MAX - 1, 1, PTM_BY_FILE, PTM_CUMULATIVE_ONCE, PTM_OK},
        {INT64_MAX / 2, 1, PTM_BY_FILE, PTM_CUMULATIVE_FRAMES, PTM_ERANGE},
        {INT64_MAX / 2 - 1, 1, PTM_BY_FILE, PTM_CUMULATIVE_FRAMES, PTM_OK},
        {UINT64_MAX, 1, PTM_BY_TRACEBACK, PTM_FLAT, PTM_ERANGE},
        {1ull << 32, 1ull << 32, PTM_BY_TRACEBACK, PTM_FLAT, PTM_ERANGE},
        {1ull << 32, 1ull << 32, PTM_BY_LINE, PTM_FLAT, PTM_ERANGE},
        {0, INT64_MAX - 1, PTM_BY_LINE, PTM_FLAT, PTM_OK},
        {0, INT64_MAX, PTM_BY_FILE, PTM_FLAT, PTM_ERANGE},
        {0, UINT64_MAX, PTM_BY_FILE, PTM_FLAT, PTM_ERANGE}, /* and not no blocks at all */
        {0, UINT64_MAX, PTM_BY_TRACEBACK, PTM_FLAT, PTM_ERANGE},
    };
    ptm_snap *little = two_sites(1, 1);
    for (size_t i = 0; i < PTM_ARRAY_LEN(cases); i++) {
        ptm_snap *much = two_sites(cases[i].size, cases[i].live);
        int64_t size = 0, more = 0, less = 0;
        ptm_by by = cases[i].by;
        ptm_cumulative cumulative = cases[i].cumulative;
        CHECK_EQ(asked_for(much, NULL, by, cumulative, &size), cases[i].err);
        CHECK_EQ(asked_for(much, little, by, cumulative, &more), cases[i].err);
        CHECK_EQ(asked_for(little, much, by, cumulative, &less), cases[i].err);
        CHECK(size >= 0 && less == -more);
        ptm_snap_decref(much);
    }
    ptm_snap_decref(little);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(sums_are_right_or_refused);
    return ptm_test_done();
}
