/* SPDX-License-Identifier: MIT */
#include "snap/ptm_keys.h"

#include "base/ptm_array.h"
#include "base/ptm_bytes.h"
#include "snap/ptm_ids.h"

#include <stdlib.h>
#include <string.h>

/* A file on its way to its place in the order of names. */
typedef struct {
    const char *name;
    size_t len;
    uint32_t number;
} file;

/* While numbers are given: what has one already, and what each string's is. */
typedef struct {
    ptm_ids by_name, by_line; /* hash -> file number; hash -> line number */
    uint32_t *file_of_string; /* of the side under work; PTM_SNAP_NONE: not a frame's file so far */
    file *files;              /* the distinct ones, of both sides */
    size_t n_files;
} numbering;

static int
compare_files(const void *a, const void *b)
{
    const file *x = a, *y = b;
    return ptm_bytes_compare(x->name, x->len, y->name, y->len);
}

static const file *
find_file(const numbering *num, uint64_t hash, const file *wanted)
{
    ptm_ids_probe probe = ptm_ids_find(&num->by_name, hash);
    while (ptm_ids_next(&num->by_name, &probe)) {
        if (compare_files(&num->files[probe.id], wanted) == 0) {
            return &num->files[probe.id];
        }
    }
    return NULL;
}

static bool
number_file(const ptm_keys *keys, int side, numbering *num, ptm_str_id id)
{
    if (num->file_of_string[id] != PTM_SNAP_NONE) {
        return true;
    }
    file wanted = {.number = side == 0 ? id : keys->snap[0]->n_strings + id};
    wanted.name = ptm_snap_string(keys->snap[side], id, &wanted.len);
    uint64_t hash = ptm_ids_hash_bytes(&num->by_name, wanted.name, wanted.len);
    const file *known = find_file(num, hash, &wanted);
    if (known == NULL) {
        if (!ptm_ids_put(&num->by_name, hash, (uint32_t)num->n_files)) {
            return false;
        }
        known = &num->files[num->n_files];
        num->files[num->n_files++] = wanted;
    }
    num->file_of_string[id] = known->number;
    return true;
}

static bool
number_files(ptm_keys *keys, int side, numbering *num)
{
    const ptm_snap *snap = keys->snap[side];
    memset(num->file_of_string, 0xff, snap->n_strings * sizeof(uint32_t));
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        if (!number_file(keys, side, num, snap->frames[i].file)) {
            return false;
        }
        keys->file_of[side][i] = num->file_of_string[snap->frames[i].file];
    }
    return true;
}

static uint64_t
line_hash(uint32_t file_number, int32_t lineno)
{
    return ptm_mix64((uint64_t)file_number << 32 | (uint32_t)lineno);
}

static bool
number_new_lines(ptm_keys *keys, numbering *num)
{
    const ptm_snap *snap = keys->snap[0];
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        uint32_t key = snap->frames[i].line_key;
        keys->line_of[0][i] = key;
        keys->twins |= key != i;
        if (keys->snap[1] != NULL && key == i
            && !ptm_ids_put(&num->by_line, line_hash(keys->file_of[0][i], snap->frames[i].lineno),
                            i)) {
            return false;
        }
    }
    return true;
}

static uint32_t
old_line(const ptm_keys *keys, const numbering *num, uint32_t key)
{
    const ptm_snap *snap = keys->snap[0];
    uint32_t file_number = keys->file_of[1][key];
    int32_t lineno = keys->snap[1]->frames[key].lineno;
    ptm_ids_probe probe = ptm_ids_find(&num->by_line, line_hash(file_number, lineno));
    while (ptm_ids_next(&num->by_line, &probe)) {
        if (snap->frames[probe.id].lineno == lineno && keys->file_of[0][probe.id] == file_number) {
            return probe.id;
        }
    }
    return snap->n_frames + key;
}

static void
number_old_lines(ptm_keys *keys, const numbering *num)
{
    const ptm_snap *snap = keys->snap[1];
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        uint32_t key = snap->frames[i].line_key; /* not after i, so it has its number */
        keys->line_of[1][i] = key == i ? old_line(keys, num, i) : keys->line_of[1][key];
        keys->twins |= key != i;
    }
}

