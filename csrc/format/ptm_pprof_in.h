/* SPDX-License-Identifier: MIT
 *
 * ptm_pprof_in - a profile while it is read; shared by the files of the reader and by nobody else.
 *
 * How       ptm_pprof_read.c goes over the fields once and notes strings, functions, mappings and
 *           locations in whatever order they come; ptm_pprof_tables.c makes frames of them; then
 *           ptm_pprof_samples.c goes over the samples, ptm_pprof_stacks.c makes stacks of them and
 *           ptm_pprof_sites.c sites
 * Failure   false; what and where has been said by ptm_pprof_refuse, or memory was short (in->err)
 * Bounds    every array here has at most one item of 32 bytes per 2 bytes of input; stacks see
 *           `frames_left`
 */
#ifndef PTM_PPROF_IN_H
#define PTM_PPROF_IN_H

#include "format/ptm_pprof.h"
#include "format/ptm_pprof_fields.h"
#include "format/ptm_wire.h"
#include "snap/ptm_ids.h"

/* Those that a site has a count of: all of ptm_metric but freed, which is a difference. */
enum { PTM_PPROF_N_METRICS = 3 };

/* The ids of a table's messages: any numbers but 0. An index is a message's place in the file's
 * order. */
typedef struct {
    ptm_buf ids;   /* uint64_t by index */
    bool sparse;   /* they are not just 1, 2, 3 ...: see the table */
    ptm_ids by_id; /* hash -> index; only when sparse */
} ptm_pprof_ids;

typedef struct {
    uint64_t type, unit; /* strings */
} ptm_pprof_type;

typedef struct {
    uint64_t name, system_name, file; /* strings */
} ptm_pprof_function;

typedef struct {
    uint32_t first, n; /* in location_frames, most recent first */
} ptm_pprof_location;

typedef struct {
    const uint8_t *data;
    size_t len;
    ptm_err err;
    ptm_format_why *why;
    ptm_snap_builder *builder;
    uint32_t version;     /* of our words in the file; 0: another tool's file */
    uint32_t limit;       /* 0: not said */
    uint64_t frames_left; /* how many frames stacks may still be made of: bounds memory and time */
    uint64_t words_left;  /* bytes of comments that may still be read word by word: bounds time */
    uint64_t n_samples, sample_bytes; /* of the file, before they are read */
    uint32_t lacks;                   /* bits 1 << ptm_metric: what the file cannot tell */
    ptm_buf strings;                  /* ptm_wire */
    ptm_buf string_ids;               /* uint32_t per string: the builder's + 1, or 0 */
    ptm_buf text;                     /* scratch */
    ptm_buf types;                    /* ptm_pprof_type */
    ptm_buf columns;                  /* uint8_t per type; N_COLUMNS: of no use */
    ptm_buf comments;                 /* uint64_t */
    ptm_buf functions;                /* ptm_pprof_function */
    ptm_buf mappings;                 /* uint64_t: the file's string */
    ptm_buf raw_locations;            /* ptm_wire */
    ptm_buf locations;                /* ptm_pprof_location */
    ptm_buf location_frames;          /* ptm_frame_id */
    ptm_pprof_ids function_ids, mapping_ids, location_ids;
    uint8_t has_column[PTM_PPROF_N_COLUMNS]; /* by column */
    uint64_t n_blocks[PTM_PPROF_N_METRICS];  /* of the sites so far, at most INT64_MAX */
} ptm_pprof_in;

#define PTM_ITEMS(buf, type) ((const type *)(const void *)(buf).data)
#define PTM_N_ITEMS(buf, type) ((buf).len / sizeof(type))

/* Says what is wrong at `at`: "<what> (byte N)", the first time; answers false. */
bool ptm_pprof_refuse(ptm_pprof_in *in, const uint8_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The number of a field, or the piece; false if the field is of another type. */
bool ptm_pprof_number(ptm_pprof_in *in, const ptm_wire_field *field, uint64_t *value);
bool ptm_pprof_message(ptm_pprof_in *in, const ptm_wire_field *field, ptm_wire *message);
/* After the last ptm_wire_next: true unless the message was damaged. */
bool ptm_pprof_ended(ptm_pprof_in *in, const ptm_wire *message);

bool ptm_pprof_text(ptm_pprof_in *in, uint64_t index, const uint8_t *at, ptm_wire *text);
bool ptm_pprof_text_is(ptm_wire text, const char *word);

/* ptm_pprof_tables.c */
bool ptm_pprof_note_function(ptm_pprof_in *in, const ptm_wire_field *field);
bool ptm_pprof_note_mapping(ptm_pprof_in *in, const ptm_wire_field *field);
bool ptm_pprof_make_frames(ptm_pprof_in *in);
uint32_t ptm_pprof_sparse_index(const ptm_pprof_ids *ids, uint64_t id);
ptm_frame_id ptm_pprof_unknown_frame(ptm_pprof_in *in);
void ptm_pprof_ids_fini(ptm_pprof_ids *ids);

/* UINT32_MAX: there is none. */
static inline uint32_t
ptm_pprof_index(const ptm_pprof_ids *ids, uint64_t id)
{
    if (PTM_LIKELY(id - 1 < PTM_N_ITEMS(ids->ids, uint64_t)
                   && PTM_ITEMS(ids->ids, uint64_t)[id - 1] == id)) {
        return (uint32_t)(id - 1);
    }
    return ids->sparse ? ptm_pprof_sparse_index(ids, id) : UINT32_MAX;
}

/* ptm_pprof_sites.c */
bool ptm_pprof_choose_columns(ptm_pprof_in *in);

/* ptm_pprof_samples.c */
bool ptm_pprof_read_samples(ptm_pprof_in *in);

#endif
