/* SPDX-License-Identifier: MIT
 *
 * ptm_turn - one at a time: who puts hooks in or takes them out, which are of the whole process.
 *
 * Threads   attached ones. It is waited for without the GIL, since the interpreter may stop all
 *           other threads meanwhile; so it comes before every lock of ours.
 * Failure   none
 */
#ifndef PTM_TURN_H
#define PTM_TURN_H

void ptm_turn_take(void);
void ptm_turn_leave(void);
/* In a forked child: another thread may have had it. */
void ptm_turn_forget(void);

#endif
