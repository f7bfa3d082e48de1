/* SPDX-License-Identifier: MIT
 *
 * ptm_pprof_sample - a sample while it is read; shared by ptm_pprof_samples.c, which reads it,
 * ptm_pprof_stacks.c, which makes a stack of its locations, and ptm_pprof_sites.c, which makes
 * sites of it.
 *
 * How       samples come in batches, so that what is cold memory for each is asked for at once
 * Failure   false; see ptm_pprof_in.h
 */
#ifndef PTM_PPROF_SAMPLE_H
#define PTM_PPROF_SAMPLE_H

#include "format/ptm_pprof_fields.h"
#include "format/ptm_pprof_in.h"

/* The labels of ours, by their keys. */
enum {
    PTM_PPROF_KEY_BYTES,
    PTM_PPROF_KEY_DEPTH,
    PTM_PPROF_KEY_DOMAIN,
    PTM_PPROF_KEY_FOLDED,
    PTM_PPROF_N_KEYS
};

typedef struct {
    uint64_t columns[PTM_PPROF_N_COLUMNS + 1]; /* the last is for values that nobody asks for */
    uint64_t n_values;
    int64_t labels[PTM_PPROF_N_KEYS + 1]; /* the last is for keys that nobody asks for */
    bool has_label[PTM_PPROF_N_KEYS + 1], is_full;
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

/* Strings whose ids have one byte. */
#define PTM_PPROF_MOST_KEYS 128

/* Samples whose stacks are made at once. */
typedef struct {
    ptm_pprof_sample samples[PTM_SNAP_PATHS];
    size_t n;
    ptm_buf frames;                    /* ptm_frame_id: of each sample, most recent first */
    uint32_t most_frames;              /* of a sample so far */
    ptm_buf lines;                     /* ptm_frame_id: see ptm_pprof_stacks.c */
    struct ptm_pprof_known *known;     /* by a few bits of a hash of the bytes */
    uint32_t n_sets;                   /* a power of two */
    uint8_t keys[PTM_PPROF_MOST_KEYS]; /* by string; N_KEYS: of no use */
    uint8_t n_keys;
} ptm_pprof_batch;

/* ptm_pprof_stacks.c; a batch that could not be made is still to be freed. */
bool ptm_pprof_stacks_init(const ptm_pprof_in *in, ptm_pprof_batch *b);
void ptm_pprof_stacks_fini(ptm_pprof_batch *b);
/* A field of locations of a sample under work. The first waits until its batch is full: if it is
 * the only one, its bytes may be known. */
bool ptm_pprof_read_locations(ptm_pprof_in *in, ptm_pprof_sample *s, const ptm_wire_field *field,
                              ptm_pprof_batch *b);
/* The same for one that is the first and packed, `bytes` being what is in it. */
void ptm_pprof_hold_back(ptm_pprof_sample *s, const uint8_t *at, ptm_wire bytes,
                         const ptm_pprof_batch *b);
/* The stacks of all samples of the batch. */
bool ptm_pprof_make_stacks(ptm_pprof_in *in, ptm_pprof_batch *b);

/* ptm_pprof_sites.c */
/* The sites of a sample whose stack is made. */
void ptm_pprof_make_site(ptm_pprof_in *in, const ptm_pprof_sample *s);

/* PTM_METRIC bits: those that no column tells, and freed, which takes two of them. */
uint32_t ptm_pprof_lacking_columns(const ptm_pprof_in *in);

#endif
