/* SPDX-License-Identifier: MIT
 *
 * Profiles made by hand: as other tools write them, and as nobody should.
 */
#include "ptm_test_profile.h"

static bool
string_is(const ptm_snap *snap, ptm_str_id id, const char *text)
{
    size_t len;
    const char *bytes = id == PTM_SNAP_NONE ? NULL : ptm_snap_string(snap, id, &len);
    return bytes != NULL && len == strlen(text) && memcmp(bytes, text, len) == 0;
}

static ptm_snap *
read_back(ptm_buf *profile)
{
    ptm_snap *snap = NULL;
    ptm_pprof_extra extra;
    ptm_format_why why;
    ptm_err err = ptm_pprof_read(profile->data, profile->len, &snap, &extra, &why);
    if (err != PTM_OK) {
        printf("# %s\n", why.text);
    }
    NEED(err == PTM_OK);
    check_laws(snap);
    ptm_buf_fini(profile);
    return snap;
}

/* As Go's heap profiles, with ids that are no small numbers, inlined calls, and strings last. */
static void
another_tools_heap_profile_is_read(void)
{
    static const char *const strings[] = {
        "",     "alloc_objects", "count",   "inuse_objects", "inuse_space", "bytes",
        "main", "main.go",       "inlined", "\xff\\ud800",   "lib.so"};
    ptm_buf p = {0};
    put_small(&p, 1, 1, 2, 0, 0);
    put_small(&p, 1, 3, 2, 0, 0);
    put_small(&p, 1, 4, 5, 0, 0);
    put_sample(&p, (uint64_t[]){UINT64_MAX, 77}, 2, (uint64_t[]){9, 3, 10}, 3);
    put_sample(&p, (uint64_t[]){5}, 1, (uint64_t[]){0, 0, 0}, 3);
    put_sample(&p, (uint64_t[]){5}, 1, (uint64_t[]){0, 2, 64}, 3);
    put_sample(&p, NULL, 0, (uint64_t[]){0, (uint64_t)-5, 0}, 3);
    put_sample(&p, NULL, 0, (uint64_t[]){0, 1, 8}, 3);
    put_small(&p, 3, 40, 0, 0, 0);
    put_location(&p, UINT64_MAX, 0, 0, (uint64_t[]){1000, 2000}, 2);
    put_location(&p, 77, 0, 0, (uint64_t[]){3000}, 1);
    put_location(&p, 5, 41, 0xabc, NULL, 0);
    put_small(&p, 5, 1000, 8, 0, 7);
    put_small(&p, 5, 2000, 6, 6, 7);
    put_small(&p, 5, 3000, 9, 0, 0);
    ptm_buf mapping = {0};
    put_number(&mapping, 1, 41);
    put_number(&mapping, 5, 10);
    put_bytes(&p, 3, mapping.data, mapping.len);
    ptm_buf_fini(&mapping);
    put_strings(&p, strings, PTM_ARRAY_LEN(strings));

    ptm_snap *snap = read_back(&p);
    NEED(snap->n_sites == 5);
    CHECK_EQ(snap->traceback_limit, 3);
    CHECK_EQ(snap->sites[0].live * 10 + snap->sites[0].size,
             14); /* 3 objects of 10 bytes: 1 of 4 */
    CHECK_EQ(snap->sites[1].live * 10 + snap->sites[1].size, 23); /* and 2 of 3 */
    CHECK_EQ(snap->sites[2].allocated, 9);
    CHECK_EQ(snap->sites[2].live, 0);
    CHECK_EQ(snap->sites[3].live, 2);
    CHECK_EQ(snap->sites[3].size, 32);
    CHECK_EQ(snap->sites[4].size, 8);
    CHECK_EQ(snap->sites[4].depth, 0);
    ptm_stack_id stack = snap->sites[0].stack;
    const ptm_snap_frame *frame = &snap->frames[snap->stacks[stack].frame];
    CHECK(string_is(snap, frame->name, "inlined") && frame->lineno == 10);
    stack = snap->stacks[stack].parent;
    frame = &snap->frames[snap->stacks[stack].frame];
    CHECK(string_is(snap, frame->name, "main") && string_is(snap, frame->file, "main.go")
          && frame->lineno == 11);
    stack = snap->stacks[stack].parent;
    frame = &snap->frames[snap->stacks[stack].frame];
    CHECK(string_is(snap, frame->name, "\xed\xb3\xbf\\ud800")
          && string_is(snap, frame->file, "<unknown>"));
    CHECK_EQ(snap->stacks[stack].parent, 0);
    frame = &snap->frames[snap->stacks[snap->sites[3].stack].frame];
    CHECK(string_is(snap, frame->name, "0xabc") && string_is(snap, frame->file, "lib.so")
          && frame->lineno == 0);
    frame = &snap->frames[snap->stacks[snap->sites[4].stack].frame];
    CHECK(string_is(snap, frame->file, "<unknown>") && frame->name == PTM_SNAP_NONE);
    ptm_snap_decref(snap);
}

static void
a_profile_of_something_else_counts_its_first_type(void)
{
    static const char *const strings[] = {"", "samples", "count", "cpu", "nanoseconds"};
    for (int named = 0; named < 2; named++) {
        ptm_buf p = {0};
        put_small(&p, 1, 3, 4, 0, 0);
        if (named) {
            put_small(&p, 1, 1, 2, 0, 0);
        }
        put_sample(&p, NULL, 0, (uint64_t[]){12, 7}, 1 + (size_t)named);
        put_strings(&p, strings, PTM_ARRAY_LEN(strings));
        ptm_snap *snap = read_back(&p);
        NEED(snap->n_sites == 1);
        CHECK_EQ(snap->sites[0].live, named ? 7 : 12);
        CHECK_EQ(snap->sites[0].size, 0);
        ptm_snap_decref(snap);
    }
}

