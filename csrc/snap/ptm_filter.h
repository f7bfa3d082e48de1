/* SPDX-License-Identifier: MIT
 *
 * ptm_filter - compiled filters to a mask over sites.
 *
 * How       the caller matches patterns against each distinct name once (a byte per string id);
 *           here the bytes go from strings to frames, stacks and sites in array passes
 * Threads   reads immutable snapshots only
 * Failure   PTM_ENOMEM
 * Law       as the standard library: a site is kept if any inclusive filter matches it (or there is
 *           none) and no exclusive filter rejects it. With `all_frames` any frame may match, else
 *           the most recent one is asked. File, line, name and module must match on one and the
 *           same frame. A filter with a domain: inclusive needs frame match and domain; exclusive
 *           rejects only what matches frame and domain.
 */
#ifndef PTM_FILTER_H
#define PTM_FILTER_H

#include "snap/ptm_snap.h"

#define PTM_ANY_LINE INT64_MIN
#define PTM_ANY_DOMAIN INT64_MIN

typedef struct {
    const uint8_t *match_file;   /* n_strings bytes, 1: it matches; NULL: any file */
    const uint8_t *match_name;   /* so for the frame's name; what is not known does not match */
    const uint8_t *match_module; /* so for the module of the frame's file */
    const uint8_t *match_site;   /* n_sites bytes: the caller's own answers; only the domain and
                                    `inclusive` count beside them. NULL: frames are asked */
    int64_t lineno;              /* or PTM_ANY_LINE */
    int64_t domain;              /* or PTM_ANY_DOMAIN; a number no site can have matches nothing */
    bool inclusive;
    bool all_frames;
} ptm_filter;

/* keep: n_sites bytes, written 0 or 1. */
ptm_err ptm_filter_apply(const ptm_snap *snap, const ptm_filter *filters, size_t n_filters,
                         uint8_t *keep);

#endif
