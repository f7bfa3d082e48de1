/* SPDX-License-Identifier: MIT */
#include "base/ptm_mem.h"

#include "base/ptm_atomic.h"

static ptm_mem_ops mem_ops;
static int64_t mem_fail_after = -1;

void
ptm_mem_use(ptm_mem_ops ops)
{
    mem_ops = ops;
}

bool
ptm_mem_has_maps(void)
{
    return mem_ops.map != NULL;
}

void
ptm_mem_fail_after(int64_t n)
{
    PTM_STORE(&mem_fail_after, n);
}

static bool
told_to_fail(void)
{
    int64_t left = PTM_LOAD(&mem_fail_after);
    if (left > 0) {
        PTM_STORE(&mem_fail_after, left - 1);
    }
    return left == 0;
}

void *
ptm_mem_map(size_t bytes)
{
    return told_to_fail() ? NULL : mem_ops.map(bytes);
}

/* A table that fits into few ordinary pages stays there: a small program pays a few of them, not
 * two megabytes. */
void *
ptm_mem_map_table(size_t bytes)
{
    if (bytes < PTM_MEM_LARGE_BYTES || told_to_fail()) {
        return ptm_mem_map(bytes);
    }
    return mem_ops.map_large(bytes);
}

void
ptm_mem_unmap(void *pages, size_t bytes)
{
    if (pages != NULL) {
        mem_ops.unmap(pages, bytes);
    }
}

void
ptm_mem_discard(void *pages, size_t bytes)
{
    mem_ops.discard(pages, bytes);
}
