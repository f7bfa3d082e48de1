/* SPDX-License-Identifier: MIT
 *
 * ptm_array - arrays of the cold path: columns of snapshots, and what a question needs meanwhile.
 *
 * Owns      malloc's memory while they are small; from a megabyte on pages of their own
 * How       The pages begin on the boundary of a huge page, and huge pages are asked for before
 *           anything is written: an ordinary page costs up to 4 us when it is first touched, more
 *           than half of the time of a snapshot of 100,000 sites. And malloc's own thresholds,
 *           which are the program's, do not move when they are freed.
 * Threads   an array has one user
 * Failure   NULL; ptm_array_resize leaves the array as it was. Where nobody has said how to map
 *           (ptm_mem_use), all is malloc's
 * Cost      two words in front of the items; up to a huge page that is half used
 */
#ifndef PTM_ARRAY_H
#define PTM_ARRAY_H

#include "base/ptm_base.h"

#define PTM_ARRAY_MAPPED_BYTES ((size_t)1 << 20)

/* n items, on a boundary of 16 bytes; what is in them is not said. n * item_bytes may be anything.
 */
void *ptm_array_new(size_t n, size_t item_bytes);
void *ptm_array_zeroed(size_t n, size_t item_bytes);
/* Keeps the items that were there, as far as they go; NULL is an empty array. */
void *ptm_array_resize(void *items, size_t n, size_t item_bytes);
void ptm_array_free(void *items); /* NULL is ignored */

#endif
