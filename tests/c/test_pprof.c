/* SPDX-License-Identifier: MIT */
#include "format/ptm_format_text.h"
#include "ptm_test_pprof.h"

/* -- round trips ------------------------------------------------------------------------------- */

static void
check_round_trip(const ptm_snap *snap, const ptm_pprof_extra *extra)
{
    ptm_snap_decref(round_trip(snap, extra));
}

static void
random_snapshots_come_back_equal(void)
{
    static const char json[] = "{\"a\": \"\\ud800\", \"b\": [1]}";
    for (uint32_t round = 0; round < 400; round++) {
        ptm_snap *snap = test_snap(ptm_test_below(200), 1 + ptm_test_below(12));
        ptm_pprof_extra extra = {0};
        if (ptm_test_below(2)) {
            extra = (ptm_pprof_extra){json, ptm_test_below(sizeof(json)),
                                      (int64_t)(ptm_test_random() >> 1)};
        }
        check_round_trip(snap, &extra);
        ptm_snap_decref(snap);
    }
}

static void
subsets_come_back_equal(void)
{
    for (uint32_t round = 0; round < 50; round++) {
        ptm_snap *snap = test_snap(100, 5), *subset;
        uint8_t keep[100];
        for (uint32_t i = 0; i < 100; i++) {
            keep[i] = ptm_test_below(8) == 0;
        }
        NEED(ptm_snap_subset(snap, keep, &subset) == PTM_OK);
        check_round_trip(subset, &(ptm_pprof_extra){0});
        ptm_buf whole = written(snap, NULL), part = written(subset, NULL);
        CHECK(part.len < whole.len / 2); /* what no site needs is left out */
        ptm_buf_fini(&whole);
        ptm_buf_fini(&part);
        ptm_snap_decref(snap);
        ptm_snap_decref(subset);
    }
}

static void
extreme_numbers_come_back(void)
{
    static const int32_t lines[] = {0, 1, -1, INT32_MIN, INT32_MAX, 70000, 15, 16, 17};
    static const int32_t columns[] = {-1, 0, 1, 30, 31, 79, INT32_MAX - 1};
    ptm_snap_builder *b = ptm_snap_build_new(PTM_NFRAME_MAX);
    ptm_str_id file = ptm_snap_build_string(b, "a.py", 4);
    ptm_stack_id stack = 0;
    for (size_t i = 0; i < PTM_ARRAY_LEN(lines); i++) {
        for (size_t k = 0; k < PTM_ARRAY_LEN(columns); k++) {
            for (int32_t more = -1; more < 40; more += 3) {
                char name[40];
                int32_t end =
                    lines[i] > 0 && more >= 0 && lines[i] < INT32_MAX - more ? lines[i] + more : -1;
                end = more == 38 && lines[i] > 0 ? INT32_MAX : end;
                int len = snprintf(name, sizeof(name), "f%zu.%zu.%d", i, k, more);
                ptm_snap_frame frame = {
                    file, ptm_snap_build_string(b, name, (size_t)len), lines[i],
                    end,  columns[(k + 1) % PTM_ARRAY_LEN(columns)],   columns[k],
                    0};
                stack = ptm_snap_build_stack(b, stack, ptm_snap_build_frame(b, &frame));
            }
        }
    }
    ptm_snap_site site = {.stack = stack,
                          .size = INT64_MAX,
                          .live = 1,
                          .peak = 1,
                          .allocated = INT64_MAX,
                          .allocated_bytes = INT64_MAX,
                          .domain = UINT32_MAX,
                          .depth = PTM_NFRAME_MAX};
    ptm_snap_build_site(b, &site);
    ptm_snap_build_losses(b, UINT64_MAX, UINT64_MAX);
    ptm_snap *snap;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    check_round_trip(snap, &(ptm_pprof_extra){.time_nanos = INT64_MIN});
    ptm_snap_decref(snap);
}

static void
a_stack_of_the_greatest_length_comes_back(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(PTM_NFRAME_MAX);
    ptm_frame_id frame = test_frame(b);
    ptm_snap_site site = {.size = 8, .live = 1, .depth = PTM_NFRAME_MAX};
    for (uint32_t i = 0; i < PTM_NFRAME_MAX; i++) {
        site.stack = ptm_snap_build_stack(b, site.stack, frame);
    }
    ptm_snap_build_site(b, &site);
    ptm_snap *snap;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    check_round_trip(snap, &(ptm_pprof_extra){0});
    ptm_snap_decref(snap);
}

/* -- strings ----------------------------------------------------------------------------------- */

