/* SPDX-License-Identifier: MIT */
#include "base/ptm_index.h"
#include "ptm_test_mem.h"

/* The naive index: pairs in a row. */
#define MOST 600

typedef struct {
    uint32_t hash, id;
} entry;

static entry model[MOST];
static uint32_t n_model;
static ptm_index tested;

/* Few hashes, so that many are equal or neighbours; some at the end of the word, where probes wrap
 * round. */
static uint32_t
some_hash(void)
{
    uint32_t r = ptm_test_below(40);
    return ptm_test_below(3) == 0 ? (uint32_t)ptm_test_random() : r < 20 ? r * 7 : UINT32_MAX - r;
}

static uint32_t
count_in_model(uint32_t hash)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_model; i++) {
        n += model[i].hash == hash;
    }
    return n;
}

static bool
is_in_model(uint32_t hash, uint32_t id)
{
    for (uint32_t i = 0; i < n_model; i++) {
        if (model[i].hash == hash && model[i].id == id) {
            return true;
        }
    }
    return false;
}

static void
check_hash(uint32_t hash)
{
    uint32_t id, n = 0;
    for (ptm_probe p = ptm_probe_start(&tested, hash); (id = ptm_probe_next(&tested, &p)) != 0;
         n++) {
        CHECK(is_in_model(hash, id));
    }
    CHECK_EQ(n, count_in_model(hash));
    CHECK(n == 0 || ptm_index_may_have(&tested, hash));
}

static void
check_all(void)
{
    CHECK_EQ(tested.used, n_model);
    for (uint32_t i = 0; i < n_model; i++) {
        check_hash(model[i].hash);
    }
}

static void
put(uint32_t hash, uint32_t id)
{
    if (ptm_index_put(&tested, hash, id)) {
        model[n_model++] = (entry){hash, id};
    }
}

static void
remove_any(void)
{
    if (n_model > 0) {
        uint32_t i = ptm_test_below(n_model);
        ptm_index_remove(&tested, model[i].hash, model[i].id);
        model[i] = model[--n_model];
    }
}

static void
clear(void)
{
    ptm_index_clear(&tested);
    n_model = 0;
}

/* Empty again, with room for some: nothing is there, and the filter knows it. */
static void
restart(void)
{
    uint32_t n = ptm_test_below(MOST);
    CHECK(ptm_index_restart(&tested, n));
    for (uint32_t i = 0; i < n_model; i++) {
        CHECK(!ptm_index_may_have(&tested, model[i].hash));
    }
    n_model = 0;
    CHECK((uint64_t)n * 4 <= ((uint64_t)tested.mask + 1) * 3);
}

static void
equals_a_row_of_pairs(void)
{
    uint32_t next_id = 1;
    for (int round = 0; round < 60; round++) {
        uint32_t bias = 1 + ptm_test_below(9);
        for (int i = 0; i < 300; i++) {
            if (ptm_test_below(10) < bias && n_model < MOST) {
                put(some_hash(), next_id++);
            }
            else {
                remove_any();
            }
            check_hash(some_hash());
        }
        check_all();
        if (ptm_test_below(8) == 0) {
            clear();
            CHECK_EQ(ptm_test_mapped_bytes, 0);
        }
        else if (ptm_test_below(8) == 0) {
            restart();
        }
    }
    clear();
}

static void
removing_what_is_absent_is_nothing(void)
{
    ptm_index_remove(&tested, 7, 1);
    put(7, 1);
    ptm_index_remove(&tested, 7, 2);
    ptm_index_remove(&tested, 8, 1);
    check_all();
    clear();
}

/* A put that is refused leaves all as it was, and what is there goes on being found and removed. */
static void
every_map_may_fail(void)
{
    for (int64_t n = 0; n < 12; n++) {
        ptm_mem_fail_after(n);
        uint32_t refused = 0;
        for (uint32_t id = 1; id <= MOST; id++) {
            uint32_t before = n_model;
            put(some_hash(), id);
            refused += n_model == before;
            if (id % 7 == 0) {
                remove_any();
            }
            check_hash(some_hash());
        }
        check_all();
        CHECK(refused > 0 || n > 0);
        ptm_mem_fail_after(0);
        CHECK(!ptm_index_restart(&tested, n_model));
        check_all();
        ptm_mem_fail_after(-1);
        uint32_t before = n_model;
        put(1, MOST + 1);
        CHECK_EQ(n_model, before + 1);
        check_all();
        clear();
        CHECK_EQ(ptm_test_mapped_bytes, 0);
    }
}

/* -- the filter -------------------------------------------------------------------------------- */

#define N_ASKED 20000u

static uint32_t
any_hash(uint32_t i)
{
    (void)i;
    return (uint32_t)ptm_test_random();
}

static uint32_t
next_hash(uint32_t i)
{
    return i;
}

static uint32_t
spread_hash(uint32_t i)
{
    return i * 2654435761u;
}

static bool
is_there(uint32_t hash)
{
    ptm_probe probe = ptm_probe_start(&tested, hash);
    return ptm_probe_next(&tested, &probe) != 0;
}

/* As many as go in before it grows: at most one of five that are absent is let through. */
static void
check_denials(uint32_t n_slots, uint32_t (*hash_of)(uint32_t i))
{
    uint32_t i = 0, asked = 0, let_through = 0;
    while (i++ < n_slots / 4 * 3) {
        uint32_t hash = hash_of(i);
        CHECK(ptm_index_put(&tested, hash, i));
        CHECK(ptm_index_may_have(&tested, hash));
    }
    CHECK_EQ(tested.mask + 1, n_slots);
    for (; asked < N_ASKED; i++) {
        uint32_t hash = hash_of(i);
        if (!is_there(hash)) {
            asked++;
            let_through += ptm_index_may_have(&tested, hash);
        }
    }
    CHECK(let_through * 5 <= asked);
    CHECK(let_through > 0 || hash_of != any_hash);
    clear();
}

static void
the_filter_denies_most_absent_hashes(void)
{
    for (uint32_t n_slots = 1024; n_slots <= 65536; n_slots *= 2) {
        check_denials(n_slots, any_hash);
        check_denials(n_slots, next_hash);
        check_denials(n_slots, spread_hash);
    }
}

static void
an_empty_index_denies_every_hash(void)
{
    for (int i = 0; i < 1000; i++) {
        CHECK(!ptm_index_may_have(&tested, some_hash()));
    }
}

static void
tells_the_maps_it_owns(void)
{
    size_t told = 0;
    ptm_index_visit(&tested, ptm_test_add_bytes, &told);
    CHECK_EQ(told, 0);
    for (uint32_t id = 1; id <= 500; id++) {
        put(id * 2654435761u, id);
    }
    ptm_index_visit(&tested, ptm_test_add_bytes, &told);
    CHECK_EQ(told, ptm_test_mapped_bytes);
    CHECK((uint64_t)tested.used * 4 <= ((uint64_t)tested.mask + 1) * 3);
    clear();
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    RUN(equals_a_row_of_pairs);
    RUN(removing_what_is_absent_is_nothing);
    RUN(every_map_may_fail);
    RUN(an_empty_index_denies_every_hash);
    RUN(the_filter_denies_most_absent_hashes);
    RUN(tells_the_maps_it_owns);
    return ptm_test_done();
}
