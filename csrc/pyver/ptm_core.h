/* SPDX-License-Identifier: MIT
 *
 * ptm_core - is the interpreter's own tracer (core's `_tracemalloc`) on?
 *
 * How       Its functions say so, but from 3.12.9 and 3.13.2 on they take the GIL before they look.
 *           So its flag is read: an exported variable on 3.11, a word of _PyRuntime on 3.12 and
 *           3.13. From 3.14 on the functions look first, and may be asked.
 * Threads   find: attached; the others: anybody
 * Failure   without the word: what ptm_core_may_be_asked says
 */
#ifndef PTM_CORE_H
#define PTM_CORE_H

#include "pyver/ptm_frames.h"

/* Looks for the word; once, before the others. */
void ptm_core_find(void);

/* False: core's Track and Untrack would only answer that it is off. True: they may be called here;
 * where core is off they do not wait for the GIL. */
bool ptm_core_may_be_asked(void);

#endif
