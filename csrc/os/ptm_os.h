/* SPDX-License-Identifier: MIT
 *
 * ptm_os - the contract with the operating system, and the only place that knows it.
 *
 * Threads   all from anywhere
 * Failure   ptm_os_map: NULL; ptm_os_resident_bytes: what it can tell, else the mapped size
 */
#ifndef PTM_OS_H
#define PTM_OS_H

#include <pthread.h>

#include "base/ptm_mem.h"

/* Zeroed private pages, kept out of core dumps. */
void *ptm_os_map(size_t bytes);
/* The same on a boundary of PTM_MEM_LARGE_BYTES, with huge pages asked for; bytes are whole
 * pages. */
void *ptm_os_map_large(size_t bytes);
void ptm_os_unmap(void *pages, size_t bytes);
void ptm_os_discard(void *pages, size_t bytes); /* stays mapped, reads as zero, holds no memory */
/* Tells the pages of this module's own variables. */
void ptm_os_visit_variables(ptm_mem_visit visit, void *arg);
/* Where the library lies, or the program itself, that holds an address: from, to; both 0 if there
 * is none. Takes the loader's lock: not in a hook. */
void ptm_os_library_of(uintptr_t address, uintptr_t place[2]);
bool ptm_os_same_library(uintptr_t a, uintptr_t b);
size_t ptm_os_resident_bytes(const void *pages, size_t bytes);
/* Whether the eight bytes here can be read. */
bool ptm_os_is_readable(const void *word);
void ptm_os_yield(void);
/* The calling thread, as pthread_self() names it. On x86-64 glibc that is the thread pointer
 * itself: no call. */
static PTM_ALWAYS_INLINE unsigned long
ptm_os_thread(void)
{
#if defined(__x86_64__)
    return (unsigned long)__builtin_thread_pointer();
#else
    return (unsigned long)pthread_self();
#endif
}

/* A full barrier in every running thread of the process, if the system has one (membarrier(2) of
 * Linux 4.14). `init`, once, before: whether it has. */
bool ptm_os_barrier_init(void);
void ptm_os_barrier(void);

/* Tells when a thread ends that asked for it: `ended` is called with what it gave. False: no
 * memory. */
typedef pthread_key_t ptm_os_thread_key;
bool ptm_os_thread_key_new(ptm_os_thread_key *key, void (*ended)(void *value));
bool ptm_os_thread_at_end(ptm_os_thread_key key, void *value);

/* Waits in the system: for what takes long, and never in a hook. */
typedef pthread_mutex_t ptm_os_mutex;
#define PTM_OS_MUTEX PTHREAD_MUTEX_INITIALIZER
bool ptm_os_mutex_try(ptm_os_mutex *mutex);
void ptm_os_mutex_take(ptm_os_mutex *mutex);
void ptm_os_mutex_leave(ptm_os_mutex *mutex);

/* Called around fork() in the forking thread; 0 or an errno. */
int ptm_os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

#endif
