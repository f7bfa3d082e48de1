/* SPDX-License-Identifier: MIT
 *
 * The opcodes are those of Python's Lib/pickletools.py. What a snapshot never has is named in
 * `foreign`, so that the error can say what it was.
 *
 * Long: one machine, an opcode after the other.
 */
#include "format/ptm_pickle_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* At most 40 characters of a name, whatever is in it. */
typedef struct {
    char text[44];
} printable;

static printable
printable_of(const uint8_t *text, size_t len)
{
    printable out = {""};
    size_t n = len < 40 ? len : 40;
    for (size_t i = 0; i < n; i++) {
        out.text[i] = text[i] >= ' ' && text[i] < 0x7f ? (char)text[i] : '?';
    }
    memcpy(out.text + n, len > n ? "..." : "", len > n ? 3 : 0);
    return out;
}

/* -- data, stack and memo ---------------------------------------------------------------------- */

static const uint8_t *
take(ptm_pickle *p, uint64_t n)
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
static bool
take_number(ptm_pickle *p, unsigned n, uint64_t *number)
{
    const uint8_t *bytes = take(p, n);
    *number = 0;
    for (unsigned i = 0; bytes != NULL && i < n; i++) {
        *number |= (uint64_t)bytes[i] << (8 * i);
    }
    return bytes != NULL;
}

static ptm_pickle_value *
values(const ptm_buf *buf)
{
    return (ptm_pickle_value *)(void *)buf->data;
}

static size_t
n_values(const ptm_buf *buf)
{
    return buf->len / sizeof(ptm_pickle_value);
}

static bool
push(ptm_pickle *p, ptm_pickle_value value)
{
    ptm_buf_put(&p->stack, &value, sizeof(value));
    return !p->stack.failed;
}

static bool
push_kind(ptm_pickle *p, ptm_pickle_kind kind)
{
    return push(p, (ptm_pickle_value){.kind = kind});
}

static bool
push_int(ptm_pickle *p, int64_t number)
{
    return push(p, (ptm_pickle_value){.kind = PTM_PICKLE_INT, .as.number = number});
}

/* The stack's height below which only what takes a mark may go. */
static size_t
fence(const ptm_pickle *p)
{
    size_t n = p->marks.len / sizeof(uint64_t);
    return n == 0 ? 0 : (size_t)((const uint64_t *)(const void *)p->marks.data)[n - 1];
}

/* The topmost n values, which stay. */
static ptm_pickle_value *
top(ptm_pickle *p, size_t n)
{
    size_t height = n_values(&p->stack);
    if (height - fence(p) < n) {
        ptm_pickle_refuse(p, "the pickle takes a value that is not there");
        return NULL;
    }
    return values(&p->stack) + (height - n);
}

static void
drop(ptm_pickle *p, size_t n)
{
    p->stack.len -= n * sizeof(ptm_pickle_value);
}

/* Takes the last mark away; *n values are above it. */
static bool
pop_mark(ptm_pickle *p, size_t *n)
{
    if (p->marks.len == 0) {
        return ptm_pickle_refuse(p, "the pickle takes a mark that is not there");
    }
    *n = n_values(&p->stack) - fence(p);
    p->marks.len -= sizeof(uint64_t);
    return true;
}

static bool
put_mark(ptm_pickle *p)
{
    uint64_t height = n_values(&p->stack);
    ptm_buf_put(&p->marks, &height, sizeof(height));
    return !p->marks.failed;
}

/* Every pickler counts its numbers up; a great one would be a great memo. */
static bool
memoize(ptm_pickle *p, uint64_t number)
{
    const ptm_pickle_value *value = top(p, 1);
    size_t n = n_values(&p->memo);
    if (value == NULL || number > n) {
        return value != NULL
               && ptm_pickle_refuse(p, "the memo's number %llu is out of order",
                                    (unsigned long long)number);
    }
    if (number == n) {
        ptm_buf_put(&p->memo, value, sizeof(*value));
    }
    else {
        values(&p->memo)[number] = *value;
    }
    return !p->memo.failed;
}

static bool
recall(ptm_pickle *p, uint64_t number)
{
    if (number >= n_values(&p->memo)) {
        return ptm_pickle_refuse(p, "nothing has the memo's number %llu",
                                 (unsigned long long)number);
    }
    return push(p, values(&p->memo)[number]);
}

/* -- values ------------------------------------------------------------------------------------ */

