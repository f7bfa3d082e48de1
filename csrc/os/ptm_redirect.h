/* SPDX-License-Identifier: MIT
 *
 * ptm_redirect - calls of a function of this process go to one of ours.
 *
 * How       An object calls a function of another through a word of its own, which the dynamic
 *           linker has filled with the address. Two kinds of words are changed:
 *             - the one in the symbol table of the object that exports the function: whatever is
 *               loaded or looked up from now on is linked to ours;
 *             - those of the objects that are there already and hold the function's address; they
 *               are found by their relocations.
 *           No code is written. A word is replaced as a whole, so a thread that calls meanwhile
 *           reaches the one function or the other.
 * Threads   all here: one at a time. Callers of the function: anybody, at any time
 * Failure   a word that cannot be written stays as it is
 * Cost      some ten nanoseconds per symbolic relocation of the process
 *
 * Not reached: calls inside the exporting object, and addresses that the program has copied.
 */
#ifndef PTM_REDIRECT_H
#define PTM_REDIRECT_H

#include "base/ptm_base.h"

typedef void ptm_function(void); /* of any type */

typedef struct {
    const char *name;
    ptm_function *ours;
    /* what ptm_redirect_find tells; all 0: the process has no such function */
    uintptr_t theirs;
    uintptr_t *exported; /* the word of the symbol table; NULL: not found */
    uintptr_t base;      /* what the linker adds to it */
} ptm_redirect;

/* Once for each, before the first put. */
void ptm_redirect_find(ptm_redirect *redirect);
/* Calls go to ours. Objects that came since the last put and were missed are found. */
void ptm_redirect_put(const ptm_redirect *redirects, size_t n);
/* Calls go to theirs again. */
void ptm_redirect_remove(const ptm_redirect *redirects, size_t n);

#endif
