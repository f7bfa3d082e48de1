/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_shims.h"

#include "os/ptm_os.h"

#ifdef PTM_SHIMS_HAVE_A_PLACE

ptm_shims ptm_shims_met;

/* The interpreter's: from, to. Asked for beforehand, since shims are learnt in a hook. */
static uintptr_t library[2];

void
ptm_shims_init(void)
{
    ptm_os_library_of((uintptr_t)&PyCode_Type, library);
}

/* What lies outside may have anything between it and the others. */
static bool
is_in_library(uintptr_t from, uintptr_t to)
{
    return from >= library[0] && to <= library[1];
}

static bool
learn_place(uintptr_t from, uintptr_t to)
{
    ptm_shims old = ptm_shims_met;
    if (!is_in_library(from, to)) {
        return false;
    }
    uintptr_t low = old.bytes == 0 || from < old.low ? from : old.low;
    uintptr_t end = old.bytes == 0 || to > old.low + old.bytes ? to : old.low + old.bytes;
    PTM_STORE(&ptm_shims_met.low, low);
    PTM_STORE_RELEASE(&ptm_shims_met.bytes, end - low);
    return true;
}

bool
ptm_shims_learn(const ptm_pyframe *frame)
{
    uintptr_t mark = ptm_frame_mark(frame);
    if (ptm_frame_is_entry(frame)) {
        return learn_place(mark, mark + PTM_UNIT_BYTES);
    }
    const PyCodeObject *code = ptm_frame_code(frame);
    if (!ptm_code_is_shim(code)) {
        return false;
    }
    uintptr_t from = mark - (uintptr_t)ptm_code_offset(code, mark);
    return learn_place(from, from + (uintptr_t)Py_SIZE(code) * PTM_UNIT_BYTES);
}

#else

void
ptm_shims_init(void)
{
}

bool
ptm_shims_learn(const ptm_pyframe *frame)
{
    (void)frame;
    return false;
}

#endif
