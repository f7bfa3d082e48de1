/* SPDX-License-Identifier: MIT
 *
 * The opcodes are those of Python's Lib/pickletools.py. What a snapshot never has is named in
 * `foreign`, so that the error can say what it was.
 */
#include "format/ptm_pickle_stack.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_REDUCE = 'R',
    OP_BINUNICODE = 'X',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_APPENDS = 'e',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_SETITEMS = 'u',
    OP_EMPTY_DICT = '}',
    OP_EMPTY_LIST = ']',
    OP_EMPTY_TUPLE = ')',
    OP_PROTO = 0x80,
    OP_NEWOBJ = 0x81,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
};

static const struct {
    uint8_t op;
    const char *text;
} foreign[] = {
    {'G', "a float"},
    {'F', "a float"},
    {'B', "bytes"},
    {'C', "bytes"},
    {'T', "bytes"},
    {'U', "bytes"},
    {'S', "bytes"},
    {0x8e, "bytes"},
    {0x96, "a bytearray"},
    {0x97, "a buffer outside of the file"},
    {0x98, "a buffer"},
    {0x8b, "a number of more than 64 bits"},
    {0x8f, "a set"},
    {0x90, "a set"},
    {0x91, "a frozenset"},
    {'P', "a persistent id"},
    {'Q', "a persistent id"},
    {0x82, "a name from copyreg's registry"},
    {0x83, "a name from copyreg's registry"},
    {0x84, "a name from copyreg's registry"},
    {'i', "a call of a class"},
    {'o', "a call of a class"},
    {0x92, "a call with keywords"},
};

/* -- errors ------------------------------------------------------------------------------------ */

bool
ptm_pickle_refuse(ptm_pickle *p, const char *format, ...)
{
    if (p->err == PTM_OK) {
        char what[160];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof(what), format, args);
        va_end(args);
        p->err = PTM_EFORMAT;
        snprintf(p->why->text, sizeof(p->why->text), "%s (byte %zu)", what,
                 (size_t)(p->op - p->data));
    }
    return false;
}

const char *
ptm_pickle_kind_text(const ptm_pickle_value *value)
{
    static const char *const texts[] = {
        [PTM_PICKLE_NONE] = "None",        [PTM_PICKLE_BOOL] = "a bool",
        [PTM_PICKLE_INT] = "an int",       [PTM_PICKLE_STR] = "a str",
        [PTM_PICKLE_TUPLE] = "a tuple",    [PTM_PICKLE_LIST] = "a list",
        [PTM_PICKLE_DICT] = "a dict",      [PTM_PICKLE_NAME] = "a class",
        [PTM_PICKLE_OBJECT] = "an object",
    };
    return texts[value->kind];
}

static bool
refuse_opcode(ptm_pickle *p, uint8_t op)
{
    for (size_t i = 0; i < PTM_ARRAY_LEN(foreign); i++) {
        if (foreign[i].op == op) {
            return ptm_pickle_refuse(p, "the pickle holds %s, which a snapshot has not",
                                     foreign[i].text);
        }
    }
    return ptm_pickle_refuse(p, "the pickle has the opcode 0x%02x, which a snapshot needs not", op);
}

/* -- the loop ---------------------------------------------------------------------------------- */

static bool
check_protocol(ptm_pickle *p)
{
    uint64_t protocol;
    if (!ptm_pickle_take_number(p, 1, &protocol)) {
        return false;
    }
    return (protocol >= 2 && protocol <= 5)
           || ptm_pickle_refuse(p, "the pickle is of protocol %u: 2 to 5 are known",
                                (unsigned)protocol);
}

/* Frames say nothing that the opcodes do not; one beyond the end says that some are missing. */
static bool
check_frame(ptm_pickle *p)
{
    uint64_t n;
    if (!ptm_pickle_take_number(p, 8, &n)) {
        return false;
    }
    return n <= (uint64_t)(p->end - p->at) || ptm_pickle_refuse(p, "the pickle ends too early");
}

static bool
pop_one(ptm_pickle *p)
{
    size_t n = 0;
    if (ptm_pickle_n_values(&p->stack) == ptm_pickle_fence(p)) { /* as in Python: the mark itself */
        return ptm_pickle_pop_mark(p, &n);
    }
    ptm_pickle_drop(p, 1);
    return true;
}

static bool
pop_marked(ptm_pickle *p)
{
    size_t n = 0;
    bool ok = ptm_pickle_pop_mark(p, &n);
    ptm_pickle_drop(p, ok ? n : 0);
    return ok;
}

static bool
tuple_marked(ptm_pickle *p)
{
    size_t n = 0;
    return ptm_pickle_pop_mark(p, &n) && ptm_pickle_push_tuple(p, n);
}

static bool
use_memo(ptm_pickle *p, unsigned n, bool (*use)(ptm_pickle *, uint64_t))
{
    uint64_t number;
    return ptm_pickle_take_number(p, n, &number) && use(p, number);
}

