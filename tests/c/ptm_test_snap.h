/* SPDX-License-Identifier: MIT
 *
 * ptm_test_snap - random snapshots and the slow, plain way to look at one. For the tests of snap/
 * and format/.
 */
#ifndef PTM_TEST_SNAP_H
#define PTM_TEST_SNAP_H

#include "ptm_test.h"
#include "snap/ptm_snap.h"

/* Few files, lines and names, so that nearly everything collides: equal lines with different names,
 * recursion, equal stacks under different ids, ties of sizes and counts, empty names, names that
 * are not text. */
static const char *const test_files[] = {
    "a.py",
    "b.py",
    "",
    "<unknown>",
    "\xed\xb3\xbf.py",
    "z\\udcff.py",
    "a.pyx",
    "\xf0\x9f\x90\x8d.py",
};
static const char *const test_names[] = {"f",           "g", "", "<module>", "f.<locals>.<lambda>",
                                         "\xed\xa0\x80"};

static const char *const test_modules[] = {"a", "pkg.a", "f", "pkg"};

/* To some of the files, or to none. */
static inline void
test_give_modules(ptm_snap_builder *b)
{
    uint32_t rarity = ptm_test_below(3);
    for (size_t i = 0; rarity != 0 && i < PTM_ARRAY_LEN(test_files); i++) {
        const char *module = test_modules[ptm_test_below(PTM_ARRAY_LEN(test_modules))];
        if (ptm_test_below(rarity) == 0) {
            ptm_str_id file = ptm_snap_build_string(b, test_files[i], strlen(test_files[i]));
            ptm_snap_build_module(b, file, ptm_snap_build_string(b, module, strlen(module)));
        }
    }
}

static inline ptm_frame_id
test_frame(ptm_snap_builder *b)
{
    const char *file = test_files[ptm_test_below(PTM_ARRAY_LEN(test_files))];
    uint32_t name = ptm_test_below(PTM_ARRAY_LEN(test_names) + 1);
    bool positions = ptm_test_below(2);
    ptm_snap_frame frame = {
        .file = ptm_snap_build_string(b, file, strlen(file)),
        .name = PTM_SNAP_NONE,
        .lineno = (int32_t)ptm_test_below(4),
        .end_lineno = positions ? (int32_t)ptm_test_below(6) : -1,
        .colno = positions ? (int32_t)ptm_test_below(3) : -1,
        .end_colno = positions ? (int32_t)ptm_test_below(90) : -1,
    };
    if (name < PTM_ARRAY_LEN(test_names)) {
        frame.name = ptm_snap_build_string(b, test_names[name], strlen(test_names[name]));
    }
    return ptm_snap_build_frame(b, &frame);
}

static inline ptm_snap_site
test_site(ptm_stack_id stack, uint32_t nframe)
{
    ptm_snap_site site = {
        .stack = stack,
        .size = ptm_test_below(3) == 0 ? ptm_test_below(1000000) : ptm_test_below(3) * 8,
        .live = ptm_test_below(3),
        .peak = ptm_test_below(3),
        .allocated = ptm_test_below(5),
        .domain = ptm_test_below(4) == 0 ? ptm_test_below(400000) : 0,
        .depth = ptm_test_below(3) == 0 ? ptm_test_below(PTM_NFRAME_MAX + 1) : nframe,
    };
    site.allocated_bytes = site.allocated * site.size;
    if (ptm_test_below(20) == 0) {
        site.folded = 1;
        site.size = site.live = site.peak = 0;
        site.allocated_bytes = ptm_test_below(100000);
    }
    return site;
}

static inline ptm_snap *
test_snap(uint32_t n_sites, uint32_t limit)
{
    ptm_snap_builder *b = ptm_snap_build_new(limit);
    ptm_stack_id *made = malloc((n_sites + 1) * sizeof(*made));
    uint32_t *nframe = calloc(n_sites * (size_t)limit + 2, sizeof(*nframe)); /* by stack id */
    NEED(b != NULL && made != NULL && nframe != NULL);
    for (uint32_t i = 0; i < n_sites; i++) {
        if (i == 0 || ptm_test_below(3) != 0) {
            ptm_stack_id stack = 0;
            for (uint32_t n = 1 + ptm_test_below(limit), k = 1; k <= n; k++) {
                stack = ptm_snap_build_stack(b, stack, test_frame(b));
                nframe[stack] = k;
            }
            made[i] = stack;
        }
        else {
            made[i] = made[ptm_test_below(i)];
        }
        ptm_snap_site site = test_site(made[i], nframe[made[i]]);
        ptm_snap_build_site(b, &site);
    }
    ptm_snap_build_losses(b, ptm_test_below(3), ptm_test_below(300));
    ptm_snap_build_lacks(b, ptm_test_below(4) == 0 ? ptm_test_below(16) : 0);
    test_give_modules(b);
    free(made);
    free(nframe);
    ptm_snap *snap;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    return snap;
}

#endif
