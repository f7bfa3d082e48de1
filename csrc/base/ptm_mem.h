/* SPDX-License-Identifier: MIT
 *
 * ptm_mem - where the tracer's own memory comes from: pages from a map function, never the
 * allocators it traces.
 *
 * Threads   `ptm_mem_use` before anything else; the rest from anywhere
 * Failure   NULL
 * Cost      a system call each: callers take big pieces
 */
#ifndef PTM_MEM_H
#define PTM_MEM_H

#include "base/ptm_base.h"

#define PTM_MEM_LARGE_BYTES ((size_t)2 << 20) /* a huge page of x86-64 and (usually) aarch64 */

typedef struct {
    void *(*map)(size_t bytes); /* zeroed pages, or NULL */
    /* the same for a table of megabytes looked at all over: huge pages if it can */
    void *(*map_large)(size_t bytes);
    void (*unmap)(void *pages, size_t bytes);
    void (*discard)(void *pages, size_t bytes); /* the pages stay mapped and read as zero */
} ptm_mem_ops;

void ptm_mem_use(ptm_mem_ops ops);
bool ptm_mem_has_maps(void); /* whether anybody has called it */
void *ptm_mem_map(size_t bytes);
void *ptm_mem_map_table(size_t bytes);         /* large pages where the table is large */
void ptm_mem_unmap(void *pages, size_t bytes); /* of a piece, or of its end; NULL is ignored */
void ptm_mem_discard(void *pages, size_t bytes);

/* Test-only: n more maps from now on, and none after; a negative n turns this off. */
void ptm_mem_fail_after(int64_t n);

/* Structures that own maps tell them one by one. */
typedef void (*ptm_mem_visit)(void *arg, const void *pages, size_t bytes);

#endif
