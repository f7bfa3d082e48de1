/* SPDX-License-Identifier: MIT
 *
 * ptm_allocators - puts an allocator into a domain while other threads call through it.
 *
 * How       PyMem_SetAllocator copies a structure, which a compiler may do by halves of a word (the
 *           builds of 3.14 and 3.15 that Debian gives out do). A thread without the GIL may
 *           then call half an address. So where the interpreter keeps its allocators is looked for
 *           once, and their functions are stored there one word at a time.
 * Threads   find, put: attached, one at a time; readers: anybody
 * Failure   not found: PyMem_SetAllocator (3.11 always, whose allocators no symbol leads to)
 */
#ifndef PTM_ALLOCATORS_H
#define PTM_ALLOCATORS_H

#include "pyver/ptm_frames.h"

/* Before the first put; more calls do nothing. */
void ptm_allocators_find(void);

/* In the place of what the domain has now, whose ctx must be the same. */
void ptm_allocators_put(PyMemAllocatorDomain domain, const PyMemAllocatorEx *allocator);

/* Whether they were found; for tests. */
bool ptm_allocators_found(void);

#endif
