/* SPDX-License-Identifier: MIT
 *
 * Every allocation of snap/ and format/ made to fail, one after the other: the answer is
 * PTM_ENOMEM, nothing is leaked, and the next try with memory works. malloc and its family are
 * replaced in this program, which the address sanitizer does itself: under it there is nothing to
 * run.
 */
#include <errno.h>

#include "base/ptm_array.h"
#include "format/ptm_arrow.h"
#include "format/ptm_pickle.h"
#include "format/ptm_pprof.h"
#include "ptm_test_snap.h"
#include "snap/ptm_agree.h"
#include "snap/ptm_filter.h"
#include "snap/ptm_group.h"
#include "snap/ptm_merge.h"
#include "snap/ptm_modules.h"

#ifndef __SANITIZE_ADDRESS__
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void __libc_free(void *block);

static long until_failure = -1; /* allocations that still succeed; -1: all do */
static long outstanding;        /* blocks */

static bool
fails(void)
{
    if (until_failure == 0) {
        return true;
    }
    until_failure -= until_failure > 0;
    return false;
}

static void *
counted(void *block)
{
    outstanding += block != NULL;
    return block;
}

void *
malloc(size_t bytes)
{
    return fails() ? NULL : counted(__libc_malloc(bytes));
}

void *
calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : counted(__libc_calloc(n, bytes));
}

void *
realloc(void *old, size_t bytes)
{
    void *block = fails() ? NULL : __libc_realloc(old, bytes);
    outstanding += old == NULL && block != NULL;
    return block;
}

void
free(void *block)
{
    outstanding -= block != NULL;
    __libc_free(block);
}

static ptm_snap *snap, *old;
static ptm_buf file;

/* Calls `step` with memory for 0, 1, 2 ... allocations until it succeeds. */
static void
sweep(ptm_err (*step)(void))
{
    ptm_err err = PTM_ENOMEM;
    long tries = 0;
    for (; err != PTM_OK && tries < 5000; tries++) {
        long before = outstanding;
        until_failure = tries;
        err = step();
        until_failure = -1;
        CHECK(err == PTM_OK || err == PTM_ENOMEM);
        CHECK_EQ(outstanding, before);
    }
    CHECK(err == PTM_OK && tries > 1);
}

static ptm_group_query query;

static ptm_err
group_step(void)
{
    ptm_groups groups;
    ptm_err err = ptm_group(snap, &query, &groups);
    if (err == PTM_OK) {
        ptm_groups_free(&groups);
    }
    return err;
}

static ptm_err
diff_step(void)
{
    ptm_groups groups;
    ptm_err err = ptm_diff(snap, old, &query, &groups);
    if (err == PTM_OK) {
        ptm_groups_free(&groups);
    }
    return err;
}

static ptm_err
agree_step(void)
{
    ptm_snap_frame *agreed = ptm_agree(snap, ptm_counted_by(&query, 0));
    uint8_t *shared = agreed == NULL ? NULL : ptm_agree_shared(snap);
    ptm_err err = shared != NULL ? PTM_OK : PTM_ENOMEM;
    ptm_array_free(agreed);
    ptm_array_free(shared);
    return err;
}

static ptm_err
filter_step(void)
{
    static uint8_t keep[1000];
    ptm_filter filter = {.lineno = 2, .domain = PTM_ANY_DOMAIN, .all_frames = true};
    ptm_snap *subset;
    ptm_err err = ptm_filter_apply(snap, &filter, 1, keep);
    if (err == PTM_OK && (err = ptm_snap_subset(snap, keep, &subset)) == PTM_OK) {
        ptm_snap_decref(subset);
    }
    return err;
}

/* Builds a snapshot too, since a module is given but once. */
static ptm_err
modules_step(void)
{
    static const ptm_modules_path folders[] = {{"", 0}, {"/usr/lib", 8}};
    ptm_modules_search search = {folders, PTM_ARRAY_LEN(folders), {"/tmp", 4}};
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_snap *made;
    for (uint32_t i = 0; b != NULL && i < 200; i++) {
        char path[32];
        int len = snprintf(path, sizeof(path), "dir%u/file%u.py", (unsigned)i % 7, (unsigned)i);
        ptm_snap_frame frame = {.file = ptm_snap_build_string(b, path, (size_t)len)};
        ptm_snap_build_frame(b, &frame);
    }
    ptm_err err = b == NULL ? PTM_ENOMEM : ptm_snap_build_finish(b, &made);
    if (err == PTM_OK) {
        uint32_t n_strings = made->n_strings;
        err = ptm_modules_give(made, &search);
        CHECK(err == PTM_OK || (made->n_strings == n_strings && made->modules == NULL));
        ptm_snap_decref(made);
    }
    return err;
}

static ptm_err
merge_step(void)
{
    ptm_snap *merged;
    ptm_err err = ptm_snap_merge((const ptm_snap *[]){snap, old, snap}, 3, &merged);
    if (err == PTM_OK) {
        ptm_snap_decref(merged);
    }
    return err;
}

static ptm_err
write_step(void)
{
    ptm_buf out;
    ptm_buf_init(&out);
    ptm_err err = ptm_pprof_write(snap, &(ptm_pprof_extra){"{}", 2, 1}, &out);
    ptm_buf_fini(&out);
    return err;
}

static ptm_err
read_step(void)
{
    ptm_snap *back;
    ptm_pprof_extra extra;
    ptm_format_why why;
    ptm_err err = ptm_pprof_read(file.data, file.len, &back, &extra, &why);
    if (err == PTM_OK) {
        ptm_snap_decref(back);
    }
    return err;
}

