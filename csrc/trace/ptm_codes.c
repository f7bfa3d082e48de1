/* SPDX-License-Identifier: MIT */
#include "trace/ptm_codes.h"

#include <string.h>

#include "base/ptm_hash.h"
#include "base/ptm_index.h"
#include "base/ptm_table.h"
#include "pyver/ptm_linetable.h"
#include "pyver/ptm_text.h"
#include "trace/ptm_blocks.h"
#include "trace/ptm_sites.h"

/* A code object that lives. */
typedef struct {
    uint32_t first_pair; /* list through pair.next; first: a dropped record is linked through it */
    ptm_str_id file, name;
    ptm_linetable_place last; /* where the last instruction was found */
    uintptr_t address;
} known_code;

/* An instruction of a code object that lives. */
typedef struct {
    uint32_t next;
    ptm_frame_id frame;
    uintptr_t ip;
} pair;

#define CODE_CHUNK_BITS 11
#define PAIR_CHUNK_BITS 12

static ptm_table_directory code_chunks;
static ptm_table codes = PTM_TABLE(known_code, CODE_CHUNK_BITS, code_chunks);
static ptm_table_directory pair_chunks;
static ptm_table pairs = PTM_TABLE(pair, PAIR_CHUNK_BITS, pair_chunks);
static ptm_index code_index, pair_index;

static known_code *
code_at(uint32_t id)
{
    return ptm_table_at(code_chunks, id, sizeof(known_code), CODE_CHUNK_BITS);
}

static pair *
pair_at(uint32_t id)
{
    return ptm_table_at(pair_chunks, id, sizeof(pair), PAIR_CHUNK_BITS);
}

static uint32_t
hash_of(uintptr_t address)
{
    return ptm_hash_pair(address, 0);
}

static uint32_t
find_code(uintptr_t address)
{
    uint32_t id;
    for (ptm_probe probe = ptm_probe_start(&code_index, hash_of(address));
         (id = ptm_probe_next(&code_index, &probe));) {
        if (code_at(id)->address == address) {
            break;
        }
    }
    return id;
}

static uint32_t
find_pair(uintptr_t ip)
{
    uint32_t id;
    for (ptm_probe probe = ptm_probe_start(&pair_index, hash_of(ip));
         (id = ptm_probe_next(&pair_index, &probe));) {
        if (pair_at(id)->ip == ip) {
            break;
        }
    }
    return id;
}

/* -- names ------------------------------------------------------------------------------------- */

static void
fill_str(void *arg, char *out)
{
    ptm_text_utf8_put(arg, out);
}

static ptm_str_id
intern_str(PyObject *str)
{
    return ptm_names_string(ptm_text_utf8_len(str), fill_str, str);
}

static const char UNKNOWN_FILE[] = "<unknown>";

static void
fill_unknown(void *arg, char *out)
{
    (void)arg;
    memcpy(out, UNKNOWN_FILE, sizeof(UNKNOWN_FILE) - 1);
}

ptm_frame_id
ptm_codes_unknown(void)
{
    ptm_frame frame = {.end_lineno = -1, .colno = -1, .end_colno = -1};
    frame.file = ptm_names_string(sizeof(UNKNOWN_FILE) - 1, fill_unknown, NULL);
    return frame.file == 0 ? 0 : ptm_names_frame(&frame);
}

/* -- codes ------------------------------------------------------------------------------------- */

static uint32_t
add_code(const PyCodeObject *code)
{
    uintptr_t address = (uintptr_t)code;
    known_code fresh = {.file = intern_str(code->co_filename),
                        .name = intern_str(code->co_qualname),
                        .last = {0, 0, code->co_firstlineno},
                        .address = address};
    uint32_t id = fresh.file == 0 || fresh.name == 0 ? 0 : ptm_table_new(&codes);
    if (id == 0) {
        return 0;
    }
    if (!ptm_blocks_mark_code(code) || !ptm_index_put(&code_index, hash_of(address), id)) {
        ptm_table_drop(&codes, id);
        return 0;
    }
    *code_at(id) = fresh;
    return id;
}

static ptm_position
find_position(const PyCodeObject *code, known_code *known, int offset)
{
    const uint8_t *table = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    size_t len = (size_t)PyBytes_GET_SIZE(code->co_linetable);
    if (offset < known->last.from) {
        known->last = (ptm_linetable_place){0, 0, code->co_firstlineno};
    }
    return ptm_linetable_find_on(table, len, &known->last, offset);
}

static ptm_frame_id
decode(const PyCodeObject *code, known_code *known, uintptr_t ip)
{
    int offset = ptm_code_offset(code, ip);
    ptm_position at = {code->co_firstlineno, -1, -1, -1};
    if (offset >= 0) {
        at = find_position(code, known, offset);
    }
    ptm_frame frame = {.file = known->file,
                       .name = known->name,
                       .lineno = at.lineno < 0 ? 0 : at.lineno,
                       .end_lineno = at.end_lineno,
                       .colno = at.colno,
                       .end_colno = at.end_colno};
    return ptm_names_frame(&frame);
}

/* 0: no memory. */
static uint32_t
know(const PyCodeObject *code)
{
    uint32_t id = find_code((uintptr_t)code);
    return id != 0 ? id : add_code(code);
}

bool
ptm_codes_know(const PyCodeObject *code)
{
    return know(code) != 0;
}

static ptm_frame_id
add_pair(const PyCodeObject *code, uintptr_t ip)
{
    uint32_t code_id = know(code);
    ptm_frame_id frame = code_id == 0 ? 0 : decode(code, code_at(code_id), ip);
    uint32_t id = frame == 0 ? 0 : ptm_table_new(&pairs);
    if (id == 0) {
        return 0;
    }
    if (!ptm_index_put(&pair_index, hash_of(ip), id)) {
        ptm_table_drop(&pairs, id);
        return 0;
    }
    *pair_at(id) = (pair){.next = code_at(code_id)->first_pair, .frame = frame, .ip = ip};
    code_at(code_id)->first_pair = id;
    return frame;
}

ptm_frame_id
ptm_codes_frame(const PyCodeObject *code, uintptr_t ip)
{
    uint32_t id = find_pair(ip);
    return id != 0 ? pair_at(id)->frame : add_pair(code, ip);
}

static void
forget_pairs(uint32_t id)
{
    while (id != 0) {
        uint32_t next = pair_at(id)->next;
        ptm_index_remove(&pair_index, hash_of(pair_at(id)->ip), id);
        ptm_table_drop(&pairs, id);
        id = next;
    }
}

bool
ptm_codes_died(const void *code)
{
    uint32_t id = find_code((uintptr_t)code);
    if (id == 0) {
        return false;
    }
    forget_pairs(code_at(id)->first_pair);
    ptm_index_remove(&code_index, hash_of((uintptr_t)code), id);
    ptm_table_drop(&codes, id);
    return true;
}

void
ptm_codes_clear(void)
{
    ptm_index_clear(&code_index);
    ptm_index_clear(&pair_index);
    ptm_table_clear(&codes);
    ptm_table_clear(&pairs);
}

void
ptm_codes_visit(ptm_mem_visit visit, void *arg)
{
    ptm_index_visit(&code_index, visit, arg);
    ptm_index_visit(&pair_index, visit, arg);
    ptm_table_visit(&codes, visit, arg);
    ptm_table_visit(&pairs, visit, arg);
}
