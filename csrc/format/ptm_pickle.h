/* SPDX-License-Identifier: MIT
 *
 * ptm_pickle - the pickles in which the standard library's tracemalloc keeps its snapshots, read
 * without Python's unpickler: docs/design/file-format.md says why.
 *
 * Threads   pure functions of their arguments
 * Failure   PTM_ENOMEM, or PTM_EFORMAT with `why` saying what and where (byte offset)
 * Cost      linear in the bytes, in time and in memory, whatever they say
 *
 * Laws      Nothing is imported and nothing is called. The names tracemalloc.Snapshot and
 *           tracemalloc._Traces are marks, and so is copyreg._reconstructor, by which the stdlib
 *           face writes them; any other name is an error that tells it.
 *           Blocks that agree in stack, size, domain and depth become one site, alive at the end
 *           and at the peak; their order is that of their first blocks. Only the live ones are
 *           known: the snapshot says that it lacks the other counts.
 */
#ifndef PTM_PICKLE_H
#define PTM_PICKLE_H

#include "format/ptm_format_why.h"
#include "snap/ptm_snap.h"

ptm_err ptm_pickle_read(const uint8_t *data, size_t len, ptm_snap **out, ptm_format_why *why);

#endif
