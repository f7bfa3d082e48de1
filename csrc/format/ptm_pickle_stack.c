/* SPDX-License-Identifier: MIT */
#include "format/ptm_pickle_stack.h"

/* -- marks and memo ---------------------------------------------------------------------------- */

/* Takes the last mark away; *n values are above it. */
bool
ptm_pickle_pop_mark(ptm_pickle *p, size_t *n)
{
    if (p->marks.len == 0) {
        return ptm_pickle_refuse(p, "the pickle takes a mark that is not there");
    }
    *n = ptm_pickle_n_values(&p->stack) - ptm_pickle_fence(p);
    p->marks.len -= sizeof(uint64_t);
    return true;
}

bool
ptm_pickle_put_mark(ptm_pickle *p)
{
    uint64_t height = ptm_pickle_n_values(&p->stack);
    ptm_buf_put(&p->marks, &height, sizeof(height));
    return !p->marks.failed;
}

/* Every pickler counts its numbers up; a great one would be a great memo. */
bool
ptm_pickle_memoize(ptm_pickle *p, uint64_t number)
{
    const ptm_pickle_value *value = ptm_pickle_top(p, 1);
    size_t n = ptm_pickle_n_values(&p->memo);
    if (value == NULL || number > n) {
        return value != NULL
               && ptm_pickle_refuse(p, "the memo's number %llu is out of order",
                                    (unsigned long long)number);
    }
    if (number == n) {
        ptm_buf_put(&p->memo, value, sizeof(*value));
    }
    else {
        ptm_pickle_values(&p->memo)[number] = *value;
    }
    return !p->memo.failed;
}

bool
ptm_pickle_recall(ptm_pickle *p, uint64_t number)
{
    if (number >= ptm_pickle_n_values(&p->memo)) {
        return ptm_pickle_refuse(p, "nothing has the memo's number %llu",
                                 (unsigned long long)number);
    }
    return ptm_pickle_push(p, ptm_pickle_values(&p->memo)[number]);
}

/* -- values ------------------------------------------------------------------------------------ */

bool
ptm_pickle_push_text(ptm_pickle *p, unsigned length_bytes)
{
    uint64_t n;
    const uint8_t *bytes =
        ptm_pickle_take_number(p, length_bytes, &n) ? ptm_pickle_take(p, n) : NULL;
    if (bytes == NULL || n > UINT32_MAX) {
        return bytes != NULL && ptm_pickle_refuse(p, "a str is longer than any name");
    }
    return ptm_pickle_push(p, (ptm_pickle_value){.kind = PTM_PICKLE_STR,
                                                 .n = (uint32_t)n,
                                                 .as.place = (uint64_t)(bytes - p->data)});
}

/* Two's complement in up to 8 bytes. */
bool
ptm_pickle_push_long(ptm_pickle *p)
{
    uint64_t n, number;
    if (!ptm_pickle_take_number(p, 1, &n)) {
        return false;
    }
    if (n > 8) {
        return ptm_pickle_refuse(p, "the pickle holds a number of more than 64 bits");
    }
    if (!ptm_pickle_take_number(p, (unsigned)n, &number)) {
        return false;
    }
    unsigned missing = 64 - 8 * (unsigned)n;
    return ptm_pickle_push_int(p, n == 0 ? 0 : (int64_t)(number << missing) >> missing);
}

bool
ptm_pickle_push_number(ptm_pickle *p, unsigned n)
{
    uint64_t number;
    if (!ptm_pickle_take_number(p, n, &number)) {
        return false;
    }
    return ptm_pickle_push_int(p, n == 4 ? (int32_t)(uint32_t)number : (int64_t)number);
}

bool
ptm_pickle_push_tuple(ptm_pickle *p, size_t n)
{
    const ptm_pickle_value *first = n == 0 ? NULL : ptm_pickle_top(p, n);
    ptm_pickle_tuple tuple = {.first = ptm_pickle_n_values(&p->items), .n = (uint32_t)n};
    if ((n != 0 && first == NULL) || n > UINT32_MAX) {
        return false;
    }
    ptm_pickle_value value = {.kind = PTM_PICKLE_TUPLE};
    if (n != 0) {
        value.as.place = p->tuples.len / sizeof(tuple);
        ptm_buf_put(&p->items, first, n * sizeof(*first));
        ptm_buf_put(&p->tuples, &tuple, sizeof(tuple));
        ptm_pickle_drop(p, n);
    }
    return !p->items.failed && !p->tuples.failed && ptm_pickle_push(p, value);
}

bool
ptm_pickle_push_container(ptm_pickle *p, ptm_pickle_kind kind, uint32_t n)
{
    if (p->n_containers == PTM_PICKLE_CONTAINERS) {
        return ptm_pickle_refuse(p, "the pickle holds more than %d lists, dicts and objects",
                                 PTM_PICKLE_CONTAINERS);
    }
    ptm_buf_init(&p->containers[p->n_containers]);
    return ptm_pickle_push(p,
                           (ptm_pickle_value){.kind = kind, .n = n, .as.place = p->n_containers++});
}

/* The topmost n values go into the list or dict below them. */
bool
ptm_pickle_put_in(ptm_pickle *p, ptm_pickle_kind kind, size_t n)
{
    const ptm_pickle_value *below = ptm_pickle_top(p, n + 1);
    if (below == NULL) {
        return false;
    }
    if (below->kind != kind || (kind == PTM_PICKLE_DICT && n % 2 != 0)) {
        return ptm_pickle_refuse(p, "the pickle puts items into %s", ptm_pickle_kind_text(below));
    }
    ptm_buf *to = &p->containers[below->as.place];
    ptm_buf_put(to, below + 1, n * sizeof(*below));
    ptm_pickle_drop(p, n);
    return !to->failed;
}

bool
ptm_pickle_put_in_marked(ptm_pickle *p, ptm_pickle_kind kind)
{
    size_t n = 0;
    return ptm_pickle_pop_mark(p, &n) && ptm_pickle_put_in(p, kind, n);
}
