/* SPDX-License-Identifier: MIT */
#include "trace/ptm_hooks.h"

#include <string.h>

#include "pyver/ptm_allocators.h"
#include "pyver/ptm_pools.h"
#include "trace/ptm_parked.h"
#include "trace/ptm_quick.h"

/* The allocators below ours; written before ours are installed, never cleared: a late caller may
 * still need them. `malloc` is read as an atomic, since a probe takes its place for a moment. They
 * change for good only if somebody else's allocator came in below ours between a stop and a start;
 * then a caller who was held up between two words since before the stop may meet one of the old and
 * one of the new, as with PyMem_SetAllocator itself. */
static PyMemAllocatorEx below_raw, below_mem, below_obj;

/* An allocator below may come back through the raw domain (pymalloc does, above 512 bytes): one
 * block, one event. */
PTM_THREAD_LOCAL bool inside;

typedef enum { MAIN_EVENT, RAW_EVENT } event_kind;

static PTM_ALWAYS_INLINE bool
is_off(void)
{
    return PTM_UNLIKELY(!PTM_LOAD(&ptm_recording.tracing)) || PTM_UNLIKELY(inside);
}

static PTM_ALWAYS_INLINE void *
malloc_below(const PyMemAllocatorEx *below, size_t size)
{
    inside = true;
    void *block = PTM_LOAD(&below->malloc)(below->ctx, size);
    inside = false;
    return block;
}

static PTM_ALWAYS_INLINE void *
calloc_below(const PyMemAllocatorEx *below, size_t n, size_t each)
{
    inside = true;
    void *block = below->calloc(below->ctx, n, each);
    inside = false;
    return block;
}

static PTM_ALWAYS_INLINE void *
realloc_below(const PyMemAllocatorEx *below, void *old, size_t size)
{
    inside = true;
    void *block = below->realloc(below->ctx, old, size);
    inside = false;
    return block;
}

/* The recording is the last call, so nothing need be kept for after it. */
static PTM_ALWAYS_INLINE void *
record_alloc(event_kind kind, void *block, size_t size)
{
    return kind == MAIN_EVENT ? ptm_record_main_alloc(block, size, 0, 0)
                              : ptm_record_raw_alloc(block, size);
}

static PTM_ALWAYS_INLINE void *
usual_malloc(event_kind kind, const PyMemAllocatorEx *below, size_t size)
{
    return is_off() ? PTM_LOAD(&below->malloc)(below->ctx, size)
                    : record_alloc(kind, malloc_below(below, size), size);
}

static PTM_ALWAYS_INLINE void *
usual_calloc(event_kind kind, const PyMemAllocatorEx *below, size_t n, size_t each)
{
    return is_off() ? below->calloc(below->ctx, n, each)
                    : record_alloc(kind, calloc_below(below, n, each), n * each);
}

/* -- with the quick way ------------------------------------------------------------------------ */

#ifdef PTM_HAS_POOLS

/* *tstate is written if the answer is true. */
static PTM_ALWAYS_INLINE bool
may_be_quick(const PyThreadState **tstate)
{
    return PTM_LIKELY(ptm_quick_is_open(PTM_GATE_DEEP))
           && PTM_LIKELY((*tstate = ptm_quick_tstate()) != NULL) && PTM_LIKELY(!inside);
}

/* NULL: nothing happens. */
static PTM_ALWAYS_INLINE void *
put_or_record(const PyThreadState *tstate, void *block, size_t size, uint32_t mark)
{
    uint64_t key = 0;
    bool done = PTM_UNLIKELY(block == NULL)
                || PTM_LIKELY(ptm_quick_put(tstate, block, size, mark, PTM_GATE_DEEP, &key));
    return done ? block : ptm_record_main_alloc(block, size, mark, key);
}

/* For a block that the allocator below gave out: whether it lies in a pool is known if it is the
 * one that is taken from now. */
static PTM_ALWAYS_INLINE uint32_t
mark_of(const void *block, size_t size)
{
    if (PTM_UNLIKELY(block == NULL) || ptm_pool_for(size) != ptm_pool_of(block)) {
        return 0;
    }
    ptm_record_may_begin_pool(block);
    return PTM_ENTRY_POOLED;
}

