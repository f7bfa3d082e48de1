/* SPDX-License-Identifier: MIT */
#include "snap/ptm_modules.h"

#include "base/ptm_array.h"
#include "base/ptm_buf.h"
#include "snap/ptm_ids.h"
#include "snap/ptm_snap_box.h"

#include <stdlib.h>
#include <string.h>

typedef ptm_modules_path path;

/* While names are given. */
typedef struct {
    const ptm_modules_search *search;
    ptm_buf folder_text; /* the folders as `put_path` writes them, one after the other */
    path *folders;       /* in it; the longest first */
    size_t n_folders;
    ptm_buf file, name;  /* scratch: of the file under work */
    ptm_buf names;       /* the distinct names, one after the other */
    ptm_buf name_ends;   /* uint64_t per name: where it ends in `names` */
    ptm_ids by_name;     /* hash -> index */
    ptm_str_id *modules; /* by string */
    uint32_t n_strings;  /* the snapshot's */
} giving;

/* -- paths ------------------------------------------------------------------------------------- */

/* A slash and a part, for every part that counts: "/usr/lib", and nothing for the root. */
static void
put_parts(ptm_buf *out, path p)
{
    const char *at = p.text, *end = p.text + p.len;
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t len = (size_t)((slash == NULL ? end : slash) - at);
        if (len != 0 && !(len == 1 && *at == '.')) {
            ptm_buf_put_byte(out, '/');
            ptm_buf_put(out, at, len);
        }
        at += len + 1;
    }
}

/* The path as an absolute one; false if that cannot be told. */
static bool
put_path(ptm_buf *out, path p, path current)
{
    if (p.len == 0 || p.text[0] != '/') {
        if (current.len == 0) {
            return false;
        }
        put_parts(out, current);
    }
    put_parts(out, p);
    return true;
}

static int
longer_first(const void *a, const void *b)
{
    const path *x = a, *y = b;
    return (x->len < y->len) - (x->len > y->len);
}

static bool
prepare_folders(giving *g)
{
    const ptm_modules_search *search = g->search;
    g->folders = ptm_array_new(search->n_folders + 1, sizeof(*g->folders));
    if (g->folders == NULL) {
        return false;
    }
    for (size_t i = 0; i < search->n_folders; i++) {
        size_t before = g->folder_text.len;
        if (put_path(&g->folder_text, search->folders[i], search->current)) {
            g->folders[g->n_folders++].len = g->folder_text.len - before;
        }
    }
    const char *text = (const char *)g->folder_text.data; /* final: it moved while it grew */
    for (size_t i = 0; i < g->n_folders; i++) {
        g->folders[i].text = text;
        text += g->folders[i].len;
    }
    qsort(g->folders, g->n_folders, sizeof(*g->folders), longer_first);
    return !g->folder_text.failed;
}

/* -- names ------------------------------------------------------------------------------------- */

static bool
in_a_name(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'
           || c >= 0x80;
}

/* The parts of `text` between separators, joined by dots; false if they are no names. */
static bool
put_dotted(ptm_buf *out, path text, char separator)
{
    bool part_is_empty = true;
    for (size_t i = 0; i < text.len; i++) {
        bool ends = text.text[i] == separator;
        if (ends ? part_is_empty : !in_a_name((unsigned char)text.text[i])) {
            return false;
        }
        part_is_empty = ends;
        ptm_buf_put_byte(out, ends ? '.' : (uint8_t)text.text[i]);
    }
    return !part_is_empty;
}

static bool
starts_with(path p, path prefix)
{
    return p.len >= prefix.len && (prefix.len == 0 || memcmp(p.text, prefix.text, prefix.len) == 0);
}

/* Takes the ending off; false if the path has another one. */
static bool
cut_ending(path *p, const char *ending)
{
    size_t len = strlen(ending);
    if (p->len < len || memcmp(p->text + p->len - len, ending, len) != 0) {
        return false;
    }
    p->len -= len;
    return true;
}

static bool
put_name_in_folder(ptm_buf *out, path rest)
{
    if (!cut_ending(&rest, ".py") && !cut_ending(&rest, ".pyc")) {
        return false;
    }
    cut_ending(&rest, "/__init__");
    bool nameless = rest.len == strlen("__init__") && memcmp(rest.text, "__init__", rest.len) == 0;
    return !nameless && put_dotted(out, rest, '/');
}

static bool
put_frozen_name(ptm_buf *out, path file)
{
    static const path prefix = {"<frozen ", 8};
    if (!starts_with(file, prefix)) {
        return false;
    }
    return put_dotted(out, (path){file.text + prefix.len, file.len - prefix.len - 1}, '.');
}

/* The name in g->name; false: there is none. */
static bool
find_name(giving *g, path file)
{
    g->name.len = g->file.len = 0;
    if (file.len > 1 && file.text[0] == '<' && file.text[file.len - 1] == '>') {
        return put_frozen_name(&g->name, file);
    }
    if (!put_path(&g->file, file, g->search->current)) {
        return false;
    }
    path whole = {(const char *)g->file.data, g->file.len};
    for (size_t i = 0; i < g->n_folders; i++) {
        size_t len = g->folders[i].len;
        if (whole.len > len && whole.text[len] == '/' && starts_with(whole, g->folders[i])) {
            return put_name_in_folder(&g->name, (path){whole.text + len + 1, whole.len - len - 1});
        }
    }
    return false;
}

