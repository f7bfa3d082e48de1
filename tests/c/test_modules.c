/* SPDX-License-Identifier: MIT
 *
 * ptm_modules_give: the rule by examples, and what the snapshot looks like afterwards.
 */
#include "ptm_test_snap.h"
#include "snap/ptm_modules.h"

static const char *const search_path[] = {
    "",
    "/usr/lib/python3.13",
    "/usr/lib/python3.13/site-packages/",
    "/usr/lib/python313.zip",
    "sub/./inner//",
    "/usr/lib",
};

static const struct {
    const char *file, *module; /* NULL: none */
} examples[] = {
    {"/usr/lib/python3.13/os.py", "os"},
    {"/usr/lib/python3.13/json/decoder.pyc", "json.decoder"},
    {"/usr/lib/python3.13/json/__init__.py", "json"},
    {"/usr/lib/python3.13/json/__main__.py", "json.__main__"},
    {"/usr/lib/python3.13/a/__init__/b.py", "a.__init__.b"},
    {"/usr/lib/python3.13/__init__.py", NULL},
    {"/usr/lib/python3.13/my__init__.py", "my__init__"},
    {"/usr/lib/python3.13/site-packages/parso/tree.py", "parso.tree"},
    {"/usr/lib/python3.13//site-packages/./parso/tree.py", "parso.tree"},
    {"/usr/lib/python3.13/site-packages/../os.py", NULL},
    {"/usr/lib/python3.13/site-packages/my-app.py", NULL},
    {"/usr/lib/python3.13/site-packages/with space/a.py", NULL},
    {"/usr/lib/python3.13/lib-dynload/a.py", NULL},
    {"/usr/lib/python3.13/a.b.py", NULL},
    {"/usr/lib/python3.13/a.pyo", NULL},
    {"/usr/lib/python3.13/a", NULL},
    {"/usr/lib/python3.13/.py", NULL},
    {"/usr/lib/python3.13/\xc3\xa9t\xc3\xa9/\xed\xb3\xbf.py", "\xc3\xa9t\xc3\xa9.\xed\xb3\xbf"},
    {"/usr/lib/python3.13", NULL},
    {"/usr/lib/python3.130/a.py", NULL},
    {"/usr/lib/python313.zip/zipped.py", "zipped"},
    {"/usr/lib/x/y.py", "x.y"},
    {"/usr/libx/y.py", NULL},
    {"/srv/app/app.py", "app"},
    {"/srv/app/pkg/1st.py", "pkg.1st"},
    {"app2.py", "app2"},
    {"./pkg/mod.py", "pkg.mod"},
    {"/srv/app/sub/inner/deep.py", "deep"},
    {"sub/inner/deep2.py", "deep2"},
    {"sub/other.py", "sub.other"},
    {"/srv/other/app.py", NULL},
    {"<frozen importlib._bootstrap>", "importlib._bootstrap"},
    {"<frozen os>", "os"},
    {"<frozen >", NULL},
    {"<frozen a b>", NULL},
    {"<frozen a..b>", NULL},
    {"<string>", NULL},
    {"<unknown>", NULL},
    {"<frozen os", NULL},
    {"<", NULL},
    {"", NULL},
};

static ptm_modules_path
path_of(const char *text)
{
    return (ptm_modules_path){text, strlen(text)};
}

/* A snapshot with a frame per file, in their order. */
static ptm_snap *
snap_of_files(const char *const *files, size_t n)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    for (size_t i = 0; i < n; i++) {
        ptm_snap_frame frame = {.file = ptm_snap_build_string(b, files[i], strlen(files[i])),
                                .name = ptm_snap_build_string(b, "os", 2)};
        NEED(ptm_snap_build_frame(b, &frame) == i);
    }
    ptm_snap *snap;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    return snap;
}

static bool
module_is(const ptm_snap *snap, ptm_frame_id frame, const char *expected)
{
    ptm_str_id id = ptm_snap_module(snap, snap->frames[frame].file);
    if (id == PTM_SNAP_NONE || expected == NULL) {
        return id == PTM_SNAP_NONE && expected == NULL;
    }
    size_t len;
    const char *text = ptm_snap_string(snap, id, &len);
    return len == strlen(expected) && memcmp(text, expected, len) == 0;
}

static void
give(ptm_snap *snap, const char *const *folders, size_t n, const char *current)
{
    ptm_modules_path paths[16];
    for (size_t i = 0; i < n; i++) {
        paths[i] = path_of(folders[i]);
    }
    ptm_modules_search search = {paths, n, path_of(current)};
    NEED(ptm_modules_give(snap, &search) == PTM_OK);
}

