/* SPDX-License-Identifier: MIT
 *
 * ptm_insist - a SIGTERM that is sent again, every tenth of a second, until it was heard.
 *
 * CPython's handler only notes a signal; what was written in Python for it runs later, between
 * bytecodes. A signal that comes just before the thread blocks in a system call, or that another
 * thread gets, wakes nobody: the process would wait for good, and whoever terminated it would wait
 * for it. The default action knows no such moment. A timer of the kernel makes up for it: the next
 * SIGTERM interrupts the call, and then the note is found.
 *
 * A child that was just forked forgets what its handler noted before CPython has put it in order:
 * so SIGTERM is held back around fork().
 *
 * Owns      one timer of this process; the C handler of SIGTERM, which calls the one before it
 * Threads   the functions: with the GIL held; the handler: any thread, at any time
 * Failure   no timer, or a handler that is none of CPython's: as it was without us
 * Cost      nothing until there is a SIGTERM
 */
#ifndef PTM_INSIST_H
#define PTM_INSIST_H

/* The handler of SIGTERM in force, CPython's, is to be insisted on. */
void ptm_insist(void);
/* A forked child inherits the handler, unless somebody put another in its place, but no timer. */
void ptm_insist_in_child(void);
void ptm_insist_heard(void);

/* Around fork(), in the forking thread; in the child once CPython's own state is in order. */
void ptm_insist_hold(void);
void ptm_insist_let(void);

#endif
