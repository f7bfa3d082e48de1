/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "os/ptm_redirect.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/ptm_atomic.h"

#if defined(__x86_64__)
enum { BY_CALL = R_X86_64_JUMP_SLOT, BY_TABLE = R_X86_64_GLOB_DAT, BY_WORD = R_X86_64_64 };
#elif defined(__aarch64__)
enum { BY_CALL = R_AARCH64_JUMP_SLOT, BY_TABLE = R_AARCH64_GLOB_DAT, BY_WORD = R_AARCH64_ABS64 };
#else
#error "pytracemalloc: Linux with glibc on x86-64 or aarch64 only"
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

void
ptm_redirect_find(ptm_redirect *redirect)
{
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    void *theirs = dlsym(RTLD_DEFAULT, redirect->name);
    redirect->theirs = (uintptr_t)theirs;
    if (theirs != NULL && dladdr1(theirs, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0
        && symbol != NULL && strcmp(info.dli_sname, redirect->name) == 0) {
        redirect->exported = &symbol->st_value;
        redirect->base = redirect->theirs - symbol->st_value;
    }
}

/* -- words that may be read-only --------------------------------------------------------------- */

static bool
has(const struct dl_phdr_info *object, const ElfW(Phdr) * part, const void *address)
{
    return (uintptr_t)address - object->dlpi_addr - part->p_vaddr < part->p_memsz;
}

/* Of a segment, as mprotect() takes it; 0: the address is not of this object. */
static int
protection_of(const struct dl_phdr_info *object, const void *address)
{
    int protection = 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && has(object, part, address)) {
            protection = (part->p_flags & PF_R ? PROT_READ : 0)
                         | (part->p_flags & PF_W ? PROT_WRITE : 0)
                         | (part->p_flags & PF_X ? PROT_EXEC : 0);
        }
    }
    return protection;
}

/* Whether the page was made read-only after its words were filled in (RELRO). */
static bool
is_sealed(const struct dl_phdr_info *object, const char *page)
{
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
        uintptr_t start = (object->dlpi_addr + part->p_vaddr) & ~(page_bytes - 1);
        uintptr_t end = (object->dlpi_addr + part->p_vaddr + part->p_memsz) & ~(page_bytes - 1);
        if (part->p_type == PT_GNU_RELRO && (uintptr_t)page >= start && (uintptr_t)page < end) {
            return true;
        }
    }
    return false;
}

/* Where the kernel does not know the question: no. Another thread may be loading the object right
 * now; then its page is not sealed yet, and must not be. */
static bool
is_writable(char *page, size_t bytes)
{
    return madvise(page, bytes, MADV_POPULATE_WRITE) == 0;
}

/* A word of another object may lie where a sanitizer lets nobody but the loader look. */
#define UNCHECKED __attribute__((no_sanitize("address")))

static UNCHECKED uintptr_t
read_word(const uintptr_t *word)
{
    return PTM_LOAD(word);
}

static UNCHECKED void
write_word(const struct dl_phdr_info *object, uintptr_t *word, uintptr_t value)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    char *page = (char *)word - ((uintptr_t)word & (page_bytes - 1));
    int protection = protection_of(object, word);
    if (is_sealed(object, page)) {
        protection &= ~PROT_WRITE;
    }
    bool open = (protection & PROT_WRITE) != 0 || is_writable(page, page_bytes);
    if (!open && mprotect(page, page_bytes, protection | PROT_WRITE) != 0) {
        return;
    }
    PTM_STORE_RELEASE(word, value);
    if (!open) {
        (void)mprotect(page, page_bytes, protection);
    }
}

/* -- the objects of the process ---------------------------------------------------------------- */

typedef struct {
    const ptm_redirect *redirects;
    size_t n;
    bool to_ours;
} swapping;

static uintptr_t
before(const swapping *s, const ptm_redirect *r)
{
    return s->to_ours ? r->theirs : (uintptr_t)r->ours;
}

