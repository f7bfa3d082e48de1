/* SPDX-License-Identifier: MIT
 *
 * The names that a snapshot's pickle asks for, and the objects that are made by them. Nothing is
 * looked up and nothing is called.
 */
#include "format/ptm_pickle_stack.h"

#include <string.h>

/* -- names ------------------------------------------------------------------------------------- */

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
            return ptm_pickle_push(p, (ptm_pickle_value){.kind = PTM_PICKLE_NAME, .n = i});
        }
    }
    return ptm_pickle_refuse(p, "the pickle asks for %s.%s, which a snapshot needs not",
                             printable_of(module.text, module.len).text,
                             printable_of(name.text, name.len).text);
}

bool
ptm_pickle_push_stack_name(ptm_pickle *p)
{
    const ptm_pickle_value *pair = ptm_pickle_top(p, 2);
    if (pair == NULL) {
        return false;
    }
    if (pair[0].kind != PTM_PICKLE_STR || pair[1].kind != PTM_PICKLE_STR) {
        return ptm_pickle_refuse(p, "the pickle asks for a name that is no str");
    }
    word module = {p->data + pair[0].as.place, pair[0].n};
    word name = {p->data + pair[1].as.place, pair[1].n};
    ptm_pickle_drop(p, 2);
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

bool
ptm_pickle_push_line_name(ptm_pickle *p)
{
    word module, name;
    return take_line(p, &module) && take_line(p, &name) && push_name(p, module, name);
}

/* -- objects ----------------------------------------------------------------------------------- */

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
bool
ptm_pickle_make_object(ptm_pickle *p)
{
    const ptm_pickle_value *pair = ptm_pickle_top(p, 2);
    if (pair == NULL) {
        return false;
    }
    if (!is_class(&pair[0]) || pair[1].kind != PTM_PICKLE_TUPLE || pair[1].as.place != 0) {
        return refuse_call(p, &pair[0]);
    }
    uint32_t cls = pair[0].n;
    ptm_pickle_drop(p, 2);
    return ptm_pickle_push_container(p, PTM_PICKLE_OBJECT, cls);
}

/* copyreg._reconstructor(cls, object, None) */
bool
ptm_pickle_make_by_call(ptm_pickle *p)
{
    const ptm_pickle_value *pair = ptm_pickle_top(p, 2);
    if (pair == NULL) {
        return false;
    }
    const ptm_pickle_tuple *args =
        pair[1].kind != PTM_PICKLE_TUPLE ? NULL : &PTM_PICKLE_TUPLES(p)[pair[1].as.place];
    const ptm_pickle_value *arg = args == NULL ? NULL : ptm_pickle_values(&p->items) + args->first;
    if (pair[0].kind != PTM_PICKLE_NAME || pair[0].n != PTM_PICKLE_RECONSTRUCTOR || args == NULL
        || args->n != 3 || !is_class(&arg[0]) || arg[1].kind != PTM_PICKLE_NAME
        || arg[1].n != PTM_PICKLE_BARE_OBJECT || arg[2].kind != PTM_PICKLE_NONE) {
        return refuse_call(p, &pair[0]);
    }
    uint32_t cls = arg[0].n;
    ptm_pickle_drop(p, 2);
    return ptm_pickle_push_container(p, PTM_PICKLE_OBJECT, cls);
}

/* object.__dict__.update(state): the object keeps which dict it was, since a copy of its items for
 * each object would not be linear. */
bool
ptm_pickle_build(ptm_pickle *p)
{
    const ptm_pickle_value *pair = ptm_pickle_top(p, 2);
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
    ptm_pickle_drop(p, 1);
    return !to->failed;
}
