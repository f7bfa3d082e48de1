/* SPDX-License-Identifier: MIT
 *
 * ptm_atomic - the only spelling of atomics and thread-local storage.
 *
 * Relaxed loads and stores compile to plain moves: they mark words that have one writer at a time
 * and readers elsewhere. Anything stronger is named by its order.
 */
#ifndef PTM_ATOMIC_H
#define PTM_ATOMIC_H

#define PTM_LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define PTM_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define PTM_LOAD_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define PTM_STORE_RELEASE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define PTM_FETCH_ADD(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define PTM_FETCH_OR(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELAXED)
#define PTM_FETCH_AND_RELEASE(p, v) __atomic_fetch_and((p), (v), __ATOMIC_RELEASE)
#define PTM_EXCHANGE(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define PTM_EXCHANGE_ACQUIRE(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define PTM_FETCH_SUB_ACQ_REL(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
/* Whether *p was *expected and is v now; *expected is what it was. */
#define PTM_COMPARE_EXCHANGE(p, expected, v) \
    __atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define PTM_FENCE() __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* Orders a store before a later load for a reader that puts a barrier into this thread
 * (ptm_os_barrier). */
#define PTM_COMPILER_BARRIER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* initial-exec: one segment-relative access, no call, no lazy allocation under a hook. */
#define PTM_THREAD_LOCAL static __thread __attribute__((tls_model("initial-exec")))

/* The same for a variable that several files see: its declaration, and its definition, which does
 * not take the model over. */
#define PTM_EXTERN_THREAD_LOCAL \
    extern __thread __attribute__((visibility("hidden"), tls_model("initial-exec")))
#define PTM_DEFINE_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

#endif
