/* SPDX-License-Identifier: MIT
 *
 * ptm_pprof_text - strings on their way into a profile, which must be UTF-8, and back.
 *
 * Law       unescape(escape(s)) equals s for every string of a snapshot, and escape(s) is UTF-8
 *           without surrogates. A lone surrogate becomes a backslash, u and four small hex digits,
 *           as Python's backslashreplace writes it. So that this can be undone, a backslash that is
 *           followed by u and four small hex digits in the string itself becomes \u005c; every
 *           other backslash stays as it is.
 */
#ifndef PTM_PPROF_TEXT_H
#define PTM_PPROF_TEXT_H

#include "base/ptm_buf.h"

/* Append to `out`. Bytes that are neither UTF-8 nor a surrogate in three bytes are taken for the
 * surrogates U+DC80 ... U+DCFF, as Python's surrogateescape does. */
void ptm_pprof_escape(const char *text, size_t len, ptm_buf *out);
void ptm_pprof_unescape(const char *text, size_t len, ptm_buf *out);

/* Whether it is as a snapshot's strings must be: UTF-8, surrogates in three bytes. */
bool ptm_pprof_is_text(const char *text, size_t len);

/* Text by other tools: nothing is undone, but the result is as a snapshot's strings must be. */
void ptm_pprof_clean(const char *text, size_t len, ptm_buf *out);

#endif
