/* SPDX-License-Identifier: MIT
 *
 * ptm_keys - the files and lines of one snapshot, or of a new and an old one, on common numbers.
 *
 * Owns      three arrays per snapshot as long as its frames, one as long as its strings
 * How       a file of the new snapshot has its string id as number; one that only the old has comes
 *           after all of these. So for lines, whose number in the new snapshot is their line_key.
 *           Strings are hashed once and compared only where hashes agree, and sorted once; all that
 *           follows compares numbers
 * Threads   reads immutable snapshots only
 * Failure   PTM_ENOMEM; nothing to free then
 * Cost      linear in frames and strings, plus the sort of the distinct files
 *
 * Words: side 0 is the new (or only) snapshot, side 1 the old one.
 */
#ifndef PTM_KEYS_H
#define PTM_KEYS_H

#include "snap/ptm_group.h"

typedef struct {
    const ptm_snap *snap[2];    /* [1]: NULL when there is only one */
    uint32_t *file_of[2];       /* frame -> number of its file */
    uint32_t *line_of[2];       /* frame -> number of its (file, lineno) */
    uint64_t *order_of[2];      /* frame -> sorts as its (file, lineno) does; above 0 */
    uint32_t *order_of_file[2]; /* string -> sorts as the name does; only for files of frames */
    size_t n_files, n_lines;    /* numbers are below these */
    bool twins; /* some frames of one side share file and line, so different stacks may be equal */
} ptm_keys;

ptm_err ptm_keys_init(ptm_keys *keys, const ptm_snap *new_snap, const ptm_snap *old_snap);
void ptm_keys_fini(ptm_keys *keys);

#endif