static void
files_are_the_modules_of_the_rule(void)
{
    const char *files[PTM_ARRAY_LEN(examples)];
    for (size_t i = 0; i < PTM_ARRAY_LEN(examples); i++) {
        files[i] = examples[i].file;
    }
    ptm_snap *snap = snap_of_files(files, PTM_ARRAY_LEN(files));
    give(snap, search_path, PTM_ARRAY_LEN(search_path), "/srv/app");
    for (uint32_t i = 0; i < PTM_ARRAY_LEN(examples); i++) {
        if (!module_is(snap, i, examples[i].module)) {
            printf("# %s\n", examples[i].file);
            CHECK(false);
        }
    }
    ptm_snap_decref(snap);
}

static void
what_is_relative_needs_a_current_folder(void)
{
    static const char *const files[] = {"a.py", "/x/b.py", "/c.py", "/srv/app/d.py"};
    ptm_snap *snap = snap_of_files(files, PTM_ARRAY_LEN(files));
    give(snap, (const char *const[]){"", "/x"}, 2, "");
    CHECK(module_is(snap, 0, NULL));
    CHECK(module_is(snap, 1, "b"));
    CHECK(module_is(snap, 2, NULL));
    CHECK(module_is(snap, 3, NULL));
    ptm_snap_decref(snap);
    snap = snap_of_files(files, PTM_ARRAY_LEN(files));
    give(snap, (const char *const[]){""}, 1, "/");
    CHECK(module_is(snap, 0, "a"));
    CHECK(module_is(snap, 1, "x.b"));
    CHECK(module_is(snap, 2, "c"));
    CHECK(module_is(snap, 3, "srv.app.d"));
    ptm_snap_decref(snap);
}

/* Equal modules have one id, whatever their files; all strings stay what they were. */
static void
only_modules_are_added(void)
{
    static const char *const files[] = {"/x/os.py", "/x/os/__init__.py", "<frozen os>", "/y/z.py",
                                        "/x/os.py"};
    ptm_snap *before = snap_of_files(files, 4), *snap = snap_of_files(files, 4);
    give(snap, (const char *const[]){"/x"}, 1, "/");
    CHECK_EQ(snap->n_strings, before->n_strings + 1);
    for (uint32_t i = 0; i < before->n_strings; i++) {
        size_t len, len_before;
        const char *now = ptm_snap_string(snap, i, &len);
        const char *then = ptm_snap_string(before, i, &len_before);
        CHECK(len == len_before && memcmp(now, then, len) == 0);
    }
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(ptm_snap_module(snap, snap->frames[i].file), before->n_strings);
    }
    CHECK(ptm_snap_memory_bytes(snap) > ptm_snap_memory_bytes(before));
    ptm_snap_decref(before);
    ptm_snap_decref(snap);
}

static void
subsets_keep_modules(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_snap_frame frame = {.file = ptm_snap_build_string(b, "/x/a.py", 7), .name = PTM_SNAP_NONE};
    ptm_snap_site site = {.size = 8, .live = 1, .allocated = 1};
    site.stack = ptm_snap_build_stack(b, 0, ptm_snap_build_frame(b, &frame));
    ptm_snap_build_site(b, &site);
    ptm_snap *snap, *subset;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    give(snap, (const char *const[]){"/x"}, 1, "/");
    NEED(ptm_snap_subset(snap, (const uint8_t[]){1}, &subset) == PTM_OK);
    ptm_snap_decref(snap);
    CHECK(module_is(subset, 0, "a"));
    ptm_snap_decref(subset);
}

/* A file keeps the first module that it was given; strings that come later have none. */
static void
builders_take_modules(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_str_id m = ptm_snap_build_string(b, "m", 1), n = ptm_snap_build_string(b, "n", 1);
    ptm_str_id late;
    ptm_snap_build_module(b, n, m);
    ptm_snap_build_module(b, n, n);
    late = ptm_snap_build_string(b, "late", 4);
    ptm_snap *snap;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    CHECK_EQ(ptm_snap_module(snap, n), m);
    CHECK_EQ(ptm_snap_module(snap, m), PTM_SNAP_NONE);
    CHECK_EQ(ptm_snap_module(snap, late), PTM_SNAP_NONE);
    ptm_snap_decref(snap);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(files_are_the_modules_of_the_rule);
    RUN(what_is_relative_needs_a_current_folder);
    RUN(only_modules_are_added);
    RUN(subsets_keep_modules);
    RUN(builders_take_modules);
    return ptm_test_done();
}