static uintptr_t
after(const swapping *s, const ptm_redirect *r)
{
    return s->to_ours ? (uintptr_t)r->ours : r->theirs;
}

static int
swap_exported(struct dl_phdr_info *object, size_t size, void *arg)
{
    (void)size;
    const swapping *s = arg;
    for (size_t i = 0; i < s->n; i++) {
        const ptm_redirect *r = &s->redirects[i];
        if (r->exported != NULL && protection_of(object, r->exported) != 0
            && read_word(r->exported) == before(s, r) - r->base) {
            write_word(object, r->exported, after(s, r) - r->base);
        }
    }
    return 0;
}

static void
swap_word(const swapping *s, const struct dl_phdr_info *object, uintptr_t *word)
{
    uintptr_t value = read_word(word);
    for (size_t i = 0; i < s->n; i++) {
        if (PTM_UNLIKELY(value == before(s, &s->redirects[i])) && value != 0) {
            write_word(object, word, after(s, &s->redirects[i]));
            return;
        }
    }
}

/* Words that are filled at the first call only hold something else until then: they get what is
 * exported at that time. */
static void
swap_relocated(const swapping *s, const struct dl_phdr_info *object, const ElfW(Rela) * table,
               size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned long type = ELF64_R_TYPE(table[i].r_info);
        uintptr_t word = object->dlpi_addr + table[i].r_offset;
        if ((type == BY_CALL || type == BY_TABLE || type == BY_WORD) && word % sizeof(word) == 0) {
            swap_word(s, object, (uintptr_t *)word);
        }
    }
}

/* The loader has added the base to what it found in the file, except where it could not write. */
static const ElfW(Rela) * table_at(const struct dl_phdr_info *object, uintptr_t address)
{
    uintptr_t base = object->dlpi_addr;
    return (const ElfW(Rela) *)(address < base ? address + base : address);
}

static void
swap_dynamic(const swapping *s, const struct dl_phdr_info *object, const ElfW(Dyn) * entry)
{
    uintptr_t data = 0, calls = 0;
    size_t data_bytes = 0, calls_bytes = 0, n_without_symbol = 0;
    for (; entry->d_tag != DT_NULL; entry++) {
        uint64_t value = entry->d_un.d_val;
        switch (entry->d_tag) {
        case DT_RELA:
            data = value;
            break;
        case DT_RELASZ:
            data_bytes = value;
            break;
        case DT_RELACOUNT:
            n_without_symbol = value;
            break;
        case DT_JMPREL:
            calls = value;
            break;
        case DT_PLTRELSZ:
            calls_bytes = value;
            break;
        default:
            break;
        }
    }
    size_t n = data_bytes / sizeof(ElfW(Rela));
    if (data != 0 && n_without_symbol < n) {
        swap_relocated(s, object, table_at(object, data) + n_without_symbol, n - n_without_symbol);
    }
    if (calls != 0) {
        swap_relocated(s, object, table_at(object, calls), calls_bytes / sizeof(ElfW(Rela)));
    }
}

static int
swap_object(struct dl_phdr_info *object, size_t size, void *arg)
{
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_DYNAMIC) {
            swap_dynamic(arg, object, (const ElfW(Dyn) *)(object->dlpi_addr + part->p_vaddr));
        }
    }
    return 0;
}

/* What is exported first: an object that is being loaded meanwhile is linked to the new one, or is
 * found among the loaded ones. */
static void
swap(const ptm_redirect *redirects, size_t n, bool to_ours)
{
    swapping s = {redirects, n, to_ours};
    (void)dl_iterate_phdr(swap_exported, &s);
    (void)dl_iterate_phdr(swap_object, &s);
}

void
ptm_redirect_put(const ptm_redirect *redirects, size_t n)
{
    swap(redirects, n, true);
}

void
ptm_redirect_remove(const ptm_redirect *redirects, size_t n)
{
    swap(redirects, n, false);
}
