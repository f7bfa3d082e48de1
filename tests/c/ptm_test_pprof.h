/* SPDX-License-Identifier: MIT
 *
 * ptm_test_pprof - writing and reading profiles in tests.
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
          ptm_pprof_why *why)
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

#endif
