/* SPDX-License-Identifier: MIT
 *
 * ptm_pprof - a snapshot as pprof's profile.proto, and back. The bytes here are not compressed:
 * gzip is put around them by the caller (py/gzip.c).
 *
 * Threads   pure functions of their arguments
 * Failure   PTM_ENOMEM, or PTM_EFORMAT with `why` saying what and where (byte offset)
 * Format    docs/design/file-format.md;
 *           https://github.com/google/pprof/blob/main/proto/profile.proto
 *
 * Law       read(write(snap)) equals snap: traces, limit, depths, domains, names, positions,
 *           counts, comments. Reading runs no code, allocates at most a small multiple of the
 *           input, and survives any bytes.
 */
#ifndef PTM_PPROF_H
#define PTM_PPROF_H

#include "base/ptm_buf.h"
#include "format/ptm_format_why.h"
#include "snap/ptm_snap.h"

/* What a snapshot's file carries beside the columns: kept as one JSON text, made and read by the
 * caller. */
typedef struct {
    const char *json; /* UTF-8, not NUL-terminated; NULL: none */
    size_t json_len;
    int64_t time_nanos; /* when the snapshot was taken, since the epoch; 0: not said */
} ptm_pprof_extra;

/* Appends the profile to `out`. */
ptm_err ptm_pprof_write(const ptm_snap *snap, const ptm_pprof_extra *extra, ptm_buf *out);

/* `extra->json` points into `data`. Profiles by other tools are read as far as they mean something:
 * their inuse_* (or first) sample types become live counts, sizes are bytes / objects where no
 * `bytes` label says. */
ptm_err ptm_pprof_read(const uint8_t *data, size_t len, ptm_snap **out, ptm_pprof_extra *extra,
                       ptm_format_why *why);

#endif
