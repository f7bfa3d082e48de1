/* SPDX-License-Identifier: MIT
 *
 * ptm_levels - what is remembered of a thread's stack from one exact walk to the next.
 *
 * How       Each frame of a thread has a level, which the interpreter's counter gives (on 3.11 the
 *           stack is counted). For each level there are the mark, its frame and the node of the
 *           stack that ends with it; a frame that is shown to nobody is a hole. A walk goes down
 *           the window and compares marks; what is not as remembered is written anew, and the nodes
 *           from the lowest such level up are forgotten.
 *
 *                              first              changed     end
 *               level            │                  │          │
 *               mark      0  0  [m  m  m  m  m  m  m  m'  m  m'] 0  0
 *               node      -  -  [n  n  n  n  n  n  n  -   -  - ] -  -
 *
 * Laws      1. Levels from `first` to `end` are one chain: a node that is there stands for all of
 *              them from the first on. All others have the mark 0, which no frame with a level has.
 *           2. So nothing that is remembered need be right, and a wrong level only costs time. But
 *              a whole stack begins at `first`, whatever lay below it before: greenlets have
 *              stacks that begin at any level.
 *           3. What lies below the window is not part of the stack and is not compared.
 *           4. A mark stands for the same frame as long as no code object died.
 * Threads   under the intern lock; of the calling thread's stack
 * Failure   no memory: no node
 * Cost      a dozen instructions for each frame that is as remembered
 */
#ifndef PTM_LEVELS_H
#define PTM_LEVELS_H

#include "trace/ptm_walk.h"

/* A window, or what is left of it, from its most recent frame down. */
typedef struct {
    const ptm_pyframe *frame; /* NULL: none */
    uint32_t left;            /* frames that count */
    uint32_t position;        /* of the frame, by the counter */
    uint32_t n_holes;         /* frames that the counter counts, and nobody sees */
    ptm_walk_manner manner;
} ptm_descent;

/* Walks the window down, to what lies below it, and says what it is: a node for up to PTM_TAIL
 * frames, else a node and a tail. False: no memory, or the manner was wrong. */
bool ptm_levels_walk(const PyThreadState *tstate, ptm_descent *d, ptm_walked *walked);

void ptm_levels_forget(void);
void ptm_levels_clear(void);
void ptm_levels_visit(ptm_mem_visit visit, void *arg);

#endif
