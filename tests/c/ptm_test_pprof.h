/* SPDX-License-Identifier: MIT
 *
 * ptm_test_pprof - writing and reading profiles in tests, and what makes two snapshots equal.
 */
#ifndef PTM_TEST_PPROF_H
#define PTM_TEST_PPROF_H

#include "format/ptm_pprof.h"
#include "ptm_test_snap.h"

static inline ptm_buf
written(const ptm_snap *snap, const ptm_pprof_extra *extra)
{
    ptm_buf out;
    ptm_buf_init(&out);
    NEED(ptm_pprof_write(snap, extra, &out) == PTM_OK);
    return out;
}

/* From a copy of its own, so that the sanitizer sees a read past the end. */
static inline ptm_err
read_copy(const uint8_t *data, size_t len, ptm_snap **snap, ptm_pprof_extra *extra,
          ptm_format_why *why)
{
    uint8_t *copy = malloc(len + (len == 0));
    if (len != 0) {
        memcpy(copy, data, len);
    }
    memset(why, 0, sizeof(*why));
    ptm_err err = ptm_pprof_read(copy, len, snap, extra, why);
    CHECK((err == PTM_EFORMAT) == (why->text[0] != 0));
    CHECK(memchr(why->text, 0, sizeof(why->text)) != NULL);
    free(copy);
    return err;
}

/* What every snapshot must be, whatever bytes it came from. */
static inline void
check_laws(const ptm_snap *snap)
{
    for (uint32_t id = 1; id < snap->n_stacks; id++) {
        CHECK(snap->stacks[id].parent < id && snap->stacks[id].frame < snap->n_frames);
        CHECK_EQ(snap->stacks[id].nframe, snap->stacks[snap->stacks[id].parent].nframe + 1);
        CHECK(snap->stacks[id].nframe <= PTM_NFRAME_MAX);
    }
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        const ptm_snap_frame *frame = &snap->frames[i];
        CHECK(frame->file < snap->n_strings
              && (frame->name < snap->n_strings || frame->name == PTM_SNAP_NONE));
        CHECK(frame->line_key <= i && frame->end_colno >= -1 && frame->colno >= -1);
    }
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        CHECK(snap->sites[i].stack > 0 && snap->sites[i].stack < snap->n_stacks);
        CHECK(snap->sites[i].depth <= PTM_NFRAME_MAX);
    }
}

/* -- equality ---------------------------------------------------------------------------------- */

static inline bool
same_string(const ptm_snap *a, ptm_str_id sa, const ptm_snap *b, ptm_str_id sb)
{
    size_t len_a, len_b;
    if (sa == PTM_SNAP_NONE || sb == PTM_SNAP_NONE) {
        return sa == sb;
    }
    const char *bytes_a = ptm_snap_string(a, sa, &len_a), *bytes_b = ptm_snap_string(b, sb, &len_b);
    return len_a == len_b && memcmp(bytes_a, bytes_b, len_a) == 0;
}

static inline bool
same_frame(const ptm_snap *a, const ptm_snap_frame *fa, const ptm_snap *b, const ptm_snap_frame *fb)
{
    return same_string(a, fa->file, b, fb->file) && same_string(a, fa->name, b, fb->name)
           && fa->lineno == fb->lineno && fa->end_lineno == fb->end_lineno && fa->colno == fb->colno
           && fa->end_colno == fb->end_colno
           && same_string(a, ptm_snap_module(a, fa->file), b, ptm_snap_module(b, fb->file));
}

static inline bool
same_stack(const ptm_snap *a, ptm_stack_id sa, const ptm_snap *b, ptm_stack_id sb)
{
    while (sa != 0 && sb != 0) {
        if (!same_frame(a, &a->frames[a->stacks[sa].frame], b, &b->frames[b->stacks[sb].frame])) {
            return false;
        }
        sa = a->stacks[sa].parent;
        sb = b->stacks[sb].parent;
    }
    return sa == 0 && sb == 0;
}

static inline void
check_same(const ptm_snap *a, const ptm_snap *b)
{
    CHECK_EQ(a->traceback_limit, b->traceback_limit);
    CHECK_EQ(a->lost_blocks, b->lost_blocks);
    CHECK_EQ(a->lost_bytes, b->lost_bytes);
    CHECK_EQ(a->lacks, b->lacks);
    CHECK_EQ(a->n_sites, b->n_sites);
    for (uint32_t i = 0; i < a->n_sites && i < b->n_sites; i++) {
        ptm_snap_site x = a->sites[i], y = b->sites[i];
        CHECK(same_stack(a, x.stack, b, y.stack));
        x.stack = y.stack = 0;
        CHECK(memcmp(&x, &y, sizeof(x)) == 0);
    }
}

/* What the snapshot's file says, read back: equal, and written again the same bytes. The caller's
 * to
 * decref. */
static inline ptm_snap *
round_trip(const ptm_snap *snap, const ptm_pprof_extra *extra)
{
    ptm_pprof_extra back_extra;
    ptm_format_why why = {{0}};
    ptm_snap *back = NULL;
    ptm_buf out = written(snap, extra), again;
    NEED(ptm_pprof_read(out.data, out.len, &back, &back_extra, &why) == PTM_OK);
    check_same(snap, back);
    check_laws(back);
    CHECK_EQ(back_extra.time_nanos, extra->time_nanos);
    CHECK_EQ(back_extra.json_len, extra->json_len);
    CHECK((back_extra.json == NULL) == (extra->json == NULL));
    CHECK(extra->json == NULL || memcmp(back_extra.json, extra->json, extra->json_len) == 0);
    again = written(back, &back_extra);
    CHECK(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
    ptm_buf_fini(&again);
    ptm_buf_fini(&out);
    return back;
}

#endif