/* Windows of any length, and blocks from anywhere. */
static PTM_NOINLINE void *
second_malloc(const PyMemAllocatorEx *below, size_t size)
{
    const PyThreadState *tstate;
    if (PTM_UNLIKELY(!may_be_quick(&tstate))) {
        return usual_malloc(MAIN_EVENT, below, size);
    }
    void *block = ptm_pools_take(size);
    uint32_t mark = PTM_ENTRY_POOLED;
    if (PTM_UNLIKELY(block == NULL)) {
        block = malloc_below(below, size);
        mark = mark_of(block, size);
    }
    return put_or_record(tstate, block, size, mark);
}

static PTM_NOINLINE void *
quick_calloc(const PyMemAllocatorEx *below, size_t n, size_t each)
{
    const PyThreadState *tstate;
    size_t size = n * each;
    if (PTM_UNLIKELY(!may_be_quick(&tstate))) {
        return usual_calloc(MAIN_EVENT, below, n, each);
    }
    void *block = ptm_pools_take(size);
    uint32_t mark = PTM_ENTRY_POOLED;
    if (PTM_LIKELY(block != NULL)) {
        memset(block, 0, size);
    }
    else {
        block = calloc_below(below, n, each);
        mark = mark_of(block, size);
    }
    return put_or_record(tstate, block, size, mark);
}

static PTM_ALWAYS_INLINE void *
quick_malloc(const PyMemAllocatorEx *below, size_t size)
{
    uint64_t key = 0;
    void *block = NULL;
    if (PTM_LIKELY(ptm_quick_malloc(size, &block, &key))) {
        return block;
    }
    return block != NULL ? ptm_record_main_alloc(block, size, PTM_ENTRY_POOLED, key)
                         : second_malloc(below, size);
}

#else

/* Windows of any length. */
static PTM_NOINLINE void *
put_or_record(void *block, size_t size)
{
    uint64_t key = 0;
    bool done = PTM_LIKELY(ptm_quick_alloc(block, size, PTM_GATE_DEEP, &key));
    return done ? block : ptm_record_main_alloc(block, size, 0, key);
}

static PTM_ALWAYS_INLINE void *
quick_malloc(const PyMemAllocatorEx *below, size_t size)
{
    if (PTM_UNLIKELY(inside)) {
        return PTM_LOAD(&below->malloc)(below->ctx, size);
    }
    void *block = malloc_below(below, size);
    uint64_t key = 0;
    if (PTM_LIKELY(ptm_quick_alloc(block, size, 0, &key))) {
        return block;
    }
    return key != 0 ? ptm_record_main_alloc(block, size, 0, key) : put_or_record(block, size);
}

static PTM_ALWAYS_INLINE void *
quick_calloc(const PyMemAllocatorEx *below, size_t n, size_t each)
{
    return is_off() ? below->calloc(below->ctx, n, each)
                    : put_or_record(calloc_below(below, n, each), n * each);
}

#endif

static PTM_ALWAYS_INLINE void *
traced_malloc(event_kind kind, const PyMemAllocatorEx *below, size_t size)
{
    return kind == MAIN_EVENT ? quick_malloc(below, size) : usual_malloc(kind, below, size);
}

static PTM_ALWAYS_INLINE void *
traced_calloc(event_kind kind, const PyMemAllocatorEx *below, size_t n, size_t each)
{
    return kind == MAIN_EVENT ? quick_calloc(below, n, each) : usual_calloc(kind, below, n, each);
}

#ifdef PTM_HAS_POOLS

/* What is known of where a small block will come from. */
typedef struct {
    bool is_known;
    const ptm_pool *pool; /* NULL: a new one */
} source;

static PTM_ALWAYS_INLINE source
source_of(size_t size)
{
    const PyThreadState *tstate;
    bool is_known = may_be_quick(&tstate);
    return (source){is_known, is_known ? ptm_pool_for(size) : NULL};
}

/* The mark of a block that came from there. */
static PTM_ALWAYS_INLINE uint32_t
mark_from(source from, const void *block, size_t size)
{
    if (PTM_UNLIKELY(!from.is_known)) {
        return 0;
    }
    bool pooled = PTM_LIKELY(from.pool == ptm_pool_of(block));
    return pooled ? PTM_ENTRY_POOLED : mark_of(block, size);
}

