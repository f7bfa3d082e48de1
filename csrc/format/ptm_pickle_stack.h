/* SPDX-License-Identifier: MIT
 *
 * ptm_pickle_stack - what the opcodes of ptm_pickle_machine do with data, stack and memo; for the
 * ptm_pickle_*.c only.
 *
 * Failure   false or NULL; ptm_pickle_refuse has said what and where, or a buffer could not grow
 */
#ifndef PTM_PICKLE_STACK_H
#define PTM_PICKLE_STACK_H

#include "format/ptm_pickle_machine.h"

static inline const uint8_t *
ptm_pickle_take(ptm_pickle *p, uint64_t n)
{
    const uint8_t *bytes = p->at;
    if (n > (uint64_t)(p->end - p->at)) {
        ptm_pickle_refuse(p, "the pickle ends too early");
        return NULL;
    }
    p->at += n;
    return bytes;
}

/* Little-endian. */
static inline bool
ptm_pickle_take_number(ptm_pickle *p, unsigned n, uint64_t *number)
{
    const uint8_t *bytes = ptm_pickle_take(p, n);
    *number = 0;
    for (unsigned i = 0; bytes != NULL && i < n; i++) {
        *number |= (uint64_t)bytes[i] << (8 * i);
    }
    return bytes != NULL;
}

static inline ptm_pickle_value *
ptm_pickle_values(const ptm_buf *buf)
{
    return (ptm_pickle_value *)(void *)buf->data;
}

static inline size_t
ptm_pickle_n_values(const ptm_buf *buf)
{
    return buf->len / sizeof(ptm_pickle_value);
}

static inline bool
ptm_pickle_push(ptm_pickle *p, ptm_pickle_value value)
{
    ptm_buf_put(&p->stack, &value, sizeof(value));
    return !p->stack.failed;
}

static inline bool
ptm_pickle_push_kind(ptm_pickle *p, ptm_pickle_kind kind)
{
    return ptm_pickle_push(p, (ptm_pickle_value){.kind = kind});
}

static inline bool
ptm_pickle_push_int(ptm_pickle *p, int64_t number)
{
    return ptm_pickle_push(p, (ptm_pickle_value){.kind = PTM_PICKLE_INT, .as.number = number});
}

/* The stack's height below which only what takes a mark may go. */
static inline size_t
ptm_pickle_fence(const ptm_pickle *p)
{
    size_t n = p->marks.len / sizeof(uint64_t);
    return n == 0 ? 0 : (size_t)((const uint64_t *)(const void *)p->marks.data)[n - 1];
}

/* The topmost n values, which stay. */
static inline ptm_pickle_value *
ptm_pickle_top(ptm_pickle *p, size_t n)
{
    size_t height = ptm_pickle_n_values(&p->stack);
    if (height - ptm_pickle_fence(p) < n) {
        ptm_pickle_refuse(p, "the pickle takes a value that is not there");
        return NULL;
    }
    return ptm_pickle_values(&p->stack) + (height - n);
}

static inline void
ptm_pickle_drop(ptm_pickle *p, size_t n)
{
    p->stack.len -= n * sizeof(ptm_pickle_value);
}

/* -- ptm_pickle_stack.c: marks, memo and values ------------------------------------------------ */

bool ptm_pickle_put_mark(ptm_pickle *p);
/* Takes the last mark away; *n values are above it. */
bool ptm_pickle_pop_mark(ptm_pickle *p, size_t *n);
bool ptm_pickle_memoize(ptm_pickle *p, uint64_t number);
bool ptm_pickle_recall(ptm_pickle *p, uint64_t number);
bool ptm_pickle_push_text(ptm_pickle *p, unsigned length_bytes);
bool ptm_pickle_push_long(ptm_pickle *p);
bool ptm_pickle_push_number(ptm_pickle *p, unsigned n);
/* Of the topmost n values. */
bool ptm_pickle_push_tuple(ptm_pickle *p, size_t n);
bool ptm_pickle_push_container(ptm_pickle *p, ptm_pickle_kind kind, uint32_t n);
/* The topmost n values, or those above the mark, go into the list or dict below them. */
bool ptm_pickle_put_in(ptm_pickle *p, ptm_pickle_kind kind, size_t n);
bool ptm_pickle_put_in_marked(ptm_pickle *p, ptm_pickle_kind kind);

/* -- ptm_pickle_names.c: the names there are, and what is made by them ------------------------- */

bool ptm_pickle_push_stack_name(ptm_pickle *p);
bool ptm_pickle_push_line_name(ptm_pickle *p);
bool ptm_pickle_make_object(ptm_pickle *p);
bool ptm_pickle_make_by_call(ptm_pickle *p);
bool ptm_pickle_build(ptm_pickle *p);

#endif
