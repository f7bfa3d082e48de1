/* SPDX-License-Identifier: MIT
 *
 * ptm_filter_apply against the rules of the standard library's Snapshot.filter_traces, spelled out
 * site by site.
 */
#include "ptm_test_snap.h"
#include "snap/ptm_filter.h"

static bool
frame_matches(const ptm_snap *snap, const ptm_filter *filter, ptm_stack_id stack)
{
    const ptm_snap_frame *frame = &snap->frames[snap->stacks[stack].frame];
    ptm_str_id module = snap->modules == NULL ? PTM_SNAP_NONE : snap->modules[frame->file];
    if (filter->match_file != NULL && !filter->match_file[frame->file]) {
        return false;
    }
    if (filter->match_name != NULL
        && (frame->name == PTM_SNAP_NONE || !filter->match_name[frame->name])) {
        return false;
    }
    if (filter->match_module != NULL
        && (module == PTM_SNAP_NONE || !filter->match_module[module])) {
        return false;
    }
    return filter->lineno == PTM_ANY_LINE || filter->lineno == frame->lineno;
}

/* BaseFilter._match of the standard library: true lets the trace pass. */
static bool
passes(const ptm_snap *snap, const ptm_filter *filter, const ptm_snap_site *site)
{
    bool found = frame_matches(snap, filter, site->stack);
    ptm_stack_id stack = site->stack;
    while (filter->all_frames && !found && (stack = snap->stacks[stack].parent) != 0) {
        found = frame_matches(snap, filter, stack);
    }
    if (filter->match_site != NULL) {
        found = filter->match_site[site - snap->sites];
    }
    bool result = filter->inclusive ? found : !found;
    if (filter->domain == PTM_ANY_DOMAIN) {
        return result;
    }
    bool same_domain = (int64_t)site->domain == filter->domain;
    return filter->inclusive ? result && same_domain : result || !same_domain;
}

static bool
kept(const ptm_snap *snap, const ptm_filter *filters, size_t n, const ptm_snap_site *site)
{
    bool any_inclusive = false, included = false;
    for (size_t i = 0; i < n; i++) {
        any_inclusive |= filters[i].inclusive;
        included |= filters[i].inclusive && passes(snap, &filters[i], site);
        if (!filters[i].inclusive && !passes(snap, &filters[i], site)) {
            return false;
        }
    }
    return included || !any_inclusive;
}

/* By string for files, names and modules; by site. */
typedef struct {
    uint8_t strings[64], sites[64];
} random_bytes;

static ptm_filter
random_filter(const ptm_snap *snap, random_bytes *bytes)
{
    for (uint32_t i = 0; i < 64; i++) {
        bytes->strings[i] = ptm_test_below(2);
        bytes->sites[i] = ptm_test_below(2);
    }
    NEED(snap->n_strings <= 64 && snap->n_sites <= 64);
    return (ptm_filter){
        .match_file = ptm_test_below(4) ? bytes->strings : NULL,
        .match_name = ptm_test_below(4) ? NULL : bytes->strings,
        .match_module = ptm_test_below(4) ? NULL : bytes->strings,
        .match_site = ptm_test_below(4) ? NULL : bytes->sites,
        .lineno = ptm_test_below(2) ? PTM_ANY_LINE : (int64_t)ptm_test_below(6) - 1,
        .domain = ptm_test_below(2) ? PTM_ANY_DOMAIN
                                    : (int64_t[]){0, 0, -1, INT64_C(1) << 32, 7}[ptm_test_below(5)],
        .inclusive = ptm_test_below(2),
        .all_frames = ptm_test_below(2),
    };
}

static void
masks_are_the_models(void)
{
    for (uint32_t round = 0; round < 2000; round++) {
        ptm_snap *snap = test_snap(ptm_test_below(60), 1 + ptm_test_below(5));
        ptm_filter filters[5];
        random_bytes bytes[5];
        uint8_t keep[64];
        size_t n = ptm_test_below(6);
        for (size_t i = 0; i < n; i++) {
            filters[i] = random_filter(snap, &bytes[i]);
        }
        memset(keep, 99, sizeof(keep));
        NEED(ptm_filter_apply(snap, filters, n, keep) == PTM_OK);
        for (uint32_t i = 0; i < snap->n_sites; i++) {
            CHECK_EQ(keep[i], kept(snap, filters, n, &snap->sites[i]));
        }
        ptm_snap_decref(snap);
    }
}

static void
no_filter_keeps_everything(void)
{
    ptm_snap *snap = test_snap(50, 3);
    uint8_t keep[50] = {0};
    NEED(ptm_filter_apply(snap, NULL, 0, keep) == PTM_OK);
    for (uint32_t i = 0; i < 50; i++) {
        CHECK_EQ(keep[i], 1);
    }
    ptm_snap_decref(snap);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(masks_are_the_models);
    RUN(no_filter_keeps_everything);
    return ptm_test_done();
}
