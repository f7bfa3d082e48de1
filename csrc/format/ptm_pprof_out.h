/* SPDX-License-Identifier: MIT
 *
 * ptm_pprof_out - a profile while it is written; shared by the files of the writer and by nobody
 * else.
 *
 * How       ptm_pprof_write.c numbers what the sites use, and writes all but the samples, which
 *           ptm_pprof_write_samples.c writes
 * Owns      ptm_pprof_write.c makes and frees all that is in it but `snap` and `out`
 * Failure   a buffer could not grow (`failed`), which is looked at once, at the end
 */
#ifndef PTM_PPROF_OUT_H
#define PTM_PPROF_OUT_H

#include "format/ptm_pprof.h"
#include "format/ptm_pprof_fields.h"
#include "format/ptm_wire.h"

/* The first strings of the table. Their places are their names here. */
enum {
    PTM_PPROF_TEXT_EMPTY,
    PTM_PPROF_TEXT_COLUMNS, /* PTM_PPROF_N_COLUMNS of them */
    PTM_PPROF_TEXT_COUNT = PTM_PPROF_TEXT_COLUMNS + PTM_PPROF_N_COLUMNS,
    PTM_PPROF_TEXT_BYTES,
    PTM_PPROF_TEXT_SPACE,
    PTM_PPROF_TEXT_DEPTH,
    PTM_PPROF_TEXT_DOMAIN,
    PTM_PPROF_TEXT_FOLDED,
    PTM_PPROF_TEXT_UNKNOWN,
    PTM_PPROF_TEXT_NAMELESS,
    PTM_PPROF_N_TEXTS
};

/* A function of the profile. */
typedef struct {
    ptm_str_id file, name;
} ptm_pprof_named;

/* The packed locations of a stack, where they stand in the output already. */
typedef struct {
    ptm_stack_id stack; /* 0: of none */
    uint32_t len;
    size_t at;
} ptm_pprof_written;

#define PTM_PPROF_N_WRITTEN 4096u
#define PTM_PPROF_AT_ONCE 32u /* samples */

typedef struct {
    const ptm_snap *snap;
    ptm_buf *out;
    ptm_buf message, packed; /* scratch: the message under work, a packed field in it */
    ptm_buf locations[PTM_PPROF_AT_ONCE]; /* scratch: of the samples under work */
    ptm_pprof_written *written;           /* by a few bits of the stack's id */
    ptm_buf strings;                      /* the string table, written last */
    uint32_t n_strings;
    uint8_t *used_stack;
    uint32_t *location_of;      /* frame -> id; 0: no site has it */
    uint32_t *function_of;      /* frame -> id */
    uint32_t *string_of;        /* snapshot's string -> place in the table; 0: not in it yet */
    ptm_pprof_named *functions; /* by id - 1 */
    uint32_t n_functions;
} ptm_pprof_out;

/* A field below 16 that is a number; zero is left out. */
static inline uint8_t *
ptm_pprof_number_at(uint8_t *at, uint32_t field, uint64_t value)
{
    if (value == 0) {
        return at;
    }
    *at++ = (uint8_t)(field << 3 | PTM_WIRE_VARINT);
    return ptm_varint_at(at, value);
}

/* ptm_pprof_write_samples.c: once the frames have their numbers */
void ptm_pprof_put_samples(ptm_pprof_out *w);

#endif