/* A traced block that is moved has the mark of where it lies then. */
static PTM_ALWAYS_INLINE void *
main_realloc_below(const PyMemAllocatorEx *below, void *old, size_t size, ptm_taken *taken)
{
    source from = source_of(size);
    ptm_record_may_end_pool(old, taken->entry);
    void *block = realloc_below(below, old, size);
    if (block != old && block != NULL) {
        taken->entry &= ~PTM_ENTRY_POOLED;
        taken->entry |= PTM_LIKELY(taken->entry != 0) ? mark_from(from, block, size) : 0;
    }
    return block;
}

#else

static PTM_ALWAYS_INLINE void *
main_realloc_below(const PyMemAllocatorEx *below, void *old, size_t size, ptm_taken *taken)
{
    (void)taken;
    return realloc_below(below, old, size);
}

#endif

static PTM_ALWAYS_INLINE ptm_taken
take(event_kind kind, const void *old)
{
    ptm_taken taken;
    if (kind == RAW_EVENT) {
        taken = ptm_record_raw_take(old);
        taken.entry &= ~PTM_ENTRY_POOLED; /* no pool gives raw blocks */
        return taken;
    }
    return PTM_LIKELY(ptm_quick_take(old, &taken)) ? taken : ptm_record_main_take(old);
}

/* The old entry goes before the real realloc: once the old address is free, another thread may get
 * it. */
static PTM_ALWAYS_INLINE void *
traced_realloc(event_kind kind, const PyMemAllocatorEx *below, void *old, size_t size)
{
    if (is_off() || old == NULL) {
        return old == NULL ? traced_malloc(kind, below, size)
                           : below->realloc(below->ctx, old, size);
    }
    ptm_taken taken = take(kind, old);
    void *block = kind == MAIN_EVENT ? main_realloc_below(below, old, size, &taken)
                                     : realloc_below(below, old, size);
    if (PTM_UNLIKELY(block == NULL)) {
        ptm_record_realloc_failed(taken, old);
        return NULL;
    }
    if (kind == MAIN_EVENT) {
        ptm_record_main_realloc(taken, block, size);
    }
    else {
        ptm_record_raw_realloc(taken, block, size);
    }
    return block;
}

static PTM_NOINLINE void
main_free(const PyMemAllocatorEx *below, void *block)
{
    uint32_t entry = ptm_record_main_free(block);
    if (entry & PTM_ENTRY_CODE) {
        ptm_parked_add(below, block);
        return;
    }
    ptm_record_may_end_pool(block, entry);
    below->free(below->ctx, block);
}

/* Of its pool. Each way of a free ends in a call, so that nothing need be kept for after it. */
static PTM_NOINLINE void
last_free(const PyMemAllocatorEx *below, void *block)
{
    ptm_record_end_pool(block);
    below->free(below->ctx, block);
}

static PTM_ALWAYS_INLINE void
quick_free(const PyMemAllocatorEx *below, void *block)
{
    ptm_quick_done done = ptm_quick_free(block);
    if (PTM_LIKELY(done == PTM_QUICK_ALL)) {
        return;
    }
    if (PTM_UNLIKELY(done == PTM_QUICK_NO)) {
        main_free(below, block);
        return;
    }
    if (PTM_UNLIKELY(done == PTM_QUICK_LAST)) {
        last_free(below, block);
        return;
    }
    below->free(below->ctx, block);
}

static PTM_ALWAYS_INLINE void
traced_free(event_kind kind, const PyMemAllocatorEx *below, void *block)
{
    if (kind == MAIN_EVENT) {
        quick_free(below, block);
        return;
    }
    if (PTM_LOAD(&ptm_recording.tracing) && block != NULL) {
        ptm_record_raw_free(block);
    }
    below->free(below->ctx, block);
}

typedef void *malloc_function(void *ctx, size_t size);

/* A probe was met on this thread. */
PTM_THREAD_LOCAL bool reached;

