/* SPDX-License-Identifier: MIT
 *
 * ptm_fuzz_memory - how many bytes a piece of code has of malloc at once, at most; and how many
 * reading may have.
 *
 * How       under the address sanitizer by its hooks, which tell requested sizes; elsewhere malloc
 *           and its family are replaced in this program and glibc's usable sizes count. A realloc
 *           counts as the new block before the old one is gone, also where glibc would grow in
 *           place: an upper bound
 * Threads   one
 * Failure   none; include it in one file of a program only
 */
#ifndef PTM_FUZZ_MEMORY_H
#define PTM_FUZZ_MEMORY_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What reading a profile of `len` bytes may take: docs/design/file-format.md, "Damage". The first
 * part is what stacks of FRAMES_AT_LEAST frames and empty tables need. */
#define READ_BYTES_AT_MOST(len) (((int64_t)300 << 10) + 256 * (int64_t)(len))

static int64_t memory_now, memory_most; /* bytes since memory_watch() */
static bool memory_watched;

static void
memory_took(size_t bytes)
{
    memory_now += (int64_t)bytes;
    memory_most = memory_now > memory_most ? memory_now : memory_most;
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)

/* Of sanitizer/allocator_interface.h, which clang has and gcc has not. */
extern size_t __sanitizer_get_allocated_size(const volatile void *block);
extern int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *,
                                                                       size_t),
                                                     void (*on_free)(const volatile void *));

static void
memory_on_malloc(const volatile void *block, size_t bytes)
{
    (void)block;
    if (memory_watched) {
        memory_took(bytes);
    }
}

static void
memory_on_free(const volatile void *block)
{
    if (memory_watched && block != NULL) {
        memory_now -= (int64_t)__sanitizer_get_allocated_size(block);
    }
}

static void
memory_hook(void)
{
    static bool hooked;
    if (!hooked) {
        hooked = __sanitizer_install_malloc_and_free_hooks(memory_on_malloc, memory_on_free) > 0;
    }
}

#else

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void __libc_free(void *block);

static void *
memory_counted(void *block)
{
    if (memory_watched && block != NULL) {
        memory_took(malloc_usable_size(block));
    }
    return block;
}

void *
malloc(size_t bytes)
{
    return memory_counted(__libc_malloc(bytes));
}

void *
calloc(size_t n, size_t bytes)
{
    return memory_counted(__libc_calloc(n, bytes));
}

void
free(void *block)
{
    if (memory_watched && block != NULL) {
        memory_now -= (int64_t)malloc_usable_size(block);
    }
    __libc_free(block);
}

void *
realloc(void *old, size_t bytes)
{
    void *block = malloc(bytes);
    if (block != NULL && old != NULL) {
        size_t before = malloc_usable_size(old);
        memcpy(block, old, before < bytes ? before : bytes);
        free(old);
    }
    return block;
}

static void
memory_hook(void)
{
}

#endif

static void
memory_watch(void)
{
    memory_hook();
    memory_now = memory_most = 0;
    memory_watched = true;
}

/* Bytes that were there at once, at most, since memory_watch(). */
static int64_t
memory_unwatch(void)
{
    memory_watched = false;
    return memory_most;
}

#endif