static bool
is_utf8(const uint8_t *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint8_t c = s[i];
        size_t n = c < 0x80                ? 1
                   : c >= 0xc2 && c < 0xe0 ? 2
                   : c >= 0xe0 && c < 0xf0 ? 3
                   : c >= 0xf0 && c < 0xf5 ? 4
                                           : 0;
        uint32_t point = n == 1 ? c : c & (0x7fu >> n);
        if (n == 0 || i + n > len) {
            return false;
        }
        for (size_t k = 1; k < n; k++) {
            if ((s[i + k] & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (s[i + k] & 0x3f);
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
            return false;
        }
        i += n;
    }
    return true;
}

static void
check_string(const char *text, size_t len)
{
    ptm_buf escaped, back;
    ptm_buf_init(&escaped);
    ptm_buf_init(&back);
    ptm_format_escape(text, len, &escaped);
    CHECK(is_utf8(escaped.data, escaped.len));
    ptm_format_unescape((const char *)escaped.data, escaped.len, &back);
    CHECK(back.len == len && (len == 0 || memcmp(back.data, text, len) == 0));
    ptm_buf_fini(&escaped);
    ptm_buf_fini(&back);
}

static void
every_string_survives(void)
{
    /* pieces that make escapes, halves of escapes, and what only looks like one */
    static const char *const pieces[] = {
        "\\",
        "u",
        "d",
        "8",
        "00",
        "\\u",
        "\\ud800",
        "\\u005c",
        "\\u00",
        "\\uD800",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf0\x9f\x90\x8d",
        "\xc3\xa9",
        "a",
        "5c",
        "dfff",
        "\xed\xb0\xb5",
    };
    for (uint32_t round = 0; round < 100000; round++) {
        char text[100];
        size_t len = 0;
        for (uint32_t n = ptm_test_below(9); n > 0; n--) {
            const char *piece = pieces[ptm_test_below(PTM_ARRAY_LEN(pieces))];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        check_string(text, len);
    }
    check_string("a\0b", 3);
}

static void
escapes_are_as_documented(void)
{
    static const struct {
        const char *text, *escaped;
    } cases[] = {
        {"/tmp/a\xed\xb3\xbf.py", "/tmp/a\\udcff.py"},
        {"C:\\users\\x.py", "C:\\users\\x.py"},
        {"\\ud800", "\\u005cud800"},
        {"\\u005c", "\\u005cu005c"},
        {"\\uD800", "\\uD800"},
        {"\xc3\xa9\\", "\xc3\xa9\\"},
    };
    for (size_t i = 0; i < PTM_ARRAY_LEN(cases); i++) {
        ptm_buf out;
        ptm_buf_init(&out);
        ptm_format_escape(cases[i].text, strlen(cases[i].text), &out);
        CHECK(out.len == strlen(cases[i].escaped)
              && memcmp(out.data, cases[i].escaped, out.len) == 0);
        ptm_buf_fini(&out);
    }
}

static void
any_bytes_become_a_string(void)
{
    for (uint32_t round = 0; round < 20000; round++) {
        char bytes[12];
        size_t len = ptm_test_below(sizeof(bytes));
        ptm_buf out, clean;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)(ptm_test_below(2) ? ptm_test_random() : 0xe0 + ptm_test_below(32));
        }
        ptm_buf_init(&out);
        ptm_buf_init(&clean);
        ptm_format_escape(bytes, len, &out);
        CHECK(is_utf8(out.data, out.len));
        ptm_format_clean(bytes, len, &clean);
        check_string((const char *)clean.data,
                     clean.len); /* so it has surrogates, but no stray bytes */
        ptm_buf_fini(&out);
        ptm_buf_fini(&clean);
    }
}

/* -- damage ------------------------------------------------------------------------------------ */

static void
a_cut_file_is_refused_wherever_it_is_cut(void)
{
    static const char json[] = "{\"x\": 1}";
    for (uint32_t round = 0; round < 4; round++) {
        ptm_snap *snap = test_snap(round * 20, 4), *back;
        ptm_pprof_extra extra = {round % 2 ? json : NULL, round % 2 ? sizeof(json) - 1 : 0, 5},
                        found;
        ptm_format_why why;
        ptm_buf out = written(snap, &extra);
        for (size_t len = 0; len < out.len; len++) {
            CHECK_EQ(read_copy(out.data, len, &back, &found, &why), PTM_EFORMAT);
        }
        ptm_buf_fini(&out);
        ptm_snap_decref(snap);
    }
}

static void
read_anything(const uint8_t *data, size_t len)
{
    ptm_snap *back = NULL;
    ptm_pprof_extra extra;
    ptm_format_why why;
    ptm_err err = read_copy(data, len, &back, &extra, &why);
    CHECK(err == PTM_OK || err == PTM_EFORMAT);
    if (err == PTM_OK) {
        check_laws(back);
        CHECK(ptm_snap_memory_bytes(back) <= 4096 + len * 200);
        ptm_snap_decref(back);
    }
}

static void
damaged_files_are_read_or_refused(void)
{
    ptm_snap *snap = test_snap(60, 4);
    ptm_buf out = written(snap, &(ptm_pprof_extra){"{}", 2, 7});
    uint8_t *damaged = malloc(out.len);
    for (uint32_t round = 0; round < 30000; round++) {
        memcpy(damaged, out.data, out.len);
        for (uint32_t n = 1 + ptm_test_below(4); n > 0; n--) {
            uint32_t at = ptm_test_below((uint32_t)out.len);
            damaged[at] = ptm_test_below(2) ? (uint8_t)ptm_test_random()
                                            : damaged[at] ^ (uint8_t)(1u << ptm_test_below(8));
        }
        read_anything(damaged, out.len);
    }
    free(damaged);
    ptm_buf_fini(&out);
    ptm_snap_decref(snap);
}

static void
noise_is_read_or_refused(void)
{
    for (uint32_t round = 0; round < 30000; round++) {
        uint8_t noise[64];
        size_t len = ptm_test_below(sizeof(noise));
        for (size_t i = 0; i < len; i++) {
            noise[i] = (uint8_t)(ptm_test_below(2) ? ptm_test_below(0x80) : ptm_test_random());
        }
        read_anything(noise, len);
    }
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(random_snapshots_come_back_equal);
    RUN(subsets_come_back_equal);
    RUN(extreme_numbers_come_back);
    RUN(a_stack_of_the_greatest_length_comes_back);
    RUN(every_string_survives);
    RUN(escapes_are_as_documented);
    RUN(any_bytes_become_a_string);
    RUN(a_cut_file_is_refused_wherever_it_is_cut);
    RUN(damaged_files_are_read_or_refused);
    RUN(noise_is_read_or_refused);
    return ptm_test_done();
}
