/* SPDX-License-Identifier: MIT
 *
 * ptm_fuzz_laws - what holds for any bytes whatever that are given to ptm_pprof_read.
 *
 * Laws      The answer is a snapshot, or PTM_EFORMAT with words.
 *           The memory that reading takes is bounded by the length: READ_BYTES_AT_MOST.
 *           A snapshot keeps the laws of ptm_snap.h, whatever it came from.
 *           What our writer writes of it reads back equal, and writes the same bytes again.
 *           Statistics of both are equal, row by row, and their sums are those of the sites.
 * How       CHECKs of ptm_test.h; used by fuzz_read.c (libFuzzer) and tests/c/test_pprof_corpus.c
 * Threads   one
 */
#ifndef PTM_FUZZ_LAWS_H
#define PTM_FUZZ_LAWS_H

#include "ptm_fuzz_memory.h"
#include "ptm_test_pprof.h"
#include "snap/ptm_group.h"

/* A location may mean thousands of frames in few bytes; written by us they are written in full.
 * Beyond this many the round trip is left out. */
#define FRAMES_TO_WRITE ((uint64_t)1 << 18)

static int64_t read_most_bytes; /* what the last read had of memory, at most */

static uint64_t
frames_to_write(const ptm_snap *snap)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        n += snap->stacks[snap->sites[i].stack].nframe;
    }
    return n;
}

/* -- statistics -------------------------------------------------------------------------------- */

static bool
same_key(const ptm_snap *a, uint32_t key_a, const ptm_snap *b, uint32_t key_b, ptm_by by)
{
    switch (by) {
    case PTM_BY_FILE:
        return same_string(a, key_a, b, key_b);
    case PTM_BY_LINE:
        return same_string(a, a->frames[key_a].file, b, b->frames[key_b].file)
               && a->frames[key_a].lineno == b->frames[key_b].lineno;
    default:
        return ptm_stack_compare(a, key_a, b, key_b, PTM_ORDER_RECENT_FIRST) == 0;
    }
}

/* A site for which the metric counts no block is in no group, whatever its bytes. */
static void
check_sums(const ptm_snap *snap, const ptm_group_query *query, const ptm_groups *groups)
{
    uint64_t size = 0, count = 0;
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        uint64_t blocks = ptm_site_count(&snap->sites[i], query->metric);
        size += blocks == 0 ? 0 : ptm_site_total_bytes(&snap->sites[i], query->metric);
        count += blocks;
    }
    for (size_t i = 0; i < groups->n_rows; i++) {
        size -= (uint64_t)groups->rows[i].size;
        count -= (uint64_t)groups->rows[i].count;
    }
    CHECK(size == 0 && count == 0);
}

static void
check_same_rows(const ptm_snap *a, const ptm_snap *b, const ptm_group_query *query)
{
    ptm_groups x, y;
    ptm_err err = ptm_group(a, query, &x);
    CHECK_EQ(ptm_group(b, query, &y), err);
    NEED(err == PTM_OK || err == PTM_ERANGE);
    if (err == PTM_ERANGE) {
        return;
    }
    CHECK_EQ(x.n_rows, y.n_rows);
    for (size_t i = 0; i < x.n_rows && i < y.n_rows; i++) {
        CHECK_EQ(x.rows[i].size, y.rows[i].size);
        CHECK_EQ(x.rows[i].count, y.rows[i].count);
        CHECK(same_key(a, x.rows[i].key, b, y.rows[i].key, query->by));
    }
    if (query->cumulative == PTM_FLAT) {
        check_sums(a, query, &x);
    }
    ptm_groups_free(&x);
    ptm_groups_free(&y);
}

static void
check_same_statistics(const ptm_snap *a, const ptm_snap *b)
{
    for (int metric = PTM_METRIC_LIVE; metric <= PTM_METRIC_ALLOCATED; metric++) {
        for (int by = PTM_BY_FILE; by <= PTM_BY_TRACEBACK; by++) {
            int last = by == PTM_BY_TRACEBACK ? PTM_FLAT : PTM_CUMULATIVE_ONCE;
            for (int cumulative = PTM_FLAT; cumulative <= last; cumulative++) {
                ptm_group_query query = {(ptm_by)by,
                                         (ptm_cumulative)cumulative,
                                         (ptm_metric)metric,
                                         PTM_ORDER_RECENT_FIRST,
                                         0,
                                         (ptm_metric)metric};
                check_same_rows(a, b, &query);
            }
        }
    }
}

/* -- the whole --------------------------------------------------------------------------------- */

static void
check_snapshot(const ptm_snap *snap, const ptm_pprof_extra *extra)
{
    check_laws(snap);
    if (frames_to_write(snap) <= FRAMES_TO_WRITE) {
        ptm_snap *back = round_trip(snap, extra);
        check_same_statistics(snap, back);
        ptm_snap_decref(back);
    }
}

static void
check_any_bytes(const uint8_t *data, size_t len)
{
    ptm_snap *snap = NULL;
    ptm_pprof_extra extra = {0};
    ptm_format_why why = {{0}};
    uint8_t *copy = malloc(len + (len == 0)); /* so that a read past the end is seen */
    NEED(copy != NULL);
    memcpy(copy, data, len);
    memory_watch();
    ptm_err err = ptm_pprof_read(copy, len, &snap, &extra, &why);
    read_most_bytes = memory_unwatch();
    CHECK(err == PTM_OK || err == PTM_EFORMAT);
    CHECK((err == PTM_EFORMAT) == (why.text[0] != 0));
    CHECK(memchr(why.text, 0, sizeof(why.text)) != NULL);
    CHECK(read_most_bytes <= READ_BYTES_AT_MOST(len));
    if (err == PTM_OK) {
        check_snapshot(snap, &extra);
    }
    ptm_snap_decref(snap);
    free(copy);
}

#endif
