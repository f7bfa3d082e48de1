/* SPDX-License-Identifier: MIT
 *
 * ptm_format_text - strings on their way into a file, which must be UTF-8, and back: profiles have
 * both ways, Arrow streams the first, and pickles are only asked whether they are text.
 *
 * Law       unescape(escape(s)) equals s for every string of a snapshot, and escape(s) is UTF-8
 *           without surrogates. A lone surrogate becomes a backslash, u and four small hex digits,
 *           as Python's backslashreplace writes it. So that this can be undone, a backslash that is
 *           followed by u and four small hex digits in the string itself becomes \u005c; every
 *           other backslash stays as it is.
 */
#ifndef PTM_FORMAT_TEXT_H
#define PTM_FORMAT_TEXT_H

#include "base/ptm_buf.h"

/* Append to `out`. Bytes that are neither UTF-8 nor a surrogate in three bytes are taken for the
 * surrogates U+DC80 ... U+DCFF, as Python's surrogateescape does. */
void ptm_format_escape(const char *text, size_t len, ptm_buf *out);
void ptm_format_unescape(const char *text, size_t len, ptm_buf *out);

/* Whether it is as a snapshot's strings must be: UTF-8, surrogates in three bytes. */
bool ptm_format_is_text(const char *text, size_t len);

/* Text by other tools: nothing is undone, but the result is as a snapshot's strings must be. */
void ptm_format_clean(const char *text, size_t len, ptm_buf *out);

#endif
