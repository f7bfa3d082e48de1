/* SPDX-License-Identifier: MIT
 *
 * Profiles that are made to take memory or time. Of each kind: the most memory per byte of a file,
 * over many sizes, since arrays grow in steps.
 */
#include <time.h>

#include "ptm_fuzz_memory.h"
#include "ptm_test_profile.h"

#include "snap/ptm_ids.h"

typedef struct {
    ptm_buf profile, message;
} making;

/* -- kinds of profiles, about `len` bytes each ------------------------------------------------- */

static void
put_location_of(making *m, uint64_t id, uint64_t address, size_t n_lines)
{
    m->message.len = 0;
    put_number(&m->message, 1, id);
    if (address != 0) {
        put_number(&m->message, 3, address);
    }
    for (size_t i = 0; i < n_lines; i++) {
        put_bytes(&m->message, 4, NULL, 0);
    }
    put_bytes(&m->profile, 4, m->message.data, m->message.len);
}

static void
many_strings(making *m, size_t len)
{
    while (m->profile.len < len) {
        put_bytes(&m->profile, 6, NULL, 0);
    }
}

static void
many_comments(making *m, size_t len)
{
    while (m->message.len < len) {
        ptm_buf_put_byte(&m->message, 0);
    }
    put_bytes(&m->profile, 13, m->message.data, m->message.len);
}

static void
many_functions(making *m, size_t len)
{
    for (uint64_t id = 2; m->profile.len < len; id++) {
        put_small(&m->profile, 5, id, 0, 0, 0);
    }
}

static void
many_addresses(making *m, size_t len)
{
    for (uint64_t id = 2; m->profile.len < len; id++) {
        put_location_of(m, id, id, 0);
    }
}

static void
many_lines(making *m, size_t len)
{
    put_location_of(m, 1, 0, len / 2);
}

/* Each sample makes five sites: a name for every number, and no size. */
static void
put_types_for_sites(making *m)
{
    static const char *const names[] = {"inuse_objects", "peak_objects", "peak_space",
                                        "alloc_objects"};
    put_strings(&m->profile, names, PTM_ARRAY_LEN(names));
    for (uint64_t i = 0; i < PTM_ARRAY_LEN(names); i++) {
        put_small(&m->profile, 1, 5 + i, 0, 0, 0); /* after the strings of start_profile() */
    }
}

static void
fill_with_sites(making *m, size_t len)
{
    static const uint8_t sample[] = {0x12, 7, 0x12, 5, 3, 2, 2, 3, 1};
    while (m->profile.len < len) {
        ptm_buf_put(&m->profile, sample, sizeof(sample));
    }
}

static void
many_sites(making *m, size_t len)
{
    put_types_for_sites(m);
    fill_with_sites(m, len);
}

/* Long locations over ever new callers: as many frames in stacks as are allowed. They take few
 * bytes, the rest are sites: the most that was found. */
static void
many_stacks_and_sites(making *m, size_t len)
{
    uint64_t n_lines = 1000, n_samples = len * 4 / n_lines;
    put_types_for_sites(m);
    put_location_of(m, 1, 0, n_lines);
    for (uint64_t id = 2; id < 2 + n_samples; id++) {
        put_location_of(m, id, id, 0);
        put_sample(&m->profile, (uint64_t[]){1, id}, 2, (uint64_t[]){3, 2, 2, 3, 1}, 5);
    }
    fill_with_sites(m, len);
}

/* A choice after every frame, so that every stack is in the table of children. */
static void
many_branches(making *m, size_t len)
{
    put_location_of(m, 1, 1, 0);
    put_location_of(m, 2, 2, 0);
    for (uint64_t bits = 0; m->profile.len < len; bits++) {
        uint64_t locations[24];
        for (size_t i = 0; i < PTM_ARRAY_LEN(locations); i++) {
            locations[i] = 1 + (bits >> (PTM_ARRAY_LEN(locations) - 1 - i) & 1);
        }
        put_sample(&m->profile, locations, PTM_ARRAY_LEN(locations), (uint64_t[]){1}, 1);
    }
}

/* -- memory ------------------------------------------------------------------------------------ */

/* Bytes of memory at most while a profile of this kind is read, and its length. */
static int64_t
memory_of(void (*make)(making *m, size_t len), size_t wanted, size_t *len)
{
    making m = {.profile = start_profile()};
    make(&m, wanted);
    ptm_snap *snap = NULL;
    ptm_pprof_extra extra;
    ptm_format_why why;
    memory_watch();
    ptm_err err = ptm_pprof_read(m.profile.data, m.profile.len, &snap, &extra, &why);
    int64_t most = memory_unwatch();
    CHECK(err == PTM_OK || err == PTM_EFORMAT);
    *len = m.profile.len;
    ptm_snap_decref(snap);
    ptm_buf_fini(&m.profile);
    ptm_buf_fini(&m.message);
    return most;
}

static void
check_ratio(const char *name, void (*make)(making *m, size_t len))
{
    double worst = 0;
    for (size_t wanted = 200000; wanted < 700000; wanted += wanted / 8) {
        size_t len;
        int64_t bytes = memory_of(make, wanted, &len);
        double ratio = (double)bytes / (double)len;
        worst = ratio > worst ? ratio : worst;
        CHECK(bytes <= READ_BYTES_AT_MOST(len));
    }
    printf("# %-15s %.1f bytes of memory per byte\n", name, worst);
}

static void
memory_is_bounded_by_the_length(void)
{
    check_ratio("strings", many_strings);
    check_ratio("comments", many_comments);
    check_ratio("functions", many_functions);
    check_ratio("addresses", many_addresses);
    check_ratio("lines", many_lines);
    check_ratio("sites", many_sites);
    check_ratio("stacks, sites", many_stacks_and_sites);
    check_ratio("branches", many_branches);
}