/* All of a stream, with what one call or all have given away still held when the others are
 * released. */
static ptm_err
arrow_step(void)
{
    ptm_arrow_stream stream;
    ptm_arrow_schema schema = {0};
    ptm_arrow_array batches[2] = {{0}};
    if (ptm_arrow_export(snap, PTM_METRIC_ALLOCATED, &stream) != PTM_OK) {
        return PTM_ENOMEM;
    }
    int error = stream.get_schema(&stream, &schema);
    for (int i = 0; i < 2 && error == 0; i++) {
        error = stream.get_next(&stream, &batches[i]);
        CHECK(error == 0 || strstr(stream.get_last_error(&stream), "out of memory") != NULL);
    }
    CHECK(error == 0 || error == ENOMEM);
    stream.release(&stream);
    for (int i = 0; i < 2; i++) {
        if (batches[i].release != NULL) {
            batches[i].release(&batches[i]);
        }
    }
    if (schema.release != NULL) {
        schema.release(&schema);
    }
    return error == 0 ? PTM_OK : PTM_ENOMEM;
}

/* Tries with memory for 0, 1, 2 ... allocations until there is a batch or the end; its rows. */
static int64_t
rows_of_next_batch(ptm_arrow_stream *stream, long *failures)
{
    ptm_arrow_array batch;
    int error = ENOMEM;
    for (long tries = 0; error != 0; tries++) {
        until_failure = tries;
        error = stream->get_next(stream, &batch);
        until_failure = -1;
        *failures += error != 0;
        NEED(error == 0 || error == ENOMEM);
    }
    if (batch.release == NULL) {
        return 0;
    }
    int64_t rows = batch.length;
    batch.release(&batch);
    return rows;
}

static void
a_refused_batch_comes_later(void)
{
    int64_t expected = 0, rows = 0, more;
    long failures = 0;
    ptm_arrow_stream stream;
    NEED(ptm_arrow_export(snap, PTM_METRIC_ALLOCATED, &stream) == PTM_OK);
    while ((more = rows_of_next_batch(&stream, &failures)) != 0) {
        rows += more;
    }
    stream.release(&stream);
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        expected += snap->sites[i].allocated != 0;
    }
    CHECK_EQ(rows, expected);
    CHECK(failures > 10);
}

static void
streams_survive(void)
{
    sweep(arrow_step);
}

/* A Snapshot whose list holds two equal traces and one with another size. */
static const char pickle[] = "\x80\x02"
                             "ctracemalloc\nSnapshot\n"
                             ")\x81}"
                             "X\x0f\0\0\0"
                             "traceback_limitK\1s"
                             "X\6\0\0\0"
                             "traces"
                             "ctracemalloc\n_Traces\n"
                             ")\x81}"
                             "X\7\0\0\0"
                             "_traces"
                             "]"
                             "((K\0K\5("
                             "X\1\0\0\0"
                             "aK\1\x86"
                             "X\1\0\0\0"
                             "bK\2\x86"
                             "tq\0"
                             "K\2tq\1"
                             "h\1"
                             "(K\0K\6h\0"
                             "Nte"
                             "sbsb.";

static ptm_err
pickle_step(void)
{
    ptm_snap *back;
    ptm_format_why why = {""};
    ptm_err err = ptm_pickle_read((const uint8_t *)pickle, sizeof(pickle) - 1, &back, &why);
    if (err == PTM_OK) {
        CHECK_EQ(back->n_sites, 2);
        CHECK_EQ(back->sites[0].live, 2);
        CHECK_EQ(back->sites[0].allocated_bytes, 10);
        CHECK_EQ(back->sites[1].size, 6);
        CHECK_EQ(back->stacks[back->sites[1].stack].nframe, 2);
        ptm_snap_decref(back);
    }
    return err;
}

static void
groupings_survive(void)
{
    for (int by = PTM_BY_FILE; by <= PTM_BY_DOMAIN; by++) {
        for (int cumulative = PTM_FLAT; cumulative <= PTM_CUMULATIVE_ONCE; cumulative++) {
            for (int order = PTM_ORDER_RECENT_FIRST; order <= PTM_ORDER_OLDEST_FIRST; order++) {
                query =
                    (ptm_group_query){by, cumulative, PTM_METRIC_LIVE, order, 0, PTM_METRIC_LIVE};
                sweep(group_step);
                sweep(diff_step);
                sweep(agree_step);
            }
        }
    }
}

static void
filters_survive(void)
{
    sweep(filter_step);
}

static void
merging_survives(void)
{
    sweep(merge_step);
}

static void
modules_survive(void)
{
    sweep(modules_step);
}

static void
files_survive(void)
{
    sweep(write_step);
    sweep(read_step);
    sweep(pickle_step);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    snap = test_snap(700, 4);
    old = test_snap(300, 4);
    NEED(ptm_pprof_write(snap, NULL, &file) == PTM_OK);
    RUN(groupings_survive);
    RUN(filters_survive);
    RUN(merging_survives);
    RUN(modules_survive);
    RUN(files_survive);
    RUN(streams_survive);
    RUN(a_refused_batch_comes_later);
    ptm_snap_decref(snap);
    ptm_snap_decref(old);
    ptm_buf_fini(&file);
    return ptm_test_done();
}

#else

int
main(void)
{
    printf("1..0 # SKIP the address sanitizer has its own malloc\n");
    return 0;
}

#endif
