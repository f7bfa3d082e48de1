/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "os/ptm_os.h"

#ifndef __linux__
#error "pytracemalloc runs on Linux with glibc only"
#endif

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *
ptm_os_map(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(pages, bytes, MADV_DONTDUMP);
    return pages;
}

/* Maps a boundary's worth too much and cuts off what lies before and behind. */
void *
ptm_os_map_large(size_t bytes)
{
    char *pages = ptm_os_map(bytes + PTM_MEM_LARGE_BYTES);
    if (pages == NULL) {
        return ptm_os_map(bytes);
    }
    size_t before = -(uintptr_t)pages & (PTM_MEM_LARGE_BYTES - 1);
    if (before != 0) {
        ptm_os_unmap(pages, before);
    }
    ptm_os_unmap(pages + before + bytes, PTM_MEM_LARGE_BYTES - before);
    (void)madvise(pages + before, bytes, MADV_HUGEPAGE);
    return pages + before;
}

void
ptm_os_unmap(void *pages, size_t bytes)
{
    (void)munmap(pages, bytes);
}

void
ptm_os_discard(void *pages, size_t bytes)
{
    if (madvise(pages, bytes, MADV_DONTNEED) != 0) { /* pages that the program has locked */
        memset(pages, 0, bytes);
    }
}

static size_t
count_resident(const unsigned char *pages, size_t n_pages)
{
    size_t n = 0;
    for (size_t i = 0; i < n_pages; i++) {
        n += pages[i] & 1;
    }
    return n;
}

size_t
ptm_os_resident_bytes(const void *pages, size_t bytes)
{
    unsigned char seen[1024];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;
    size_t within = (uintptr_t)pages % page; /* a variable of ours starts where it likes */
    char *first = (char *)(uintptr_t)pages - within;
    for (size_t at = 0; at < within + bytes; at += sizeof(seen) * page) {
        size_t n = (within + bytes - at + page - 1) / page;
        n = n < sizeof(seen) ? n : sizeof(seen);
        if (mincore(first + at, n * page, seen) != 0) {
            return bytes;
        }
        resident += count_resident(seen, n) * page;
    }
    return resident;
}

/* rt_sigprocmask(2) reads the mask before it refuses what is to be done with it. */
bool
ptm_os_is_readable(const void *word)
{
    int before = errno;
    (void)syscall(SYS_rt_sigprocmask, ~0, word, NULL, sizeof(uint64_t));
    bool readable = errno == EINVAL;
    errno = before;
    return readable;
}

static bool
holds(const struct dl_phdr_info *info, uintptr_t address)
{
    bool found = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t offset = address - (uintptr_t)info->dlpi_addr - p->p_vaddr;
        found = found || (p->p_type == PT_LOAD && offset < p->p_memsz);
    }
    return found;
}

typedef struct {
    uintptr_t address;
    uintptr_t *place;
} placing;

static int
find_place(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    const placing *p = arg;
    if (!holds(info, p->address)) {
        return 0;
    }
    p->place[0] = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t from = (uintptr_t)info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD) {
            p->place[0] = from < p->place[0] ? from : p->place[0];
            p->place[1] = from + segment->p_memsz; /* the segments are in order */
        }
    }
    return 1;
}

void
ptm_os_library_of(uintptr_t address, uintptr_t place[2])
{
    place[0] = place[1] = 0;
    (void)dl_iterate_phdr(find_place, &(placing){address, place});
}

bool
ptm_os_same_library(uintptr_t a, uintptr_t b)
{
    uintptr_t place[2];
    ptm_os_library_of(a, place);
    return b - place[0] < place[1] - place[0];
}

typedef struct {
    ptm_mem_visit visit;
    void *arg;
} visiting;

/* The module that holds this very function: its writable segments. */
static int
visit_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    static const char here;
    const visiting *v = arg;
    bool found = holds(info, (uintptr_t)&here);
    for (int i = 0; found && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && (p->p_flags & PF_W) != 0) {
            v->visit(v->arg, (const void *)(info->dlpi_addr + p->p_vaddr), p->p_memsz);
        }
    }
    return found;
}

void
ptm_os_visit_variables(ptm_mem_visit visit, void *arg)
{
    visiting v = {visit, arg};
    (void)dl_iterate_phdr(visit_module, &v);
}

void
ptm_os_yield(void)
{
    (void)sched_yield();
}

/* Of <linux/membarrier.h>, which is not everywhere where the call is. */
enum { BARRIER = 1 << 3, REGISTER = 1 << 4 };

static bool has_barrier;

bool
ptm_os_barrier_init(void)
{
    has_barrier = syscall(SYS_membarrier, REGISTER, 0, 0) == 0;
    return has_barrier;
}

void
ptm_os_barrier(void)
{
    if (has_barrier) {
        if (syscall(SYS_membarrier, BARRIER, 0, 0) != 0) { /* a child that has not registered */
            (void)ptm_os_barrier_init();
            (void)syscall(SYS_membarrier, BARRIER, 0, 0);
        }
    }
}

bool
ptm_os_thread_key_new(ptm_os_thread_key *key, void (*ended)(void *value))
{
    return pthread_key_create(key, ended) == 0;
}

bool
ptm_os_thread_at_end(ptm_os_thread_key key, void *value)
{
    return pthread_setspecific(key, value) == 0;
}

bool
ptm_os_mutex_try(ptm_os_mutex *mutex)
{
    return pthread_mutex_trylock(mutex) == 0;
}

void
ptm_os_mutex_take(ptm_os_mutex *mutex)
{
    (void)pthread_mutex_lock(mutex);
}

void
ptm_os_mutex_leave(ptm_os_mutex *mutex)
{
    (void)pthread_mutex_unlock(mutex);
}

int
ptm_os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return pthread_atfork(prepare, parent, child);
}
