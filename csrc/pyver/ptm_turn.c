/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_turn.h"

#include <Python.h>

#include "os/ptm_os.h"

static ptm_os_mutex turn = PTM_OS_MUTEX;

void
ptm_turn_take(void)
{
    if (!ptm_os_mutex_try(&turn)) {
        PyThreadState *tstate = PyEval_SaveThread();
        ptm_os_mutex_take(&turn);
        PyEval_RestoreThread(tstate);
    }
}

void
ptm_turn_leave(void)
{
    ptm_os_mutex_leave(&turn);
}

void
ptm_turn_forget(void)
{
    turn = (ptm_os_mutex)PTM_OS_MUTEX;
}