/* Numbered from 1 on for a while, then not; then again as if. */
static void
ids_of_any_kind_are_found(void)
{
    static const char *const strings[] = {"",   "inuse_space", "bytes", "f0", "f1",
                                          "f2", "f3",          "f4",    "f5"};
    static const uint64_t ids[] = {1, 2, UINT64_MAX, 4, 3, 1000};
    ptm_buf p = {0};
    put_strings(&p, strings, PTM_ARRAY_LEN(strings));
    put_small(&p, 1, 1, 2, 0, 0);
    for (size_t i = 0; i < PTM_ARRAY_LEN(ids); i++) {
        put_small(&p, 5, ids[i], 3 + i, 0, 0);
        put_location(&p, ids[i], 0, 0, &ids[i], 1);
        put_sample(&p, &ids[i], 1, (uint64_t[]){i + 1}, 1);
    }
    ptm_snap *snap = read_back(&p);
    CHECK_EQ(snap->n_sites, PTM_ARRAY_LEN(ids));
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        const ptm_snap_frame *frame = &snap->frames[snap->stacks[snap->sites[i].stack].frame];
        CHECK(string_is(snap, frame->name, strings[3 + i]));
        CHECK_EQ(snap->sites[i].size, i + 1);
    }
    ptm_snap_decref(snap);
}

static void
refusals_say_what_and_where(void)
{
    ptm_buf p = {0};
    refused_because(&p, "it has no strings (byte 0)");
    p = start_profile();
    put_sample(&p, (uint64_t[]){99}, 1, (uint64_t[]){1}, 1);
    refused_because(&p, "sample 0: location id 99 is not in the file (byte 62)");
    p = start_profile();
    put_sample(&p, NULL, 0, (uint64_t[]){1, 2}, 2);
    refused_because(&p, "sample 0 has 2 values where there are 1 sample types");
    p = start_profile();
    put_location(&p, 1, 0, 0, (uint64_t[]){8}, 1);
    refused_because(&p, "function id 8 is not in the file");
    p = start_profile();
    put_small(&p, 5, 1, 0, 0, 0);
    put_small(&p, 5, 1, 0, 0, 0);
    refused_because(&p, "function id 1 is there twice");
    p = start_profile();
    put_location(&p, 0, 0, 0, NULL, 0);
    refused_because(&p, "location 0 has no id");
    p = start_profile();
    put_small(&p, 5, 9, 0, 0, 0);
    put_small(&p, 5, 9, 0, 0, 0);
    refused_because(&p, "function id 9 is there twice");
    p = start_profile();
    put_small(&p, 5, 1, 70, 0, 0);
    put_location(&p, 1, 0, 0, (uint64_t[]){1}, 1);
    refused_because(&p, "string 70 is not in the file");
    p = start_profile();
    put_number(&p, 13, 3);
    refused_because(&p, "written by a newer pytracemalloc: format 2, known up to 1");
    p = start_profile();
    put_number(&p, 2, 3);
    refused_because(&p, "field 2 is not a message");
    p = start_profile();
    ptm_buf_put(&p, "\x12\xff\xff\xff\xff\x0f", 6);
    refused_because(&p, "a field is longer than what is left of the data");
    p = start_profile();
    ptm_buf_put(&p, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11);
    refused_because(&p, "a number is longer than 64 bits");
    p = start_profile();
    put_number(&p, 13, 4);
    ptm_snap_decref(read_back(&p)); /* a comment of somebody's that only begins as ours */
}

/* A location may stand for many inlined calls, and a sample name it many times: few bytes, any
 * number of frames. */
static void
a_bomb_of_frames_is_refused(void)
{
    ptm_buf p = start_profile();
    uint64_t functions[60000], locations[50];
    for (size_t i = 0; i < PTM_ARRAY_LEN(functions); i++) {
        functions[i] = 0;
    }
    put_location(&p, 1, 0, 0, functions, 1200);
    for (uint64_t i = 0; i < 200; i++) {
        put_location(&p, 2 + i, 0, 0, functions, 1);
        for (size_t k = 0; k < PTM_ARRAY_LEN(locations); k++) {
            locations[k] = k < 49 ? 1 : 2 + i;
        }
        put_sample(&p, locations, PTM_ARRAY_LEN(locations), (uint64_t[]){1}, 1);
    }
    refused_because(&p, "more frames than a file of this size can mean");
    p = start_profile();
    put_location(&p, 1, 0, 0, functions, 60000);
    put_sample(&p, (uint64_t[]){1, 1, 1, 1}, 4, (uint64_t[]){1},
               1); /* cut at the API's limit, from the oldest on */
    ptm_snap *snap = read_back(&p);
    CHECK_EQ(snap->stacks[snap->sites[0].stack].nframe, 60000);
    ptm_snap_decref(snap);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(another_tools_heap_profile_is_read);
    RUN(ids_of_any_kind_are_found);
    RUN(a_profile_of_something_else_counts_its_first_type);
    RUN(refusals_say_what_and_where);
    RUN(a_bomb_of_frames_is_refused);
    return ptm_test_done();
}