static bool
push_text(ptm_pickle *p, unsigned length_bytes)
{
    uint64_t n;
    const uint8_t *bytes = take_number(p, length_bytes, &n) ? take(p, n) : NULL;
    if (bytes == NULL || n > UINT32_MAX) {
        return bytes != NULL && ptm_pickle_refuse(p, "a str is longer than any name");
    }
    return push(p, (ptm_pickle_value){.kind = PTM_PICKLE_STR,
                                      .n = (uint32_t)n,
                                      .as.place = (uint64_t)(bytes - p->data)});
}

/* Two's complement in up to 8 bytes. */
static bool
push_long(ptm_pickle *p)
{
    uint64_t n, number;
    if (!take_number(p, 1, &n)) {
        return false;
    }
    if (n > 8) {
        return ptm_pickle_refuse(p, "the pickle holds a number of more than 64 bits");
    }
    if (!take_number(p, (unsigned)n, &number)) {
        return false;
    }
    unsigned missing = 64 - 8 * (unsigned)n;
    return push_int(p, n == 0 ? 0 : (int64_t)(number << missing) >> missing);
}

static bool
push_number(ptm_pickle *p, unsigned n)
{
    uint64_t number;
    if (!take_number(p, n, &number)) {
        return false;
    }
    return push_int(p, n == 4 ? (int32_t)(uint32_t)number : (int64_t)number);
}

static bool
push_tuple(ptm_pickle *p, size_t n)
{
    const ptm_pickle_value *first = n == 0 ? NULL : top(p, n);
    ptm_pickle_tuple tuple = {.first = n_values(&p->items), .n = (uint32_t)n};
    if ((n != 0 && first == NULL) || n > UINT32_MAX) {
        return false;
    }
    ptm_pickle_value value = {.kind = PTM_PICKLE_TUPLE};
    if (n != 0) {
        value.as.place = p->tuples.len / sizeof(tuple);
        ptm_buf_put(&p->items, first, n * sizeof(*first));
        ptm_buf_put(&p->tuples, &tuple, sizeof(tuple));
        drop(p, n);
    }
    return !p->items.failed && !p->tuples.failed && push(p, value);
}

static bool
push_container(ptm_pickle *p, ptm_pickle_kind kind, uint32_t n)
{
    if (p->n_containers == PTM_PICKLE_CONTAINERS) {
        return ptm_pickle_refuse(p, "the pickle holds more than %d lists, dicts and objects",
                                 PTM_PICKLE_CONTAINERS);
    }
    ptm_buf_init(&p->containers[p->n_containers]);
    return push(p, (ptm_pickle_value){.kind = kind, .n = n, .as.place = p->n_containers++});
}

/* The topmost n values go into the list or dict below them. */
static bool
put_in(ptm_pickle *p, ptm_pickle_kind kind, size_t n)
{
    const ptm_pickle_value *below = top(p, n + 1);
    if (below == NULL) {
        return false;
    }
    if (below->kind != kind || (kind == PTM_PICKLE_DICT && n % 2 != 0)) {
        return ptm_pickle_refuse(p, "the pickle puts items into %s", ptm_pickle_kind_text(below));
    }
    ptm_buf *to = &p->containers[below->as.place];
    ptm_buf_put(to, below + 1, n * sizeof(*below));
    drop(p, n);
    return !to->failed;
}

static bool
put_in_marked(ptm_pickle *p, ptm_pickle_kind kind)
{
    size_t n = 0;
    return pop_mark(p, &n) && put_in(p, kind, n);
}

/* -- names and objects ------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *text;
    size_t len;
} word;

static bool
is_word(word w, const char *text)
{
    return w.len == strlen(text) && memcmp(w.text, text, w.len) == 0;
}

/* The second spelling is that of protocol 2, which writes Python 2's names. */
static bool
push_name(ptm_pickle *p, word module, word name)
{
    static const struct {
        const char *module, *old_module, *name;
    } known[] = {
        [PTM_PICKLE_SNAPSHOT] = {"tracemalloc", "tracemalloc", "Snapshot"},
        [PTM_PICKLE_TRACES] = {"tracemalloc", "tracemalloc", "_Traces"},
        [PTM_PICKLE_RECONSTRUCTOR] = {"copyreg", "copy_reg", "_reconstructor"},
        [PTM_PICKLE_BARE_OBJECT] = {"builtins", "__builtin__", "object"},
    };
    for (uint32_t i = 0; i < PTM_ARRAY_LEN(known); i++) {
        if (is_word(name, known[i].name)
            && (is_word(module, known[i].module) || is_word(module, known[i].old_module))) {
            return push(p, (ptm_pickle_value){.kind = PTM_PICKLE_NAME, .n = i});
        }
    }
    return ptm_pickle_refuse(p, "the pickle asks for %s.%s, which a snapshot needs not",
                             printable_of(module.text, module.len).text,
                             printable_of(name.text, name.len).text);
}

