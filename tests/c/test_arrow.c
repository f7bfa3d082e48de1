/* SPDX-License-Identifier: MIT
 *
 * The Arrow stream of a snapshot as a consumer sees it: every cell of random snapshots against the
 * sites themselves, the limits of batches, and who owns what when parts are moved, kept and
 * released in any order. (Out of memory: test_snap_oom.c.)
 */
#include <errno.h>
#include <pthread.h>

#include "format/ptm_arrow.h"
#include "format/ptm_format_text.h"
#include "ptm_test_snap.h"

enum { BLOCK_SIZE, COUNT, TOTAL, DOMAIN, FILE_, LINE, FUNCTION, MODULE, STACK, N_COLUMNS };

static ptm_arrow_stream
opened(ptm_snap *snap, ptm_metric metric)
{
    ptm_arrow_stream stream;
    NEED(ptm_arrow_export(snap, metric, &stream) == PTM_OK);
    return stream;
}

static ptm_arrow_array
next_batch(ptm_arrow_stream *stream)
{
    ptm_arrow_array batch;
    CHECK_EQ(stream->get_next(stream, &batch), 0);
    CHECK(stream->get_last_error(stream) == NULL);
    return batch;
}

static void
release(ptm_arrow_array *array)
{
    array->release(array);
    CHECK(array->release == NULL);
}

/* -- a snapshot by hand ------------------------------------------------------------------------ */

static ptm_stack_id
one_frame(ptm_snap_builder *b, ptm_stack_id parent, const char *file, const char *name, int line)
{
    ptm_snap_frame frame = {
        .file = ptm_snap_build_string(b, file, strlen(file)),
        .name = name == NULL ? PTM_SNAP_NONE : ptm_snap_build_string(b, name, strlen(name)),
        .lineno = line,
        .end_lineno = -1,
        .colno = -1,
        .end_colno = -1,
    };
    return ptm_snap_build_stack(b, parent, ptm_snap_build_frame(b, &frame));
}

static ptm_snap *
finished(ptm_snap_builder *b)
{
    ptm_snap *snap;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    return snap;
}

