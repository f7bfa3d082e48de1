/* SPDX-License-Identifier: MIT
 *
 * ptm_names - strings and frames: what code objects leave behind when they are gone.
 *
 * Owns      interned strings (UTF-8, lone surrogates passed), interned frames (file, line, name)
 * Threads   under the intern lock
 * Failure   id 0: no memory
 * Law       a frame's columns are those all its call positions agree on; -1 where they do not
 */
#ifndef PTM_NAMES_H
#define PTM_NAMES_H

#include "base/ptm_mem.h"

typedef struct {
    ptm_str_id file, name;
    int32_t lineno;
    int32_t end_lineno, colno, end_colno;
} ptm_frame;

/* `fill(arg, out)` writes exactly `len` bytes. */
ptm_str_id ptm_names_string(size_t len, void (*fill)(void *arg, char *out), void *arg);
ptm_frame_id ptm_names_frame(const ptm_frame *frame);

const char *ptm_names_bytes(ptm_str_id id, size_t *len);
const ptm_frame *ptm_names_frame_at(ptm_frame_id id);
uint32_t ptm_names_frame_end(void); /* frame ids are below this */

void ptm_names_clear(void);
void ptm_names_visit(ptm_mem_visit visit, void *arg);

#endif
