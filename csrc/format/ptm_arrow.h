/* SPDX-License-Identifier: MIT
 *
 * ptm_arrow - a snapshot as a stream of Arrow record batches, for whoever reads the Arrow C stream
 * interface: a row per site that the metric counts, in the snapshot's order.
 *
 * Owns      a stream holds one reference to its snapshot; a batch owns its columns and holds one
 *           reference to the dictionaries, which all batches of a stream share
 * How       one malloc a batch. The dictionaries are made for the first batch, and not for who only
 *           asks for the schema
 * Threads   a stream has one user at a time; what it gives away is everybody's own. Every release
 *           may run on any thread: no Python in it, and the counts of references are atomic
 * Failure   PTM_ENOMEM; get_schema and get_next answer an errno, get_last_error a sentence. A
 *           failed call has changed nothing and may be tried again
 * Cost      a pass over sites, stacks and frames for the dictionaries; then linear in rows and
 *           frames, 53 bytes a row and 13 a frame at most
 * Format    docs/design/arrow.md;
 *           https://arrow.apache.org/docs/format/CDataInterface.html, CStreamInterface.html
 *
 * Laws
 *   A batch has 1 to PTM_ARROW_ROWS rows, and at most PTM_ARROW_FRAMES frames unless it is one row.
 *   So offsets of lists fit into int32. A snapshot without rows is a stream without batches.
 *   Equal words have equal indices, in a dictionary that has only words of its column.
 */
#ifndef PTM_ARROW_H
#define PTM_ARROW_H

#include "snap/ptm_group.h"
#include "snap/ptm_snap.h"

#ifdef PTM_HUNT
#define PTM_ARROW_ROWS 16
#define PTM_ARROW_FRAMES 40
#else
#define PTM_ARROW_ROWS 65536
#define PTM_ARROW_FRAMES (1 << 20)
#endif

/* -- the interface: layout and meaning are the specification's, the names are ours ------------- */

#define PTM_ARROW_NULLABLE 2 /* flag of a field */

typedef struct ptm_arrow_schema {
    const char *format;   /* of the values, or of the indices if there is a dictionary */
    const char *name;     /* of the column or member; "" if it has none */
    const char *metadata; /* int32 pairs, then per key and value an int32 length and the bytes */
    int64_t flags;
    int64_t n_children;
    struct ptm_arrow_schema **children;
    struct ptm_arrow_schema *dictionary;
    void (*release)(struct ptm_arrow_schema *); /* NULL: released, or moved elsewhere */
    void *private_data;
} ptm_arrow_schema;

typedef struct ptm_arrow_array {
    int64_t length, null_count, offset; /* items */
    int64_t n_buffers, n_children;
    const void **buffers; /* [0] validity, a bit an item, 1: there; NULL: all are there */
    struct ptm_arrow_array **children;
    struct ptm_arrow_array *dictionary;
    void (*release)(struct ptm_arrow_array *); /* NULL: released, moved, or the end of the stream */
    void *private_data;
} ptm_arrow_array;

typedef struct ptm_arrow_stream {
    int (*get_schema)(struct ptm_arrow_stream *, ptm_arrow_schema *out);
    int (*get_next)(struct ptm_arrow_stream *, ptm_arrow_array *out);
    const char *(*get_last_error)(struct ptm_arrow_stream *);
    void (*release)(struct ptm_arrow_stream *);
    void *private_data;
} ptm_arrow_stream;

_Static_assert(sizeof(ptm_arrow_schema) == 72 && sizeof(ptm_arrow_array) == 80
                   && sizeof(ptm_arrow_stream) == 40,
               "as the specification lays them out where pointers have 64 bits");

/* -- ours -------------------------------------------------------------------------------------- */

ptm_err ptm_arrow_export(ptm_snap *snap, ptm_metric metric, ptm_arrow_stream *out);

#endif