/* -- time -------------------------------------------------------------------------------------- */

#define SECONDS_AT_MOST 3.0 /* of processor time; what grows with the square took more, see each */

static void
check_time(ptm_buf *profile)
{
    ptm_snap *snap = NULL;
    ptm_pprof_extra extra;
    ptm_format_why why;
    clock_t start = clock();
    CHECK_EQ(ptm_pprof_read(profile->data, profile->len, &snap, &extra, &why), PTM_OK);
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < SECONDS_AT_MOST);
    ptm_snap_decref(snap);
    ptm_buf_fini(profile);
}

/* The number that xor-shift by `shift` makes into y. */
static uint64_t
unshift(uint64_t y, int shift)
{
    uint64_t x = y;
    for (int done = 0; done < 64; done += shift) {
        x = y ^ x >> shift;
    }
    return x;
}

/* The odd number that times a is 1, by Newton's iteration. */
static uint64_t
inverse(uint64_t a)
{
    uint64_t x = a;
    for (int i = 0; i < 6; i++) {
        x *= 2 - a * x;
    }
    return x;
}

static uint64_t
unmix(uint64_t hash)
{
    uint64_t x = unshift(hash, 31) * inverse(0x94d049bb133111ebu);
    x = unshift(x, 27) * inverse(0xbf58476d1ce4e5b9u);
    return unshift(x, 30);
}

/* Without a salt every id is compared with all before it: 5.6 seconds. */
static void
ids_made_to_collide_take_no_time(void)
{
    making m = {.profile = start_profile()};
    for (uint64_t i = 1; i <= 80000; i++) {
        uint64_t id = unmix((uint64_t)7 << 32 | i);
        CHECK(ptm_mix64(id) >> 32 == 7);
        put_location_of(&m, id, 0, 0);
    }
    check_time(&m.profile);
    ptm_buf_fini(&m.message);
}

/* A comment of 80,000 digits, named 80,000 times. Read to its end each time: 4.7 seconds. */
static void
long_comments_are_not_read_again_and_again(void)
{
    ptm_buf p = start_profile(), digits = {0}, named = {0};
    ptm_buf_put(&digits, "#pytracemalloc lost ", 20);
    for (int i = 0; i < 80000; i++) {
        ptm_buf_put_byte(&digits, '0');
        ptm_buf_put_varint(&named, 5);
    }
    put_bytes(&p, 6, digits.data, digits.len);
    put_bytes(&p, 13, named.data, named.len);
    ptm_buf_fini(&digits);
    ptm_buf_fini(&named);
    check_time(&p);
}

/* -- numbers ----------------------------------------------------------------------------------- */

static void
more_blocks_than_int64_are_refused(void)
{
    ptm_buf p = {0};
    static const char *const strings[] = {"", "inuse_objects"};
    put_strings(&p, strings, 2);
    put_small(&p, 1, 1, 0, 0, 0);
    put_sample(&p, NULL, 0, (uint64_t[]){INT64_MAX}, 1);
    ptm_buf more = {0};
    ptm_buf_put(&more, p.data, p.len);
    check_time(&p);
    put_sample(&more, NULL, 0, (uint64_t[]){1}, 1);
    refused_because(&more, "sample 1: no program has that many blocks");
}

/* Losses of merged files add up, and stop at the greatest number there is. */
static void
losses_beyond_64_bits_stop_there(void)
{
    ptm_buf p = start_profile();
    static const char *const lost[] = {"#pytracemalloc lost 18446744073709551614 3",
                                       "#pytracemalloc lost 3 18446744073709551615"};
    put_strings(&p, lost, PTM_ARRAY_LEN(lost));
    put_number(&p, 13, 5);
    put_number(&p, 13, 6);
    ptm_snap *snap = NULL;
    ptm_pprof_extra extra;
    ptm_format_why why;
    NEED(ptm_pprof_read(p.data, p.len, &snap, &extra, &why) == PTM_OK);
    CHECK(snap->lost_blocks == UINT64_MAX);
    CHECK(snap->lost_bytes == UINT64_MAX);
    ptm_snap_decref(round_trip(snap, &extra));
    ptm_snap_decref(snap);
    ptm_buf_fini(&p);
}

/* Bytes that the file does not tell are size times count, and no more than a file can tell. */
static void
a_product_beyond_int64_comes_back(void)
{
    static const char *const strings[] = {"", "alloc_objects", "bytes"};
    ptm_buf p = {0}, sample = {0}, label = {0};
    put_strings(&p, strings, PTM_ARRAY_LEN(strings));
    put_small(&p, 1, 1, 0, 0, 0);
    put_number(&label, 1, 2);
    put_number(&label, 3, 2);
    put_number(&sample, 2, INT64_MAX);
    put_bytes(&sample, 3, label.data, label.len);
    put_bytes(&p, 2, sample.data, sample.len);
    ptm_snap *snap = NULL;
    ptm_pprof_extra extra;
    ptm_format_why why;
    NEED(ptm_pprof_read(p.data, p.len, &snap, &extra, &why) == PTM_OK);
    CHECK(snap->sites[0].allocated_bytes == INT64_MAX);
    ptm_snap_decref(round_trip(snap, &extra));
    ptm_snap_decref(snap);
    ptm_buf_fini(&p);
    ptm_buf_fini(&sample);
    ptm_buf_fini(&label);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(memory_is_bounded_by_the_length);
    RUN(ids_made_to_collide_take_no_time);
    RUN(long_comments_are_not_read_again_and_again);
    RUN(more_blocks_than_int64_are_refused);
    RUN(losses_beyond_64_bits_stop_there);
    RUN(a_product_beyond_int64_comes_back);
    return ptm_test_done();
}