/* Long: one line per opcode. */
static bool
step(ptm_pickle *p, uint8_t op)
{
    switch (op) {
    case OP_PROTO:
        return check_protocol(p);
    case OP_FRAME:
        return check_frame(p);
    case OP_MARK:
        return ptm_pickle_put_mark(p);
    case OP_POP:
        return pop_one(p);
    case OP_POP_MARK:
        return pop_marked(p);
    case OP_NONE:
        return ptm_pickle_push_kind(p, PTM_PICKLE_NONE);
    case OP_NEWTRUE:
    case OP_NEWFALSE:
        return ptm_pickle_push_kind(p, PTM_PICKLE_BOOL);
    case OP_BININT:
        return ptm_pickle_push_number(p, 4);
    case OP_BININT1:
        return ptm_pickle_push_number(p, 1);
    case OP_BININT2:
        return ptm_pickle_push_number(p, 2);
    case OP_LONG1:
        return ptm_pickle_push_long(p);
    case OP_SHORT_BINUNICODE:
        return ptm_pickle_push_text(p, 1);
    case OP_BINUNICODE:
        return ptm_pickle_push_text(p, 4);
    case OP_BINUNICODE8:
        return ptm_pickle_push_text(p, 8);
    case OP_EMPTY_TUPLE:
        return ptm_pickle_push_tuple(p, 0);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
        return ptm_pickle_push_tuple(p, (size_t)(op - OP_TUPLE1) + 1);
    case OP_TUPLE:
        return tuple_marked(p);
    case OP_EMPTY_LIST:
        return ptm_pickle_push_container(p, PTM_PICKLE_LIST, 0);
    case OP_EMPTY_DICT:
        return ptm_pickle_push_container(p, PTM_PICKLE_DICT, 0);
    case OP_APPEND:
        return ptm_pickle_put_in(p, PTM_PICKLE_LIST, 1);
    case OP_APPENDS:
        return ptm_pickle_put_in_marked(p, PTM_PICKLE_LIST);
    case OP_SETITEM:
        return ptm_pickle_put_in(p, PTM_PICKLE_DICT, 2);
    case OP_SETITEMS:
        return ptm_pickle_put_in_marked(p, PTM_PICKLE_DICT);
    case OP_MEMOIZE:
        return ptm_pickle_memoize(p, ptm_pickle_n_values(&p->memo));
    case OP_BINPUT:
        return use_memo(p, 1, ptm_pickle_memoize);
    case OP_LONG_BINPUT:
        return use_memo(p, 4, ptm_pickle_memoize);
    case OP_BINGET:
        return use_memo(p, 1, ptm_pickle_recall);
    case OP_LONG_BINGET:
        return use_memo(p, 4, ptm_pickle_recall);
    case OP_GLOBAL:
        return ptm_pickle_push_line_name(p);
    case OP_STACK_GLOBAL:
        return ptm_pickle_push_stack_name(p);
    case OP_NEWOBJ:
        return ptm_pickle_make_object(p);
    case OP_REDUCE:
        return ptm_pickle_make_by_call(p);
    case OP_BUILD:
        return ptm_pickle_build(p);
    default:
        return refuse_opcode(p, op);
    }
}

bool
ptm_pickle_run(ptm_pickle *p, ptm_pickle_value *result)
{
    do {
        const uint8_t *op = p->op = p->at;
        if (ptm_pickle_take(p, 1) == NULL) {
            return false;
        }
        if (*op == OP_STOP) {
            const ptm_pickle_value *last = ptm_pickle_top(p, 1);
            *result = last == NULL ? (ptm_pickle_value){0} : *last;
            return last != NULL;
        }
    } while (step(p, *p->op));
    return false;
}

void
ptm_pickle_init(ptm_pickle *p, const uint8_t *data, size_t len, ptm_format_why *why)
{
    ptm_pickle_tuple empty = {0};
    ptm_buf *bufs[] = {&p->stack, &p->memo, &p->items, &p->marks, &p->tuples};
    p->data = p->at = p->op = data;
    p->end = data + len;
    p->err = PTM_OK;
    p->why = why;
    p->n_containers = 0;
    for (size_t i = 0; i < PTM_ARRAY_LEN(bufs); i++) {
        ptm_buf_init(bufs[i]);
    }
    ptm_buf_put(&p->tuples, &empty, sizeof(empty));
}

void
ptm_pickle_fini(ptm_pickle *p)
{
    ptm_buf *bufs[] = {&p->stack, &p->memo, &p->items, &p->marks, &p->tuples};
    for (size_t i = 0; i < PTM_ARRAY_LEN(bufs); i++) {
        ptm_buf_fini(bufs[i]);
    }
    for (uint32_t i = 0; i < p->n_containers; i++) {
        ptm_buf_fini(&p->containers[i]);
    }
}

bool
ptm_pickle_failed(const ptm_pickle *p)
{
    bool failed =
        p->stack.failed || p->memo.failed || p->items.failed || p->marks.failed || p->tuples.failed;
    for (uint32_t i = 0; i < p->n_containers; i++) {
        failed = failed || p->containers[i].failed;
    }
    return failed;
}