/* 1, 2, 3 ... to the files in the order of their names, then to frames. */
static bool
order_frames(ptm_keys *keys, numbering *num)
{
    uint32_t *rank = ptm_array_new(keys->n_files + 1, sizeof(*rank));
    if (rank == NULL) {
        return false;
    }
    qsort(num->files, num->n_files, sizeof(*num->files), compare_files);
    for (size_t i = 0; i < num->n_files; i++) {
        rank[num->files[i].number] = (uint32_t)i + 1;
    }
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        const ptm_snap *snap = keys->snap[side];
        for (uint32_t i = 0; i < snap->n_frames; i++) {
            uint32_t biased = (uint32_t)snap->frames[i].lineno ^ 0x80000000u;
            uint32_t order = rank[keys->file_of[side][i]];
            keys->order_of_file[side][snap->frames[i].file] = order;
            keys->order_of[side][i] = (uint64_t)order << 32 | biased;
        }
    }
    ptm_array_free(rank);
    return true;
}

static bool
number_all(ptm_keys *keys, numbering *num)
{
    if (!number_files(keys, 0, num) || !number_new_lines(keys, num)) {
        return false;
    }
    if (keys->snap[1] != NULL) {
        if (!number_files(keys, 1, num)) {
            return false;
        }
        number_old_lines(keys, num);
    }
    return order_frames(keys, num);
}

static bool
make_room(ptm_keys *keys, numbering *num, size_t most_strings)
{
    bool ok = true;
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        size_t n = (size_t)keys->snap[side]->n_frames + 1;
        keys->file_of[side] = ptm_array_new(n, sizeof(uint32_t));
        keys->line_of[side] = ptm_array_new(n, sizeof(uint32_t));
        keys->order_of[side] = ptm_array_new(n, sizeof(uint64_t));
        keys->order_of_file[side] =
            ptm_array_new(keys->snap[side]->n_strings + (size_t)1, sizeof(uint32_t));
        ok &= keys->file_of[side] && keys->line_of[side] && keys->order_of[side]
              && keys->order_of_file[side];
    }
    num->files = ptm_array_new(keys->n_files + 1, sizeof(*num->files));
    num->file_of_string = ptm_array_new(most_strings + 1, sizeof(uint32_t));
    ok &= ptm_ids_init(&num->by_name, 64);
    ok &= ptm_ids_init(&num->by_line, keys->snap[1] != NULL ? keys->snap[0]->n_frames : 0);
    return ok && num->files != NULL && num->file_of_string != NULL;
}

ptm_err
ptm_keys_init(ptm_keys *keys, const ptm_snap *new_snap, const ptm_snap *old_snap)
{
    numbering num = {0};
    size_t n_old_strings = old_snap == NULL ? 0 : old_snap->n_strings;
    *keys = (ptm_keys){
        .snap = {new_snap, old_snap},
        .n_files = new_snap->n_strings + n_old_strings,
        .n_lines = (size_t)new_snap->n_frames + (old_snap == NULL ? 0 : old_snap->n_frames),
    };
    size_t most = n_old_strings > new_snap->n_strings ? n_old_strings : new_snap->n_strings;
    bool ok = keys->n_files < PTM_SNAP_NONE && keys->n_lines < PTM_SNAP_NONE
              && make_room(keys, &num, most) && number_all(keys, &num);
    if (!ok) {
        ptm_keys_fini(keys);
    }
    ptm_ids_fini(&num.by_name);
    ptm_ids_fini(&num.by_line);
    ptm_array_free(num.files);
    ptm_array_free(num.file_of_string);
    return ok ? PTM_OK : PTM_ENOMEM;
}

void
ptm_keys_fini(ptm_keys *keys)
{
    for (int side = 0; side < 2; side++) {
        ptm_array_free(keys->file_of[side]);
        ptm_array_free(keys->line_of[side]);
        ptm_array_free(keys->order_of[side]);
        ptm_array_free(keys->order_of_file[side]);
    }
    *keys = (ptm_keys){0};
}
