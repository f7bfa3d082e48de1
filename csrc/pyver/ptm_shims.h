/* SPDX-License-Identifier: MIT
 *
 * ptm_shims - frames of the interpreter's own, told by their mark.
 *
 * Which     The entry of each eval loop (3.12 and later), and the little code object that runs
 *           `__init__` when a class is called (3.13 and later).
 * How       From 3.13 on their instructions are constants of the interpreter, no other code lies
 *           in its library, and the mark of a frame is its instruction: so the shims have a place,
 *           from the lowest to the highest that was met. It is empty at first, and grows when an
 *           exact walk meets another one. On 3.12 the kind of frame, which is in the mark, tells.
 * Threads   learn: under the intern lock; the others any
 * Failure   a shim outside the interpreter's library is not learnt: its windows are taken frame by
 *           frame
 */
#ifndef PTM_SHIMS_H
#define PTM_SHIMS_H

#include "pyver/ptm_frames.h"

#ifdef PTM_SHIMS_HAVE_A_PLACE

typedef struct {
    uintptr_t low, bytes;
} ptm_shims;

PTM_EXTERN ptm_shims ptm_shims_met; /* atomics: `low` is written first, read last */

/* A loop asks once. */
static PTM_ALWAYS_INLINE ptm_shims
ptm_shims_known(void)
{
    uintptr_t bytes = PTM_LOAD_ACQUIRE(&ptm_shims_met.bytes);
    return (ptm_shims){PTM_LOAD(&ptm_shims_met.low), bytes};
}

static PTM_ALWAYS_INLINE bool
ptm_shims_have(ptm_shims shims, uintptr_t mark)
{
    return mark - shims.low < shims.bytes;
}

#else

typedef struct {
    char nothing;
} ptm_shims;

static PTM_ALWAYS_INLINE ptm_shims
ptm_shims_known(void)
{
    return (ptm_shims){0};
}

static PTM_ALWAYS_INLINE bool
ptm_shims_have(ptm_shims shims, uintptr_t mark)
{
    (void)shims;
    return ptm_mark_is_entry(mark);
}

#endif

/* Once, before anybody walks: where the interpreter's library lies. */
void ptm_shims_init(void);
/* False: this frame is no shim, or one that has no place. */
bool ptm_shims_learn(const ptm_pyframe *frame);

#endif
