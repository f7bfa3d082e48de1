/* SPDX-License-Identifier: MIT */
#include "base/ptm_table.h"
#include "ptm_test_mem.h"

typedef struct {
    uint32_t first;
    uint32_t second[2];
} record;

#define BITS 3
#define MOST ((1u << BITS) * PTM_TABLE_CHUNKS)
#define SOME 2000

static ptm_table_directory table_chunks;
static ptm_table table = PTM_TABLE(record, BITS, table_chunks);
static uint32_t model[SOME]; /* value of a live id */
static record *place[SOME];
static bool lives[SOME];
static uint32_t n_live;

static record *
at(uint32_t id)
{
    return ptm_table_at(table_chunks, id, sizeof(record), BITS);
}

static void
take_one(void)
{
    uint32_t id = ptm_table_new(&table);
    if (id == 0) {
        return;
    }
    NEED(id < SOME);
    CHECK(!lives[id]);
    if (place[id] == NULL) {
        CHECK(at(id)->first == 0 && at(id)->second[0] == 0 && at(id)->second[1] == 0);
    }
    CHECK(place[id] == NULL || place[id] == at(id));
    model[id] = (uint32_t)ptm_test_random();
    *at(id) = (record){model[id], {model[id], ~model[id]}};
    place[id] = at(id);
    lives[id] = true;
    n_live++;
}

static void
drop_one(void)
{
    for (uint32_t i = 0, id = ptm_test_below(SOME); i < SOME; i++, id = (id + 1) % SOME) {
        if (lives[id]) {
            ptm_table_drop(&table, id);
            lives[id] = false;
            n_live--;
            return;
        }
    }
}

static void
check_all(void)
{
    for (uint32_t id = 1; id < SOME; id++) {
        if (lives[id]) {
            CHECK_EQ(at(id)->first, model[id]);
            CHECK_EQ(at(id)->second[0], model[id]);
            CHECK_EQ(at(id)->second[1], ~model[id]);
            CHECK(at(id) == place[id]);
        }
    }
    CHECK_EQ(ptm_table_count(&table), n_live);
}

static void
clear(void)
{
    ptm_table_clear(&table);
    memset(lives, 0, sizeof(lives));
    memset(place, 0, sizeof(place));
    n_live = 0;
    CHECK_EQ(ptm_test_mapped_bytes, 0);
    CHECK_EQ(ptm_table_count(&table), 0);
}

static void
records_keep_place_and_value(void)
{
    for (int round = 0; round < 40; round++) {
        uint32_t bias = 1 + ptm_test_below(9);
        for (int i = 0; i < 400; i++) {
            if (ptm_test_below(10) < bias && n_live < SOME - 2) {
                take_one();
            }
            else {
                drop_one();
            }
        }
        check_all();
    }
    clear();
}

static void
dropped_ids_come_back_before_new_memory(void)
{
    for (int i = 0; i < 100; i++) {
        take_one();
    }
    size_t maps = ptm_test_maps;
    uint32_t used = table.used;
    for (int i = 0; i < 50; i++) {
        drop_one();
    }
    for (int i = 0; i < 50; i++) {
        take_one();
    }
    CHECK_EQ(ptm_test_maps, maps);
    CHECK_EQ(table.used, used);
    clear();
}

static void
every_map_may_fail(void)
{
    for (int64_t n = 0; n < 30; n++) {
        ptm_mem_fail_after(n);
        for (int i = 0; i < 400; i++) {
            take_one();
            if (i % 5 == 0) {
                drop_one();
            }
        }
        CHECK(table.used <= (uint32_t)(n << BITS) || n == 0);
        check_all();
        ptm_mem_fail_after(-1);
        uint32_t before = n_live;
        take_one();
        CHECK_EQ(n_live, before + 1);
        check_all();
        clear();
    }
}

static void
a_full_directory_refuses(void)
{
    uint32_t given = 0;
    while (ptm_table_new(&table) != 0) {
        given++;
    }
    CHECK_EQ(given, MOST - 1);
    CHECK_EQ(ptm_table_new(&table), 0);
    ptm_table_drop(&table, 77);
    CHECK_EQ(ptm_table_new(&table), 77);
    size_t told = 0;
    ptm_table_visit(&table, ptm_test_add_bytes, &told);
    CHECK_EQ(told, ptm_test_mapped_bytes);
    clear();
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    RUN(records_keep_place_and_value);
    RUN(dropped_ids_come_back_before_new_memory);
    RUN(every_map_may_fail);
    RUN(a_full_directory_refuses);
    return ptm_test_done();
}
