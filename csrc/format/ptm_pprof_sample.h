/* SPDX-License-Identifier: MIT
 *
 * ptm_pprof_sample - a sample while it is read; shared by ptm_pprof_samples.c, which reads it, and
 * ptm_pprof_sites.c, which makes sites of it.
 */
#ifndef PTM_PPROF_SAMPLE_H
#define PTM_PPROF_SAMPLE_H

#include "format/ptm_pprof_fields.h"
#include "format/ptm_pprof_in.h"

/* The labels of ours, by their keys. */
enum { KEY_BYTES, KEY_DEPTH, KEY_DOMAIN, KEY_FOLDED, N_KEYS };

typedef struct {
    uint64_t columns[N_COLUMNS + 1]; /* the last is for values that nobody asks for */
    uint64_t n_values;
    int64_t labels[N_KEYS + 1]; /* the last is for keys that nobody asks for */
    bool has_label[N_KEYS + 1], is_full;
    const uint8_t *at;
    uint64_t number; /* of the sample in the file */
    uint32_t n_location_fields;
    ptm_wire_field waiting; /* all locations, if one packed field; number 0: they are not */
    uint64_t hash;          /* of its bytes */
    bool is_twin;           /* they are those of the sample before, and its stack is not made yet */
    size_t first_frame;     /* in the batch's frames */
    uint32_t n_frames;
    ptm_stack_id stack; /* 0: to be made of the frames */
} ptm_pprof_sample;

/* The sites of a sample whose stack is made. */
void ptm_pprof_make_site(ptm_pprof_in *in, const ptm_pprof_sample *s);

/* PTM_METRIC bits: those that no column tells, and freed, which takes two of them. */
uint32_t ptm_pprof_lacking_columns(const ptm_pprof_in *in);

#endif
