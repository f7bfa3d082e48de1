/* SPDX-License-Identifier: MIT
 *
 * ptm_reserve - what is kept back for the end of the process, which may have come because there was
 * nothing left: address space (`ulimit -v`), or numbers for open files (`ulimit -n`).
 *
 * How       Address space is mapped that cannot be used, so it is no memory. Giving it back, the
 *           soft limits are raised to the hard ones. No open file is kept back: the program would
 *           see its number.
 * Owns      one mapping
 * Threads   with the GIL held
 * Failure   nothing is kept back
 */
#ifndef PTM_RESERVE_H
#define PTM_RESERVE_H

void ptm_reserve_hold(void);
void ptm_reserve_give(void);

#endif
