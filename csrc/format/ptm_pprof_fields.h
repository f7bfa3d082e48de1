/* SPDX-License-Identifier: MIT
 *
 * ptm_pprof_fields - numbers and words that the writer and the reader of profiles share.
 *
 * Field numbers   https://github.com/google/pprof/blob/main/proto/profile.proto
 * Words           docs/design/file-format.md; what changes here changes PTM_PPROF_VERSION
 */
#ifndef PTM_PPROF_FIELDS_H
#define PTM_PPROF_FIELDS_H

#include "base/ptm_base.h"

enum {
    PTM_PPROF_PROFILE_SAMPLE_TYPE = 1,
    PTM_PPROF_PROFILE_SAMPLE = 2,
    PTM_PPROF_PROFILE_MAPPING = 3,
    PTM_PPROF_PROFILE_LOCATION = 4,
    PTM_PPROF_PROFILE_FUNCTION = 5,
    PTM_PPROF_PROFILE_STRING = 6,
    PTM_PPROF_PROFILE_TIME_NANOS = 9,
    PTM_PPROF_PROFILE_DURATION_NANOS = 10,
    PTM_PPROF_PROFILE_PERIOD_TYPE = 11,
    PTM_PPROF_PROFILE_PERIOD = 12,
    PTM_PPROF_PROFILE_COMMENT = 13,
    PTM_PPROF_PROFILE_DEFAULT_SAMPLE_TYPE = 14
};
enum { PTM_PPROF_VALUE_TYPE_TYPE = 1, PTM_PPROF_VALUE_TYPE_UNIT = 2 };
enum { PTM_PPROF_SAMPLE_LOCATION = 1, PTM_PPROF_SAMPLE_VALUE = 2, PTM_PPROF_SAMPLE_LABEL = 3 };
enum {
    PTM_PPROF_LABEL_KEY = 1,
    PTM_PPROF_LABEL_STR = 2,
    PTM_PPROF_LABEL_NUM = 3,
    PTM_PPROF_LABEL_NUM_UNIT = 4
};
enum {
    PTM_PPROF_MAPPING_ID = 1,
    PTM_PPROF_MAPPING_FILE = 5,
    PTM_PPROF_MAPPING_HAS_FUNCTIONS = 7,
    PTM_PPROF_MAPPING_HAS_INLINE = 10
};
enum {
    PTM_PPROF_LOCATION_ID = 1,
    PTM_PPROF_LOCATION_MAPPING = 2,
    PTM_PPROF_LOCATION_ADDRESS = 3,
    PTM_PPROF_LOCATION_LINE = 4
};
enum { PTM_PPROF_LINE_FUNCTION = 1, PTM_PPROF_LINE_LINE = 2, PTM_PPROF_LINE_COLUMN = 3 };
enum {
    PTM_PPROF_FUNCTION_ID = 1,
    PTM_PPROF_FUNCTION_NAME = 2,
    PTM_PPROF_FUNCTION_SYSTEM_NAME = 3,
    PTM_PPROF_FUNCTION_FILE = 4
};

/* The sample types, in this order in our files. */
enum {
    PTM_PPROF_COLUMN_ALLOC_OBJECTS,
    PTM_PPROF_COLUMN_ALLOC_SPACE,
    PTM_PPROF_COLUMN_INUSE_OBJECTS,
    PTM_PPROF_COLUMN_INUSE_SPACE,
    PTM_PPROF_COLUMN_PEAK_OBJECTS,
    PTM_PPROF_COLUMN_PEAK_SPACE,
    PTM_PPROF_N_COLUMNS
};
#define PTM_PPROF_COLUMNS \
    "alloc_objects", "alloc_space", "inuse_objects", "inuse_space", "peak_objects", "peak_space"

#define PTM_PPROF_VERSION 1
#define PTM_PPROF_MARK "pytracemalloc "         /* the first comment: this and the version */
#define PTM_PPROF_LIMIT "#pytracemalloc limit " /* pprof shows no comment that starts with # */
#define PTM_PPROF_LOST "#pytracemalloc lost "   /* blocks, bytes */
#define PTM_PPROF_JSON "#pytracemalloc json "
#define PTM_PPROF_MODULE "#pytracemalloc module "              /* dotted name, file */
#define PTM_PPROF_LACKS "#pytracemalloc lacks "                /* words of PTM_PPROF_METRICS */
#define PTM_PPROF_METRICS "live", "peak", "allocated", "freed" /* by ptm_metric */
#define PTM_PPROF_NAMELESS "?" /* a function's system_name: its name is not known */
#define PTM_PPROF_UNKNOWN \
    "<unknown>"                      /* a name for people to see then, and the API's unknown file */
#define PTM_PPROF_DEPTH_UNKNOWN (-1) /* label depth: total_nframe is not known */

/* Location.address: what pprof has no field for, the end of a frame's position. Bit 0 tells which
 * of two forms:
 *
 *     63                   5 4       1 0        63               33 32            1 0
 *    [   end_colno + 1      |  lines  |0]      [  end_colno + 1    |    lines      |1]
 *
 * lines is end_lineno - lineno + 1, or 0: end_lineno not known. end_colno is -1 when not known. So
 * a frame without positions has address 0, which protobuf leaves out, and usual ones take two
 * bytes. */
static inline uint64_t
ptm_pprof_address(int32_t lineno, int32_t end_lineno, int32_t end_colno)
{
    uint64_t lines = end_lineno == -1 ? 0 : (uint64_t)((int64_t)end_lineno - lineno + 1);
    uint64_t column = (uint64_t)((int64_t)end_colno + 1);
    return lines < 16 ? column << 5 | lines << 1 : column << 33 | lines << 1 | 1;
}

/* Undoes the above; what no frame can have becomes -1. */
static inline void
ptm_pprof_end(uint64_t address, int32_t lineno, int32_t *end_lineno, int32_t *end_colno)
{
    bool wide = address & 1;
    uint64_t lines = wide ? address >> 1 & 0xffffffffu : address >> 1 & 0xf;
    uint64_t column = wide ? address >> 33 : address >> 5;
    int64_t end = (int64_t)lineno + (int64_t)lines - 1;
    *end_lineno = lines == 0 || end > INT32_MAX ? -1 : (int32_t)end;
    *end_colno = column > INT32_MAX ? -1 : (int32_t)column - 1;
}

#endif
