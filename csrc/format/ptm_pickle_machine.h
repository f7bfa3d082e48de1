/* SPDX-License-Identifier: MIT
 *
 * ptm_pickle_machine - the opcodes of protocols 2 to 5 that a snapshot's pickle needs, on values
 * that are no Python objects; for ptm_pickle_machine.c, ptm_pickle_stack.c, ptm_pickle_names.c and
 * ptm_pickle_read.c only.
 *
 * Owns      the stack, the memo, and what tuples, lists, dicts and objects hold
 * How       strings stay in the data and values are 16 bytes. An opcode makes at most as many
 *           values as it has taken from the stack, and one more; no opcode copies what a value
 *           holds. So a memo that doubles a list each time costs what its opcodes cost
 * Failure   false; ptm_pickle_refuse has said what and where, or a buffer could not grow (`failed`)
 * Bounds    at most 100 bytes of values per byte of data, and PTM_PICKLE_CONTAINERS lists, dicts
 *           and objects; nothing here recurses
 */
#ifndef PTM_PICKLE_MACHINE_H
#define PTM_PICKLE_MACHINE_H

#include "base/ptm_buf.h"
#include "format/ptm_pickle.h"

/* A snapshot has two objects, two dicts and a list; attributes of the user's may add some. */
#define PTM_PICKLE_CONTAINERS 1024

typedef enum {
    PTM_PICKLE_NONE,
    PTM_PICKLE_BOOL,
    PTM_PICKLE_INT,    /* number */
    PTM_PICKLE_STR,    /* data[place .. place + n) */
    PTM_PICKLE_TUPLE,  /* tuples[place] */
    PTM_PICKLE_LIST,   /* containers[place] */
    PTM_PICKLE_DICT,   /* containers[place]: keys and values by turns */
    PTM_PICKLE_NAME,   /* n: a ptm_pickle_name */
    PTM_PICKLE_OBJECT, /* containers[place]: nothing or its state, a dict; n: a ptm_pickle_name */
} ptm_pickle_kind;

typedef enum {
    PTM_PICKLE_SNAPSHOT,
    PTM_PICKLE_TRACES,
    PTM_PICKLE_RECONSTRUCTOR,
    PTM_PICKLE_BARE_OBJECT
} ptm_pickle_name;

typedef struct {
    uint32_t kind, n;
    union {
        int64_t number;
        uint64_t place;
    } as;
} ptm_pickle_value;
_Static_assert(sizeof(ptm_pickle_value) == 16, "values are counted as 16 bytes");

/* What a tuple has been read as: a stack may be of any length, so it is read once however often it
 * is named. */
typedef enum { PTM_PICKLE_UNREAD, PTM_PICKLE_FRAME, PTM_PICKLE_STACK } ptm_pickle_role;

typedef struct {
    uint64_t first; /* in `items` */
    uint32_t n;
    uint32_t id; /* the frame or stack it has become, by `role` */
    uint32_t role;
} ptm_pickle_tuple;

typedef struct {
    const uint8_t *data, *at, *end;
    const uint8_t *op; /* the opcode under work */
    ptm_err err;
    ptm_format_why *why;
    ptm_buf stack, memo, items; /* ptm_pickle_value */
    ptm_buf marks;              /* uint64_t: heights of the stack */
    ptm_buf tuples;             /* ptm_pickle_tuple; [0] is the empty one */
    uint32_t n_containers;
    ptm_buf containers[PTM_PICKLE_CONTAINERS]; /* ptm_pickle_value */
} ptm_pickle;

#define PTM_PICKLE_TUPLES(p) ((ptm_pickle_tuple *)(void *)(p)->tuples.data)
#define PTM_PICKLE_ITEMS(p) ((const ptm_pickle_value *)(const void *)(p)->items.data)

void ptm_pickle_init(ptm_pickle *p, const uint8_t *data, size_t len, ptm_format_why *why);
void ptm_pickle_fini(ptm_pickle *p);
/* Runs to the STOP; *result is what it leaves. */
bool ptm_pickle_run(ptm_pickle *p, ptm_pickle_value *result);
bool ptm_pickle_failed(const ptm_pickle *p); /* memory was short */

/* Says "<what> (byte N)" of the opcode under work, the first time; answers false. */
bool ptm_pickle_refuse(ptm_pickle *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *ptm_pickle_kind_text(const ptm_pickle_value *value); /* "a list" */

static inline bool
ptm_pickle_str_is(const ptm_pickle *p, const ptm_pickle_value *value, const char *word)
{
    size_t len = __builtin_strlen(word);
    return value->kind == PTM_PICKLE_STR && value->n == len
           && __builtin_memcmp(p->data + value->as.place, word, len) == 0;
}

#endif
