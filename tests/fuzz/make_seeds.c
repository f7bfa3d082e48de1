/* SPDX-License-Identifier: MIT
 *
 * make_seeds - what fuzzing starts from: small profiles by the project's own writer.
 *
 * How       make_seeds FOLDER writes a file per kind: random sites, recursion, sums of recycled
 *           sites, positions, odd strings, comments; the seed of ptm_test.h decides the random ones
 * Failure   exit code 1
 */
#include "ptm_test_pprof.h"

static const char *folder;

static void
save(const char *name, const ptm_snap *snap, const ptm_pprof_extra *extra)
{
    char path[4096];
    ptm_buf out = written(snap, extra);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    NEED(file != NULL && fwrite(out.data, 1, out.len, file) == out.len && fclose(file) == 0);
    ptm_buf_fini(&out);
}

static void
save_and_drop(const char *name, ptm_snap_builder *b)
{
    ptm_snap *snap;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    save(name, snap, NULL);
    ptm_snap_decref(snap);
}

static ptm_frame_id
frame_at(ptm_snap_builder *b, const char *file, const char *name, int32_t lineno, int32_t end,
         int32_t colno, int32_t end_colno)
{
    ptm_snap_frame frame = {ptm_snap_build_string(b, file, strlen(file)),
                            ptm_snap_build_string(b, name, strlen(name)),
                            lineno,
                            end,
                            colno,
                            end_colno,
                            0};
    return ptm_snap_build_frame(b, &frame);
}

static void
random_sites(void)
{
    static const char json[] = "{\"at\":\"peak\",\"traceback_limit\":3,\"attributes\":{}}";
    for (uint32_t i = 0; i < 6; i++) {
        char name[20];
        ptm_snap *snap = test_snap(i * 2, 1 + i);
        snprintf(name, sizeof(name), "random-%u", (unsigned)i);
        save(name, snap, i % 2 ? &(ptm_pprof_extra){json, sizeof(json) - 1, 1700000000} : NULL);
        ptm_snap_decref(snap);
    }
}

static void
recursion(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(40);
    ptm_frame_id f = frame_at(b, "a.py", "f", 3, 3, 4, 9), g = frame_at(b, "a.py", "g", 7, 8, 0, 2);
    ptm_snap_site site = {.size = 8, .live = 1, .peak = 2, .allocated = 3, .allocated_bytes = 24};
    for (uint32_t i = 1; i <= 30; i++) {
        site.stack = ptm_snap_build_stack(b, site.stack, i % 5 == 0 ? g : f);
        site.depth = i;
        if (i % 10 == 0) {
            ptm_snap_build_site(b, &site);
        }
    }
    save_and_drop("recursion", b);
}

static void
folded(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_stack_id stack = ptm_snap_build_stack(b, 0, frame_at(b, "a.py", "f", 1, -1, -1, -1));
    for (uint32_t i = 0; i < 3; i++) {
        ptm_snap_site site = {.stack = stack,
                              .allocated = i,
                              .allocated_bytes = 1000 * i,
                              .depth = 1 + i,
                              .domain = i * 389047,
                              .folded = 1};
        ptm_snap_build_site(b, &site);
    }
    save_and_drop("folded", b);
}

static void
positions(void)
{
    static const int32_t ends[] = {-1, 1, 15, 16, 70000, INT32_MAX};
    ptm_snap_builder *b = ptm_snap_build_new(PTM_NFRAME_MAX);
    ptm_snap_site site = {.size = INT64_MAX, .live = 1, .allocated = INT64_MAX};
    for (size_t i = 0; i < PTM_ARRAY_LEN(ends); i++) {
        char name[2] = {(char)('a' + i), 0};
        ptm_frame_id frame = frame_at(b, "p.py", name, 1, ends[i], ends[i], ends[i] - 1);
        site.stack = ptm_snap_build_stack(b, site.stack, frame);
    }
    ptm_snap_build_site(b, &site);
    save_and_drop("positions", b);
}

static void
strings(void)
{
    static const char *const odd[] = {
        "", "\\udcff", "\\u005c", "\xed\xa0\x80\xed\xb0\x80", "<module>", "\xf0\x9f\x90\x8d", "?"};
    ptm_snap_builder *b = ptm_snap_build_new(10);
    ptm_snap_site site = {.size = 1, .live = 1};
    for (size_t i = 0; i < PTM_ARRAY_LEN(odd); i++) {
        const char *other = odd[(i + 1) % PTM_ARRAY_LEN(odd)];
        ptm_frame_id frame = frame_at(b, odd[i], other, (int32_t)i, -1, -1, -1);
        site.stack = ptm_snap_build_stack(b, 0, frame);
        ptm_snap_build_site(b, &site);
    }
    ptm_snap_build_losses(b, UINT64_MAX, 1);
    save_and_drop("strings", b);
}

int
main(int argc, char **argv)
{
    NEED(argc == 2);
    folder = argv[1];
    random_sites();
    recursion();
    folded();
    positions();
    strings();
    return ptm_test_failed_checks != 0;
}
