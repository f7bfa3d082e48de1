/* SPDX-License-Identifier: MIT
 *
 * ptm_arrow_words - the dictionaries of a stream: per column of names the ones that occur in it, in
 * the order of the snapshot's strings. For the files ptm_arrow*.c.
 *
 * Owns      the words as Arrow lays them out (64-bit offsets, bytes), and where each string of the
 *           snapshot stands among them
 * How       names are escaped as in a snapshot's file: UTF-8, and different names stay different
 * Threads   never changes once made; the count of references is atomic, the last decref may run on
 *           any thread
 * Failure   PTM_ENOMEM
 * Cost      per column 4 bytes a string of the snapshot, 8 and its bytes a word
 */
#ifndef PTM_ARROW_WORDS_H
#define PTM_ARROW_WORDS_H

#include "base/ptm_buf.h"
#include "snap/ptm_group.h"
#include "snap/ptm_snap.h"

/* The columns of names: of the most recent frames, then of all frames. */
enum {
    PTM_ARROW_WORDS_FILE,
    PTM_ARROW_WORDS_FUNCTION,
    PTM_ARROW_WORDS_MODULE,
    PTM_ARROW_WORDS_FRAME_FILE,
    PTM_ARROW_WORDS_FRAME_FUNCTION,
    PTM_ARROW_N_WORDS
};

typedef struct {
    uint32_t *place; /* by string of the snapshot: its index here; PTM_SNAP_NONE: it is no word */
    int64_t *offset; /* n + 1; word i: bytes.data[offset[i] .. offset[i + 1]) */
    ptm_buf bytes;
    uint32_t n;
} ptm_arrow_dictionary;

typedef struct {
    uint32_t refs; /* atomic */
    ptm_arrow_dictionary of[PTM_ARROW_N_WORDS];
} ptm_arrow_words;

/* The words of the sites that the metric counts. n_strings is at most INT32_MAX. */
ptm_err ptm_arrow_words_new(const ptm_snap *snap, ptm_metric metric, ptm_arrow_words **out);
void ptm_arrow_words_incref(ptm_arrow_words *words);
void ptm_arrow_words_decref(ptm_arrow_words *words); /* NULL is ignored */
#endif
