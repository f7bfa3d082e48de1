/* SPDX-License-Identifier: MIT
 *
 * ptm_selftest - does this interpreter lay out its frames as the header we were compiled with says?
 *
 * How       compares the offsets that 3.13 and later publish with ours, then walks the calling
 *           thread's own stack both ways: as plain memory, and through the public API
 * Threads   attached; may create frame objects (never under a hook)
 * Failure   PTM_EUNSUPPORTED with *why, one sentence without a full stop
 */
#ifndef PTM_SELFTEST_H
#define PTM_SELFTEST_H

#include "base/ptm_base.h"

ptm_err ptm_selftest(const char **why);

#endif