/* -- giving ------------------------------------------------------------------------------------ */

static path
name_at(const giving *g, uint32_t index)
{
    const uint64_t *ends = (const uint64_t *)(const void *)g->name_ends.data;
    uint64_t start = index == 0 ? 0 : ends[index - 1];
    return (path){(const char *)g->names.data + start, (size_t)(ends[index] - start)};
}

/* The index of g->name among the distinct names. False: no memory. */
static bool
intern_name(giving *g, uint32_t *index)
{
    uint64_t hash = ptm_ids_hash_bytes(&g->by_name, g->name.data, g->name.len);
    ptm_ids_probe probe = ptm_ids_find(&g->by_name, hash);
    while (ptm_ids_next(&g->by_name, &probe)) {
        path known = name_at(g, probe.id);
        if (known.len == g->name.len && memcmp(known.text, g->name.data, known.len) == 0) {
            *index = probe.id;
            return true;
        }
    }
    *index = (uint32_t)(g->name_ends.len / sizeof(uint64_t));
    ptm_buf_put(&g->names, g->name.data, g->name.len);
    uint64_t end = g->names.len;
    ptm_buf_put(&g->name_ends, &end, sizeof(end));
    return !g->names.failed && !g->name_ends.failed && *index < PTM_SNAP_NONE - 1 - g->n_strings
           && ptm_ids_put(&g->by_name, hash, *index);
}

static bool
give_names(giving *g, const ptm_snap *snap)
{
    enum { UNSEEN = UINT32_MAX - 1 };
    for (uint32_t i = 0; i < snap->n_strings; i++) {
        g->modules[i] = UNSEEN;
    }
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        ptm_str_id *module = &g->modules[snap->frames[i].file];
        path file;
        if (*module != UNSEEN) {
            continue;
        }
        *module = PTM_SNAP_NONE;
        file.text = ptm_snap_string(snap, snap->frames[i].file, &file.len);
        if (find_name(g, file)) {
            if (!intern_name(g, module)) {
                return false;
            }
            *module += snap->n_strings;
        }
    }
    for (uint32_t i = 0; i < snap->n_strings; i++) {
        g->modules[i] = g->modules[i] == UNSEEN ? PTM_SNAP_NONE : g->modules[i];
    }
    return !g->file.failed && !g->name.failed;
}

/* Puts the names behind the snapshot's strings. Arrays that grew stay grown if a later one cannot:
 * they hold what they held. */
static bool
append_strings(giving *g, ptm_snap_box *box)
{
    ptm_snap *snap = &box->snap;
    size_t n_names = g->name_ends.len / sizeof(uint64_t), n = snap->n_strings + n_names;
    uint64_t start = snap->str_offset[snap->n_strings];
    uint64_t *offsets = ptm_array_resize(box->owned[PTM_OWNED_OFFSETS], n + 1, sizeof(*offsets));
    snap->str_offset = box->owned[PTM_OWNED_OFFSETS] =
        offsets == NULL ? box->owned[PTM_OWNED_OFFSETS] : offsets;
    char *bytes =
        ptm_array_resize(box->owned[PTM_OWNED_BYTES], (size_t)start + g->names.len + 1, 1);
    snap->str_bytes = box->owned[PTM_OWNED_BYTES] =
        bytes == NULL ? box->owned[PTM_OWNED_BYTES] : bytes;
    ptm_str_id *modules = ptm_array_resize(g->modules, n + 1, sizeof(*modules));
    g->modules = modules == NULL ? g->modules : modules;
    if (offsets == NULL || bytes == NULL || modules == NULL) {
        return false;
    }
    if (n_names != 0) {
        memcpy(bytes + start, g->names.data, g->names.len);
    }
    for (size_t i = 0; i < n_names; i++) {
        offsets[snap->n_strings + 1 + i] = start + ((uint64_t *)(void *)g->name_ends.data)[i];
        modules[snap->n_strings + i] = PTM_SNAP_NONE;
    }
    snap->n_strings = (uint32_t)n;
    snap->modules = box->owned[PTM_OWNED_MODULES] = modules;
    g->modules = NULL;
    return true;
}

ptm_err
ptm_modules_give(ptm_snap *snap, const ptm_modules_search *search)
{
    ptm_snap_box *box = (ptm_snap_box *)snap;
    ptm_assert(snap->refs == 1 && box->base == NULL && snap->modules == NULL);
    giving g = {.search = search, .n_strings = snap->n_strings};
    g.modules = ptm_array_new(snap->n_strings + (size_t)1, sizeof(*g.modules));
    bool ok = ptm_ids_init(&g.by_name, 64) && g.modules != NULL && prepare_folders(&g)
              && give_names(&g, snap) && append_strings(&g, box);
    ptm_buf_fini(&g.folder_text);
    ptm_buf_fini(&g.file);
    ptm_buf_fini(&g.name);
    ptm_buf_fini(&g.names);
    ptm_buf_fini(&g.name_ends);
    ptm_ids_fini(&g.by_name);
    ptm_array_free(g.folders);
    ptm_array_free(g.modules);
    return ok ? PTM_OK : PTM_ENOMEM;
}
