/* SPDX-License-Identifier: MIT
 *
 * ptm_modules - which module a file is, told by the folders in which import looks.
 *
 * How       a pure function of paths: nothing is asked of the system
 * Threads   none; ptm_modules_give changes a snapshot, so nobody else may have seen it yet
 * Failure   PTM_ENOMEM; the snapshot is as it was then
 * Cost      a few comparisons of bytes per file and folder
 *
 * Laws
 *   Of the folders that the file lies in, at any depth, the longest counts: what follows it,
 *   without .py or .pyc and with dots for slashes, is the name. A last part `__init__` is left out;
 *   if it is the only one, there is no module.
 *   Each part is made of ASCII letters, digits, `_` and bytes beyond ASCII; else, and without one
 *   of the two endings, there is no module.
 *   `<frozen NAME>` is NAME. Any other name in angle brackets is no file and has no module.
 *   A relative name, an empty folder too, is taken from the current folder. Empty parts and `.` do
 *   not count; `..` and links are not followed.
 */
#ifndef PTM_MODULES_H
#define PTM_MODULES_H

#include "snap/ptm_snap.h"

typedef struct {
    const char *text; /* as a snapshot's strings: UTF-8, lone surrogates as three bytes */
    size_t len;
} ptm_modules_path;

typedef struct {
    const ptm_modules_path *folders; /* sys.path */
    size_t n_folders;
    ptm_modules_path current; /* the current folder, absolute; empty: not known, and then what is
                                 relative has no module */
} ptm_modules_search;

/* Gives every file of the snapshot's frames its module (ptm_snap_module). The snapshot is none's
 * subset and has no modules yet. */
ptm_err ptm_modules_give(ptm_snap *snap, const ptm_modules_search *search);

#endif
