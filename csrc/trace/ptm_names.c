/* SPDX-License-Identifier: MIT */
#include "trace/ptm_names.h"

#include <string.h>

#include "base/ptm_hash.h"
#include "base/ptm_index.h"
#include "base/ptm_table.h"

/* -- strings: bytes in pieces that never move, named by records -------------------------------- */

typedef struct {
    uint64_t len;
    const char *bytes;
} string_record;

/* The pieces form a list through their heads, so that they can be given back. */
typedef struct piece {
    struct piece *next;
    size_t bytes; /* of the whole map, this head included */
} piece;

#define STRING_CHUNK_BITS 12
#define FRAME_CHUNK_BITS 12
#define PIECE_BYTES ((size_t)256 << 10)

static ptm_table_directory string_chunks;
static ptm_table strings = PTM_TABLE(string_record, STRING_CHUNK_BITS, string_chunks);
static ptm_index string_index;
static piece *pieces;
static size_t piece_used; /* bytes of the first piece, its head included */

static string_record *
string_at(ptm_str_id id)
{
    return ptm_table_at(string_chunks, id, sizeof(string_record), STRING_CHUNK_BITS);
}

static char *
room_for(size_t len)
{
    if (pieces == NULL || pieces->bytes - piece_used < len) {
        size_t bytes = sizeof(piece) + len > PIECE_BYTES ? sizeof(piece) + len : PIECE_BYTES;
        piece *fresh = ptm_mem_map(bytes);
        if (fresh == NULL) {
            return NULL;
        }
        *fresh = (piece){pieces, bytes};
        pieces = fresh;
        piece_used = sizeof(piece);
    }
    return (char *)pieces + piece_used;
}

static ptm_str_id
find_string(uint32_t hash, const char *bytes, size_t len)
{
    ptm_str_id id;
    for (ptm_probe probe = ptm_probe_start(&string_index, hash);
         (id = ptm_probe_next(&string_index, &probe));) {
        if (string_at(id)->len == len && memcmp(string_at(id)->bytes, bytes, len) == 0) {
            break;
        }
    }
    return id;
}

/* The bytes are written into free room first, and the room is only taken if they are new. */
ptm_str_id
ptm_names_string(size_t len, void (*fill)(void *arg, char *out), void *arg)
{
    char *bytes = room_for(len);
    if (bytes == NULL) {
        return 0;
    }
    fill(arg, bytes);
    uint32_t hash = (uint32_t)ptm_hash_bytes(bytes, len);
    ptm_str_id id = find_string(hash, bytes, len);
    if (id != 0 || (id = ptm_table_new(&strings)) == 0) {
        return id;
    }
    if (!ptm_index_put(&string_index, hash, id)) {
        ptm_table_drop(&strings, id);
        return 0;
    }
    *string_at(id) = (string_record){len, bytes};
    piece_used += len;
    return id;
}

const char *
ptm_names_bytes(ptm_str_id id, size_t *len)
{
    *len = (size_t)string_at(id)->len;
    return string_at(id)->bytes;
}

static void
clear_pieces(void)
{
    while (pieces != NULL) {
        piece *next = pieces->next;
        ptm_mem_unmap(pieces, pieces->bytes);
        pieces = next;
    }
}

/* -- frames ------------------------------------------------------------------------------------ */

static ptm_table_directory frame_chunks;
static ptm_table frames = PTM_TABLE(ptm_frame, FRAME_CHUNK_BITS, frame_chunks);
static ptm_index frame_index;

static ptm_frame *
frame_at(ptm_frame_id id)
{
    return ptm_table_at(frame_chunks, id, sizeof(ptm_frame), FRAME_CHUNK_BITS);
}

static bool
same_frame(const ptm_frame *a, const ptm_frame *b)
{
    return a->file == b->file && a->name == b->name && a->lineno == b->lineno;
}

static void
merge_positions(ptm_frame *into, const ptm_frame *from)
{
    into->end_lineno = ptm_in_common(into->end_lineno, from->end_lineno);
    into->colno = ptm_in_common(into->colno, from->colno);
    into->end_colno = ptm_in_common(into->end_colno, from->end_colno);
}

ptm_frame_id
ptm_names_frame(const ptm_frame *frame)
{
    uint32_t hash =
        ptm_hash_pair((uint64_t)frame->file << 32 | frame->name, (uint32_t)frame->lineno);
    ptm_frame_id id;
    for (ptm_probe probe = ptm_probe_start(&frame_index, hash);
         (id = ptm_probe_next(&frame_index, &probe));) {
        if (same_frame(frame_at(id), frame)) {
            merge_positions(frame_at(id), frame);
            return id;
        }
    }
    id = ptm_table_new(&frames);
    if (id != 0 && !ptm_index_put(&frame_index, hash, id)) {
        ptm_table_drop(&frames, id);
        return 0;
    }
    if (id != 0) {
        *frame_at(id) = *frame;
    }
    return id;
}

const ptm_frame *
ptm_names_frame_at(ptm_frame_id id)
{
    return frame_at(id);
}

uint32_t
ptm_names_frame_end(void)
{
    return frames.used;
}

void
ptm_names_clear(void)
{
    ptm_index_clear(&string_index);
    ptm_table_clear(&strings);
    clear_pieces();
    ptm_index_clear(&frame_index);
    ptm_table_clear(&frames);
}

void
ptm_names_visit(ptm_mem_visit visit, void *arg)
{
    ptm_index_visit(&string_index, visit, arg);
    ptm_table_visit(&strings, visit, arg);
    for (const piece *p = pieces; p != NULL; p = p->next) {
        visit(arg, p, p->bytes);
    }
    ptm_index_visit(&frame_index, visit, arg);
    ptm_table_visit(&frames, visit, arg);
}