static bool
push_stack_name(ptm_pickle *p)
{
    const ptm_pickle_value *pair = top(p, 2);
    if (pair == NULL) {
        return false;
    }
    if (pair[0].kind != PTM_PICKLE_STR || pair[1].kind != PTM_PICKLE_STR) {
        return ptm_pickle_refuse(p, "the pickle asks for a name that is no str");
    }
    word module = {p->data + pair[0].as.place, pair[0].n};
    word name = {p->data + pair[1].as.place, pair[1].n};
    drop(p, 2);
    return push_name(p, module, name);
}

static bool
take_line(ptm_pickle *p, word *line)
{
    const uint8_t *end = memchr(p->at, '\n', (size_t)(p->end - p->at));
    if (end == NULL) {
        return ptm_pickle_refuse(p, "the pickle ends too early");
    }
    *line = (word){p->at, (size_t)(end - p->at)};
    p->at = end + 1;
    return true;
}

static bool
push_line_name(ptm_pickle *p)
{
    word module, name;
    return take_line(p, &module) && take_line(p, &name) && push_name(p, module, name);
}

static bool
is_class(const ptm_pickle_value *value)
{
    return value->kind == PTM_PICKLE_NAME
           && (value->n == PTM_PICKLE_SNAPSHOT || value->n == PTM_PICKLE_TRACES);
}

static bool
refuse_call(ptm_pickle *p, const ptm_pickle_value *callable)
{
    static const char *const texts[] = {
        [PTM_PICKLE_SNAPSHOT] = "tracemalloc.Snapshot",
        [PTM_PICKLE_TRACES] = "tracemalloc._Traces",
        [PTM_PICKLE_RECONSTRUCTOR] = "copyreg._reconstructor",
        [PTM_PICKLE_BARE_OBJECT] = "builtins.object",
    };
    const char *what =
        callable->kind == PTM_PICKLE_NAME ? texts[callable->n] : ptm_pickle_kind_text(callable);
    return ptm_pickle_refuse(p, "the pickle calls %s as a snapshot's does not", what);
}

/* cls.__new__(cls) */
static bool
make_object(ptm_pickle *p)
{
    const ptm_pickle_value *pair = top(p, 2);
    if (pair == NULL) {
        return false;
    }
    if (!is_class(&pair[0]) || pair[1].kind != PTM_PICKLE_TUPLE || pair[1].as.place != 0) {
        return refuse_call(p, &pair[0]);
    }
    uint32_t cls = pair[0].n;
    drop(p, 2);
    return push_container(p, PTM_PICKLE_OBJECT, cls);
}

/* copyreg._reconstructor(cls, object, None) */
static bool
make_by_call(ptm_pickle *p)
{
    const ptm_pickle_value *pair = top(p, 2);
    if (pair == NULL) {
        return false;
    }
    const ptm_pickle_tuple *args =
        pair[1].kind != PTM_PICKLE_TUPLE ? NULL : &PTM_PICKLE_TUPLES(p)[pair[1].as.place];
    const ptm_pickle_value *arg = args == NULL ? NULL : values(&p->items) + args->first;
    if (pair[0].kind != PTM_PICKLE_NAME || pair[0].n != PTM_PICKLE_RECONSTRUCTOR || args == NULL
        || args->n != 3 || !is_class(&arg[0]) || arg[1].kind != PTM_PICKLE_NAME
        || arg[1].n != PTM_PICKLE_BARE_OBJECT || arg[2].kind != PTM_PICKLE_NONE) {
        return refuse_call(p, &pair[0]);
    }
    uint32_t cls = arg[0].n;
    drop(p, 2);
    return push_container(p, PTM_PICKLE_OBJECT, cls);
}

/* object.__dict__.update(state): the object keeps which dict it was, since a copy of its items for
 * each object would not be linear. */
static bool
build(ptm_pickle *p)
{
    const ptm_pickle_value *pair = top(p, 2);
    if (pair == NULL) {
        return false;
    }
    if (pair[0].kind != PTM_PICKLE_OBJECT || pair[1].kind != PTM_PICKLE_DICT) {
        return ptm_pickle_refuse(p, "the pickle makes %s the state of %s",
                                 ptm_pickle_kind_text(&pair[1]), ptm_pickle_kind_text(&pair[0]));
    }
    ptm_buf *to = &p->containers[pair[0].as.place];
    if (to->len != 0) {
        return ptm_pickle_refuse(p, "the pickle gives one object its state twice");
    }
    ptm_buf_put(to, &pair[1], sizeof(pair[1]));
    drop(p, 1);
    return !to->failed;
}