/* -- trampolines: clang-format off so that the table reads as one ------------------------------ */
/* clang-format off */
#define PTM_TRAMPOLINES(DOMAIN, KIND)                                                              \
    static void *malloc_##DOMAIN(void *ctx, size_t size)                                           \
    { (void)ctx; return traced_malloc(KIND, &below_##DOMAIN, size); }                              \
    static void *calloc_##DOMAIN(void *ctx, size_t n, size_t each)                                 \
    { (void)ctx; return traced_calloc(KIND, &below_##DOMAIN, n, each); }                           \
    static void *realloc_##DOMAIN(void *ctx, void *old, size_t size)                               \
    { (void)ctx; return traced_realloc(KIND, &below_##DOMAIN, old, size); }                        \
    static void free_##DOMAIN(void *ctx, void *block)                                              \
    { (void)ctx; traced_free(KIND, &below_##DOMAIN, block); }                                      \
    static malloc_function *probed_##DOMAIN;                                                       \
    static void *probe_##DOMAIN(void *ctx, size_t size)                                            \
    { reached = true; return probed_##DOMAIN(ctx, size); }

PTM_TRAMPOLINES(raw, RAW_EVENT)
PTM_TRAMPOLINES(mem, MAIN_EVENT)
PTM_TRAMPOLINES(obj, MAIN_EVENT)

typedef struct {
    PyMemAllocatorDomain domain;
    malloc_function *probe, **probed;
    PyMemAllocatorEx *below;
    PyMemAllocatorEx ours; /* ctx is the one below's */
} hook;

static const hook hooks[] = {
    {PYMEM_DOMAIN_RAW, probe_raw, &probed_raw, &below_raw,
     {NULL, malloc_raw, calloc_raw, realloc_raw, free_raw}},
    {PYMEM_DOMAIN_MEM, probe_mem, &probed_mem, &below_mem,
     {NULL, malloc_mem, calloc_mem, realloc_mem, free_mem}},
    {PYMEM_DOMAIN_OBJ, probe_obj, &probed_obj, &below_obj,
     {NULL, malloc_obj, calloc_obj, realloc_obj, free_obj}},
};
/* clang-format on */

/* -- in and out -------------------------------------------------------------------------------- */

/* Somebody on top of us may keep a few small blocks of his own: one that he must ask for is large
 * and odd. */
#define PROBE_BYTES 100001

/* Whether a call in this domain comes through our trampoline although somebody else's lies on top.
 * Ours asks, for a moment, `probe` in the place of the allocator below; other threads go through it
 * as well and get what they asked for. */
static bool
is_wrapped(const hook *h)
{
    PyMemAllocatorEx top;
    if (h->below->malloc == NULL) {
        return false;
    }
    reached = false;
    *h->probed = h->below->malloc;
    PTM_STORE_RELEASE(&h->below->malloc, h->probe);
    PyMem_GetAllocator(h->domain, &top);
    top.free(top.ctx, top.malloc(top.ctx, PROBE_BYTES));
    PTM_STORE(&h->below->malloc, *h->probed);
    return reached;
}

/* Not written if it is the same, and by whole words: late callers may be reading. */
static void
put_below(const hook *h, const PyMemAllocatorEx *top)
{
    if (memcmp(h->below, top, sizeof(*top)) != 0) {
        PTM_STORE(&h->below->ctx, top->ctx);
        PTM_STORE(&h->below->malloc, top->malloc);
        PTM_STORE(&h->below->calloc, top->calloc);
        PTM_STORE(&h->below->realloc, top->realloc);
        PTM_STORE(&h->below->free, top->free);
    }
}

static void
install(const hook *h)
{
    PyMemAllocatorEx top;
    PyMem_GetAllocator(h->domain, &top);
    if (top.malloc != h->ours.malloc && !is_wrapped(h)) {
        PyMemAllocatorEx ours = h->ours;
        put_below(h, &top);
        ours.ctx = top.ctx;
        ptm_allocators_put(h->domain, &ours);
    }
}

static void
remove_hook(const hook *h)
{
    PyMemAllocatorEx top;
    PyMem_GetAllocator(h->domain, &top);
    if (top.malloc == h->ours.malloc) {
        ptm_allocators_put(h->domain, h->below);
    }
}

void
ptm_hooks_install(void)
{
    ptm_allocators_find();
    ptm_pools_find();
    for (size_t i = 0; i < PTM_ARRAY_LEN(hooks); i++) {
        install(&hooks[i]);
    }
    ptm_pools_use(&below_mem, &below_obj);
}

void
ptm_hooks_remove(void)
{
    for (size_t i = 0; i < PTM_ARRAY_LEN(hooks); i++) {
        remove_hook(&hooks[i]);
    }
}
