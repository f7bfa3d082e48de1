/* SPDX-License-Identifier: MIT */
#include "trace/ptm_recent.h"

#include <string.h>

#include "ptm_test.h"

/* The naive table: for each place a row of what was met, latest first, of which two are kept. */
#define PLACES 3u
#define HASHES 4u /* of a place: more than it keeps */

typedef struct {
    uint64_t hash;
    uint32_t id, age, renewed;
    bool there;
} met;

static ptm_recents the_table, *const table = &the_table;
static met model[PLACES][2];

/* The first, one in the middle and the last. */
static uint64_t
hash_at(uint32_t place, uint32_t k)
{
    static const uint64_t places[PLACES] = {0, 77, PTM_N_RECENT - 1};
    return places[place] << (64 - PTM_RECENT_BITS) | (k + 1) * UINT64_C(0x1000001);
}

static bool
is_it(const met *m, uint64_t hash)
{
    return m->there && m->hash == hash && m->age == ptm_code_age;
}

static void
bring_forward(met *row)
{
    met second = row[1];
    row[1] = row[0];
    row[0] = second;
}

static uint32_t
find_in_model(met *row, uint64_t hash)
{
    if (is_it(&row[1], hash) && row[1].id != 0) {
        bring_forward(row);
    }
    return is_it(&row[0], hash) ? row[0].id : 0;
}

static bool
is_noted_in_model(const met *row, uint64_t hash)
{
    return (is_it(&row[0], hash) && row[0].id == 0) || (is_it(&row[1], hash) && row[1].id == 0);
}

/* What has to go has been booked. */
static void
book_second(met *row, uint64_t hash)
{
    CHECK_EQ(ptm_renewed_at(table, hash)->blocks[1], row[1].renewed);
    ptm_renewed_at(table, hash)->blocks[1] = 0;
    row[1].renewed = 0;
}

static void
put_both(met *row, uint64_t hash, uint32_t id)
{
    book_second(row, hash);
    row[1] = row[0];
    row[0] = (met){hash, id, ptm_code_age, 0, true};
    ptm_recent_put(table, hash, id);
}

/* As a lane does it: what is not there and not noted is put. */
static void
look_up(met *row, uint64_t hash)
{
    uint32_t first = is_it(&row[0], hash) ? row[0].id : 0;
    CHECK_EQ(ptm_recent_first(table, hash), first);
    uint32_t found = find_in_model(row, hash);
    CHECK_EQ(ptm_recent_site(table, hash), found);
    bool noted = is_noted_in_model(row, hash);
    CHECK_EQ(ptm_recent_is_noted(table, hash), noted);
    if (found != 0) {
        bool really = ptm_test_below(2);
        row[0].renewed += really;
        CHECK(ptm_recent_renew(table, hash, really));
        CHECK_EQ(ptm_renewed_at(table, hash)->blocks[0], row[0].renewed);
    }
    if (found == 0 && !noted) {
        put_both(row, hash, ptm_test_below(5)); /* at times a note; ids that others have as well */
    }
}

static void
forget_both(met *row, uint64_t hash, uint32_t id)
{
    *ptm_renewed_at(table, hash) = (ptm_renewed){{0, 0}}; /* booked */
    row[0].renewed = row[1].renewed = 0;
    ptm_recent_forget(table, hash, id);
    for (int i = 0; i < 2; i++) {
        row[i].there = row[i].there && row[i].id != id;
    }
    if (!row[0].there) {
        bring_forward(row);
    }
}

static void
two_are_kept_and_the_later_one_goes_first(void)
{
    for (int n = 0; n < 200000; n++) {
        uint32_t place = ptm_test_below(PLACES);
        uint64_t hash = hash_at(place, ptm_test_below(HASHES));
        if (ptm_test_below(20) == 0) {
            forget_both(model[place], hash, 1 + ptm_test_below(4));
        }
        if (ptm_test_below(500) == 0) {
            ptm_code_age++;
        }
        look_up(model[place], hash);
    }
}

/* One place has a's site and, met later, b's. */
static void
begin_with_two(uint64_t a, uint64_t b)
{
    memset(table, 0, sizeof(*table));
    ptm_recent_put(table, a, 1);
    ptm_recent_put(table, b, 2);
}

static void
what_is_found_second_is_first_then(void)
{
    uint64_t a = hash_at(1, 0), b = hash_at(1, 1), c = hash_at(1, 2);
    begin_with_two(a, b);
    CHECK_EQ(ptm_recent_first(table, a), 0);
    CHECK_EQ(ptm_recent_second(table, a), 1);
    CHECK_EQ(ptm_recent_first(table, a), 1);
    ptm_recent_put(table, c, 3); /* b was met before a */
    CHECK_EQ(ptm_recent_site(table, b), 0);
    CHECK_EQ(ptm_recent_site(table, a), 1);
}

/* A hole is filled before anything that is there goes. */
static void
what_is_forgotten_leaves_its_place(void)
{
    uint64_t a = hash_at(1, 0), b = hash_at(1, 1), c = hash_at(1, 2);
    begin_with_two(a, b);
    ptm_recent_forget(table, b, 2);
    ptm_recent_put(table, c, 3);
    CHECK_EQ(ptm_recent_site(table, b), 0);
    CHECK_EQ(ptm_recent_site(table, a), 1);
    CHECK_EQ(ptm_recent_site(table, c), 3);
}

static void
what_does_not_fit_is_not_kept(void)
{
    uint64_t a = hash_at(1, 0), b = hash_at(1, 1);
    memset(table, 0, sizeof(*table));
    ptm_recent_put(table, a, (uint32_t)PTM_RECENT_SITES);
    CHECK_EQ(ptm_recent_site(table, a), 0);
    CHECK(!ptm_recent_is_noted(table, a));
    ptm_recent_put(table, b, (uint32_t)PTM_RECENT_SITES - 1);
    CHECK_EQ(ptm_recent_site(table, b), (uint32_t)PTM_RECENT_SITES - 1);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(two_are_kept_and_the_later_one_goes_first);
    RUN(what_is_found_second_is_first_then);
    RUN(what_is_forgotten_leaves_its_place);
    RUN(what_does_not_fit_is_not_kept);
    return ptm_test_done();
}