/* Stacks of `depth` equal frames, `n` sites. */
static ptm_snap *
deep(uint32_t n, uint32_t depth)
{
    ptm_snap_builder *b = ptm_snap_build_new(depth);
    ptm_stack_id stack = 0;
    for (uint32_t i = 0; i < depth; i++) {
        stack = one_frame(b, stack, "deep.py", "f", 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        ptm_snap_build_site(b, &(ptm_snap_site){.live = 1, .size = i, .stack = stack});
    }
    return finished(b);
}

/* -- reading a column -------------------------------------------------------------------------- */

static bool
is_valid(const ptm_arrow_array *array, int64_t i)
{
    const uint8_t *valid = array->buffers[0];
    return valid == NULL || valid[i / 8] >> i % 8 & 1;
}

static int64_t
int64_at(const ptm_arrow_array *array, int64_t i)
{
    return ((const int64_t *)array->buffers[1])[i];
}

static int32_t
int32_at(const ptm_arrow_array *array, int64_t i)
{
    return ((const int32_t *)array->buffers[1])[i];
}

/* The snapshot's string as it must stand in a column; `id` PTM_SNAP_NONE: nothing. */
static void
check_word(const ptm_snap *snap, const ptm_arrow_array *array, int64_t i, ptm_str_id id)
{
    size_t len = 0;
    const char *text = id == PTM_SNAP_NONE ? NULL : ptm_snap_string(snap, id, &len);
    CHECK_EQ(is_valid(array, i), text != NULL);
    if (text == NULL || !is_valid(array, i)) {
        return;
    }
    ptm_buf escaped;
    ptm_buf_init(&escaped);
    ptm_format_escape(text, len, &escaped);
    const ptm_arrow_array *words = array->dictionary;
    int32_t word = int32_at(array, i);
    NEED(word >= 0 && word < words->length);
    int64_t from = int64_at(words, word), to = int64_at(words, word + 1);
    NEED(from >= 0 && to >= from);
    CHECK_EQ(to - from, escaped.len);
    CHECK(escaped.len == 0
          || memcmp((const char *)words->buffers[2] + from, escaped.data, escaped.len) == 0);
    ptm_buf_fini(&escaped);
}

static ptm_str_id
known_file(const ptm_snap *snap, ptm_str_id file)
{
    size_t len;
    const char *text = ptm_snap_string(snap, file, &len);
    return len == 9 && memcmp(text, "<unknown>", 9) == 0 ? PTM_SNAP_NONE : file;
}

static void
check_frame(const ptm_snap *snap, ptm_arrow_array *const *members, int64_t i,
            const ptm_snap_frame *frame)
{
    check_word(snap, members[0], i, known_file(snap, frame->file));
    CHECK_EQ(is_valid(members[1], i), frame->lineno != 0);
    CHECK_EQ(int32_at(members[1], i), frame->lineno);
    check_word(snap, members[2], i, frame->name);
}

static void
check_row(const ptm_snap *snap, ptm_metric metric, const ptm_arrow_array *batch, int64_t row,
          const ptm_snap_site *site)
{
    ptm_arrow_array *const *columns = batch->children;
    const ptm_snap_stack *stack = &snap->stacks[site->stack];
    CHECK_EQ(is_valid(columns[BLOCK_SIZE], row), !site->folded);
    CHECK_EQ(int64_at(columns[BLOCK_SIZE], row), site->size);
    CHECK_EQ(int64_at(columns[COUNT], row), ptm_site_count(site, metric));
    CHECK_EQ(int64_at(columns[TOTAL], row), ptm_site_total_bytes(site, metric));
    CHECK_EQ(int64_at(columns[DOMAIN], row), site->domain);
    check_frame(snap, &columns[FILE_], row, &snap->frames[stack->frame]);
    check_word(snap, columns[MODULE], row, ptm_snap_module(snap, snap->frames[stack->frame].file));
    int32_t from = int32_at(columns[STACK], row), to = int32_at(columns[STACK], row + 1);
    CHECK_EQ(to - from, stack->nframe);
    NEED(to <= columns[STACK]->children[0]->length);
    for (int32_t i = from; i < to; i++, stack = &snap->stacks[stack->parent]) {
        check_frame(snap, columns[STACK]->children[0]->children, i, &snap->frames[stack->frame]);
    }
}

/* -- what every array must be ------------------------------------------------------------------ */

static void
check_nulls(const ptm_arrow_array *array)
{
    int64_t nulls = 0;
    for (int64_t i = 0; i < array->length; i++) {
        nulls += !is_valid(array, i);
    }
    CHECK_EQ(array->null_count, nulls);
}

static void
check_array(const ptm_arrow_array *array)
{
    CHECK(array->release != NULL && array->offset == 0 && array->buffers != NULL);
    check_nulls(array);
    for (int64_t i = 0; i < array->n_buffers; i++) {
        bool ours = array->n_buffers < 3; /* dictionaries are as malloc aligns them */
        CHECK_EQ((uintptr_t)array->buffers[i] % (ours ? 64 : 8), 0);
    }
    for (int64_t i = 0; i < array->n_children; i++) {
        check_array(array->children[i]);
    }
    if (array->dictionary != NULL) {
        CHECK_EQ(array->n_buffers, 2);
        check_array(array->dictionary);
    }
}

/* Of a dictionary no two words are equal, and each is used by some batch. */
static void
check_distinct(const ptm_arrow_array *words)
{
    for (int64_t i = 0; i < words->length; i++) {
        for (int64_t k = 0; k < i; k++) {
            int64_t len = int64_at(words, i + 1) - int64_at(words, i);
            const char *bytes = words->buffers[2];
            CHECK(len != int64_at(words, k + 1) - int64_at(words, k)
                  || (len != 0
                      && memcmp(bytes + int64_at(words, i), bytes + int64_at(words, k), (size_t)len)
                             != 0));
        }
    }
}

static void
check_limits(const ptm_arrow_array *batch)
{
    int64_t frames = batch->children[STACK]->children[0]->length;
    CHECK(batch->length >= 1 && batch->length <= PTM_ARROW_ROWS);
    CHECK(frames <= PTM_ARROW_FRAMES || batch->length == 1);
    CHECK_EQ(int32_at(batch->children[STACK], 0), 0);
    CHECK_EQ(int32_at(batch->children[STACK], batch->length), frames);
}

/* Reads all of the stream; the number of batches. */
static int
check_stream(const ptm_snap *snap, ptm_metric metric, ptm_arrow_stream *stream)
{
    uint32_t site = 0;
    int n_batches = 0;
    for (;; n_batches++) {
        ptm_arrow_array batch = next_batch(stream);
        if (batch.release == NULL) {
            break;
        }
        check_array(&batch);
        check_limits(&batch);
        CHECK_EQ(batch.n_children, N_COLUMNS);
        for (int64_t row = 0; row < batch.length; row++, site++) {
            while (site < snap->n_sites && ptm_site_count(&snap->sites[site], metric) == 0) {
                site++;
            }
            NEED(site < snap->n_sites);
            check_row(snap, metric, &batch, row, &snap->sites[site]);
        }
        check_distinct(batch.children[FILE_]->dictionary);
        check_distinct(batch.children[STACK]->children[0]->children[2]->dictionary);
        release(&batch);
    }
    for (; site < snap->n_sites; site++) {
        CHECK_EQ(ptm_site_count(&snap->sites[site], metric), 0);
    }
    return n_batches;
}

/* -- tests ------------------------------------------------------------------------------------- */

static void
rows_are_the_sites(void)
{
    int most = 0, with_modules = 0;
    for (int i = 0; i < 60; i++) {
        ptm_snap *snap = test_snap(ptm_test_below(120), 1 + ptm_test_below(6));
        with_modules += snap->modules != NULL;
        for (int metric = PTM_METRIC_LIVE; metric <= PTM_METRIC_FREED; metric++) {
            ptm_arrow_stream stream = opened(snap, metric);
            int n_batches = check_stream(snap, metric, &stream);
            most = n_batches > most ? n_batches : most;
            stream.release(&stream);
            CHECK(stream.release == NULL);
        }
        CHECK_EQ(snap->refs, 1);
        ptm_snap_decref(snap);
    }
    CHECK(most > 4 && with_modules > 9);
}

static void
check_field(const ptm_arrow_schema *field, const char *name, const char *format, int64_t flags)
{
    CHECK(strcmp(field->name, name) == 0 && strcmp(field->format, format) == 0);
    CHECK_EQ(field->flags, flags);
    CHECK(field->release != NULL && (field->n_children == 0) == (field->children == NULL));
}

static void
check_word_field(const ptm_arrow_schema *field, const char *name)
{
    check_field(field, name, "i", PTM_ARROW_NULLABLE);
    NEED(field->dictionary != NULL);
    check_field(field->dictionary, "", "U", 0);
}

static void
the_schema_names_the_columns(void)
{
    ptm_snap *snap = test_snap(5, 2);
    ptm_arrow_stream stream = opened(snap, PTM_METRIC_LIVE);
    ptm_arrow_schema schema;
    CHECK_EQ(stream.get_schema(&stream, &schema), 0);
    stream.release(&stream);
    ptm_snap_decref(snap);
    check_field(&schema, "", "+s", 0);
    NEED(schema.n_children == N_COLUMNS);
    check_field(schema.children[BLOCK_SIZE], "block_size", "l", PTM_ARROW_NULLABLE);
    check_field(schema.children[COUNT], "count", "l", 0);
    check_field(schema.children[TOTAL], "total", "l", 0);
    check_field(schema.children[DOMAIN], "domain", "l", 0);
    check_word_field(schema.children[FILE_], "file");
    check_field(schema.children[LINE], "line", "i", PTM_ARROW_NULLABLE);
    check_word_field(schema.children[FUNCTION], "function");
    check_word_field(schema.children[MODULE], "module");
    check_field(schema.children[STACK], "stack", "+l", 0);
    const ptm_arrow_schema *item = schema.children[STACK]->children[0];
    check_field(item, "item", "+s", 0);
    CHECK_EQ(item->n_children, 3);
    check_word_field(item->children[0], "file");
    check_field(item->children[1], "line", "i", PTM_ARROW_NULLABLE);
    check_word_field(item->children[2], "function");
    schema.release(&schema);
    CHECK(schema.release == NULL);
}

/* A key or a value at `at`; what follows it. */
static const char *
check_text(const char *at, const char *text)
{
    int32_t len;
    memcpy(&len, at, sizeof(len));
    CHECK_EQ(len, strlen(text));
    CHECK(memcmp(at + 4, text, strlen(text)) == 0);
    return at + 4 + strlen(text);
}

static void
the_schema_tells_of_the_snapshot(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(PTM_NFRAME_MAX);
    ptm_snap_build_losses(b, UINT64_MAX, 17);
    ptm_snap *snap = finished(b);
    ptm_arrow_stream stream = opened(snap, PTM_METRIC_ALLOCATED);
    ptm_arrow_schema schema;
    int32_t pairs;
    CHECK_EQ(stream.get_schema(&stream, &schema), 0);
    memcpy(&pairs, schema.metadata, sizeof(pairs));
    CHECK_EQ(pairs, 4);
    const char *at = check_text(schema.metadata + 4, "pytracemalloc:at");
    at = check_text(check_text(at, "allocated"), "pytracemalloc:traceback_limit");
    at = check_text(check_text(at, "65535"), "pytracemalloc:lost_blocks");
    at = check_text(check_text(at, "18446744073709551615"), "pytracemalloc:lost_bytes");
    check_text(at, "17");
    schema.release(&schema);
    stream.release(&stream);
    ptm_snap_decref(snap);
}

static void
no_rows_are_no_batches(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_stack_id stack = one_frame(b, 0, "a.py", "f", 1);
    ptm_snap_build_site(b, &(ptm_snap_site){.allocated = 1, .stack = stack});
    ptm_snap *snaps[] = {finished(ptm_snap_build_new(1)), finished(b)};
    for (size_t i = 0; i < PTM_ARRAY_LEN(snaps); i++) {
        ptm_arrow_stream stream = opened(snaps[i], PTM_METRIC_LIVE);
        CHECK(next_batch(&stream).release == NULL);
        CHECK(next_batch(&stream).release == NULL);
        stream.release(&stream);
        ptm_snap_decref(snaps[i]);
    }
}

static void
numbers_end_at_int64(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(1);
    ptm_snap_site site = {.stack = one_frame(b, 0, "<unknown>", NULL, 0), .domain = UINT32_MAX};
    site.live = (uint64_t)1 << 33;
    site.size = (uint64_t)1 << 32; /* the product is beyond uint64 too */
    ptm_snap_build_site(b, &site);
    site.size = UINT64_MAX;
    site.live = 1;
    ptm_snap_build_site(b, &site);
    site.size = 1;
    site.live = UINT64_MAX;
    ptm_snap_build_site(b, &site);
    ptm_snap *snap = finished(b);
    ptm_arrow_stream stream = opened(snap, PTM_METRIC_LIVE);
    ptm_arrow_array batch = next_batch(&stream);
    NEED(batch.length == 3);
    CHECK_EQ(int64_at(batch.children[BLOCK_SIZE], 0), (int64_t)1 << 32);
    CHECK_EQ(int64_at(batch.children[COUNT], 0), (int64_t)1 << 33);
    CHECK_EQ(int64_at(batch.children[BLOCK_SIZE], 1), INT64_MAX);
    CHECK_EQ(int64_at(batch.children[COUNT], 2), INT64_MAX);
    for (int row = 0; row < 3; row++) {
        CHECK_EQ(int64_at(batch.children[TOTAL], row), INT64_MAX);
        CHECK_EQ(int64_at(batch.children[DOMAIN], row), UINT32_MAX);
        CHECK(!is_valid(batch.children[FILE_], row) && !is_valid(batch.children[LINE], row));
    }
    CHECK_EQ(batch.children[FILE_]->dictionary->length, 0);
    release(&batch);
    stream.release(&stream);
    ptm_snap_decref(snap);
}

static void
batches_are_cut_by_rows_and_by_frames(void)
{
    static const struct {
        uint32_t sites, depth;
        int batches;
    } cases[] = {
        {PTM_ARROW_ROWS, 1, 1},       {PTM_ARROW_ROWS + 1, 1, 2},
        {4, PTM_ARROW_FRAMES / 2, 2}, {4, PTM_ARROW_FRAMES / 2 + 1, 4},
        {3, PTM_ARROW_FRAMES + 7, 3},
    };
    for (size_t i = 0; i < PTM_ARRAY_LEN(cases); i++) {
        ptm_snap *snap = deep(cases[i].sites, cases[i].depth);
        ptm_arrow_stream stream = opened(snap, PTM_METRIC_LIVE);
        CHECK_EQ(check_stream(snap, PTM_METRIC_LIVE, &stream), cases[i].batches);
        stream.release(&stream);
        ptm_snap_decref(snap);
    }
}

static void
a_stream_keeps_its_snapshot(void)
{
    ptm_snap *snap = test_snap(100, 3);
    ptm_arrow_stream stream = opened(snap, PTM_METRIC_ALLOCATED);
    CHECK_EQ(snap->refs, 2);
    ptm_snap_decref(snap); /* ours; the pointer is good as long as the stream is */
    CHECK(check_stream(snap, PTM_METRIC_ALLOCATED, &stream) > 0);
    stream.release(&stream);
}

static void
one_batch_may_be_enough(void)
{
    ptm_snap *snap = test_snap(100, 3);
    ptm_arrow_stream stream = opened(snap, PTM_METRIC_ALLOCATED);
    ptm_arrow_array batch = next_batch(&stream);
    stream.release(&stream);
    CHECK_EQ(snap->refs, 1); /* a batch needs neither its stream nor the snapshot */
    check_array(&batch);
    CHECK_EQ(int64_at(batch.children[DOMAIN], 0) >= 0, 1);
    release(&batch);
    ptm_snap_decref(snap);
}

/* Takes `from` as a consumer does: bit by bit, and the original counts as released. */
static ptm_arrow_array
moved(ptm_arrow_array *from)
{
    ptm_arrow_array to = *from;
    from->release = NULL;
    return to;
}

static void
a_child_may_outlive_its_parent(void)
{
    ptm_snap *snap = deep(2, 3);
    ptm_arrow_stream stream = opened(snap, PTM_METRIC_LIVE);
    ptm_arrow_array batch = next_batch(&stream);
    ptm_arrow_array stack = moved(batch.children[STACK]);
    ptm_arrow_array words = moved(batch.children[FILE_]->dictionary);
    release(&batch);
    stream.release(&stream);
    ptm_snap_decref(snap);
    check_array(&stack);
    check_array(&words);
    CHECK_EQ(int32_at(&stack, 2), 6);
    CHECK(memcmp(words.buffers[2], "deep.py", 7) == 0);
    release(&words);
    ptm_arrow_array frames = moved(stack.children[0]);
    release(&stack);
    CHECK_EQ(int32_at(frames.children[1], 5), 1);
    release(&frames);
}

static void
a_field_may_outlive_its_schema(void)
{
    ptm_snap *snap = deep(1, 1);
    ptm_arrow_stream stream = opened(snap, PTM_METRIC_LIVE);
    ptm_arrow_schema schema;
    CHECK_EQ(stream.get_schema(&stream, &schema), 0);
    stream.release(&stream);
    ptm_snap_decref(snap);
    ptm_arrow_schema field = *schema.children[FILE_];
    schema.children[FILE_]->release = NULL;
    schema.release(&schema);
    check_word_field(&field, "file");
    field.release(&field);
    CHECK(field.release == NULL);
}

static void *
release_on_thread(void *array)
{
    release(array);
    return NULL;
}

static void
children_are_released_by_threads(void)
{
    for (int round = 0; round < 200; round++) {
        ptm_snap *snap = deep(3, 3);
        ptm_arrow_stream stream = opened(snap, PTM_METRIC_LIVE);
        ptm_arrow_array batch = next_batch(&stream), children[N_COLUMNS];
        pthread_t threads[N_COLUMNS];
        for (int i = 0; i < N_COLUMNS; i++) {
            children[i] = moved(batch.children[i]);
        }
        release(&batch);
        for (int i = 0; i < N_COLUMNS; i++) {
            NEED(pthread_create(&threads[i], NULL, release_on_thread, &children[i]) == 0);
        }
        stream.release(&stream);
        ptm_snap_decref(snap);
        for (int i = 0; i < N_COLUMNS; i++) {
            pthread_join(threads[i], NULL);
        }
    }
}

static void
too_many_names_are_refused(void)
{
    ptm_snap *snap = deep(1, 1);
    ptm_snap many = *snap; /* its strings are not looked at */
    many.n_strings = (uint32_t)INT32_MAX + 1;
    ptm_arrow_stream stream = opened(&many, PTM_METRIC_LIVE);
    ptm_arrow_array batch;
    CHECK_EQ(stream.get_next(&stream, &batch), EOVERFLOW);
    CHECK(strstr(stream.get_last_error(&stream), "2147483647 names") != NULL);
    stream.release(&stream);
    ptm_snap_decref(snap);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(rows_are_the_sites);
    RUN(the_schema_names_the_columns);
    RUN(the_schema_tells_of_the_snapshot);
    RUN(no_rows_are_no_batches);
    RUN(numbers_end_at_int64);
    RUN(batches_are_cut_by_rows_and_by_frames);
    RUN(a_stream_keeps_its_snapshot);
    RUN(one_batch_may_be_enough);
    RUN(a_child_may_outlive_its_parent);
    RUN(a_field_may_outlive_its_schema);
    RUN(children_are_released_by_threads);
    RUN(too_many_names_are_refused);
    return ptm_test_done();
}