/* -- the loop ---------------------------------------------------------------------------------- */

static bool
check_protocol(ptm_pickle *p)
{
    uint64_t protocol;
    if (!take_number(p, 1, &protocol)) {
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
    if (!take_number(p, 8, &n)) {
        return false;
    }
    return n <= (uint64_t)(p->end - p->at) || ptm_pickle_refuse(p, "the pickle ends too early");
}

static bool
pop_one(ptm_pickle *p)
{
    size_t n = 0;
    if (n_values(&p->stack) == fence(p)) { /* as in Python: the mark itself */
        return pop_mark(p, &n);
    }
    drop(p, 1);
    return true;
}

static bool
pop_marked(ptm_pickle *p)
{
    size_t n = 0;
    bool ok = pop_mark(p, &n);
    drop(p, ok ? n : 0);
    return ok;
}

static bool
tuple_marked(ptm_pickle *p)
{
    size_t n = 0;
    return pop_mark(p, &n) && push_tuple(p, n);
}

static bool
use_memo(ptm_pickle *p, unsigned n, bool (*use)(ptm_pickle *, uint64_t))
{
    uint64_t number;
    return take_number(p, n, &number) && use(p, number);
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
        return put_mark(p);
    case OP_POP:
        return pop_one(p);
    case OP_POP_MARK:
        return pop_marked(p);
    case OP_NONE:
        return push_kind(p, PTM_PICKLE_NONE);
    case OP_NEWTRUE:
    case OP_NEWFALSE:
        return push_kind(p, PTM_PICKLE_BOOL);
    case OP_BININT:
        return push_number(p, 4);
    case OP_BININT1:
        return push_number(p, 1);
    case OP_BININT2:
        return push_number(p, 2);
    case OP_LONG1:
        return push_long(p);
    case OP_SHORT_BINUNICODE:
        return push_text(p, 1);
    case OP_BINUNICODE:
        return push_text(p, 4);
    case OP_BINUNICODE8:
        return push_text(p, 8);
    case OP_EMPTY_TUPLE:
        return push_tuple(p, 0);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
        return push_tuple(p, (size_t)(op - OP_TUPLE1) + 1);
    case OP_TUPLE:
        return tuple_marked(p);
    case OP_EMPTY_LIST:
        return push_container(p, PTM_PICKLE_LIST, 0);
    case OP_EMPTY_DICT:
        return push_container(p, PTM_PICKLE_DICT, 0);
    case OP_APPEND:
        return put_in(p, PTM_PICKLE_LIST, 1);
    case OP_APPENDS:
        return put_in_marked(p, PTM_PICKLE_LIST);
    case OP_SETITEM:
        return put_in(p, PTM_PICKLE_DICT, 2);
    case OP_SETITEMS:
        return put_in_marked(p, PTM_PICKLE_DICT);
    case OP_MEMOIZE:
        return memoize(p, n_values(&p->memo));
    case OP_BINPUT:
        return use_memo(p, 1, memoize);
    case OP_LONG_BINPUT:
        return use_memo(p, 4, memoize);
    case OP_BINGET:
        return use_memo(p, 1, recall);
    case OP_LONG_BINGET:
        return use_memo(p, 4, recall);
    case OP_GLOBAL:
        return push_line_name(p);
    case OP_STACK_GLOBAL:
        return push_stack_name(p);
    case OP_NEWOBJ:
        return make_object(p);
    case OP_REDUCE:
        return make_by_call(p);
    case OP_BUILD:
        return build(p);
    default:
        return refuse_opcode(p, op);
    }
}

bool
ptm_pickle_run(ptm_pickle *p, ptm_pickle_value *result)
{
    do {
        const uint8_t *op = p->op = p->at;
        if (take(p, 1) == NULL) {
            return false;
        }
        if (*op == OP_STOP) {
            const ptm_pickle_value *last = top(p, 1);
            *result = last == NULL ? (ptm_pickle_value){0} : *last;
            return last != NULL;
        }
    } while (step(p, *p->op));
    return false;
}

void
ptm_pickle_init(ptm_pickle *p, const uint8_t *data, size_t len, ptm_pprof_why *why)
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
