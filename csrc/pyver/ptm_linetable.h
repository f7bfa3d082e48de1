/* SPDX-License-Identifier: MIT
 *
 * ptm_linetable - positions of an instruction, from the bytes of co_linetable.
 *
 * How       the format of CPython 3.11 to 3.15 (Objects/locations.md,
 *           InternalDocs/code_objects.md): one entry a run of code units, a head byte
 *           1|code:4|length-1:3, then varints of six bits a byte
 * Threads   a pure function
 * Failure   bytes that end early, or an offset behind the last entry: everything unknown
 * Cost      linear in the entries before the offset
 */
#ifndef PTM_LINETABLE_H
#define PTM_LINETABLE_H

#include "base/ptm_base.h"

typedef struct {
    int32_t lineno, end_lineno; /* -1: none, as co_positions() has None */
    int32_t colno, end_colno;   /* UTF-8 bytes from the start of the line; -1: none */
} ptm_position;

/* Where an entry begins. {0, 0, firstlineno}: the first one. */
typedef struct {
    uint32_t at;  /* byte of the table */
    int32_t from; /* offset of the first instruction that it is about */
    int32_t line; /* the running line number */
} ptm_linetable_place;

/* offset: in bytes from the first instruction. From the first entry on: for tests. */
ptm_position ptm_linetable_find(const uint8_t *table, size_t len, int firstlineno, int offset);
/* The same for an offset at or behind place->from; *place becomes the entry it was found in. Code
 * runs forward, mostly: so a table is read once, not once for every instruction. */
ptm_position ptm_linetable_find_on(const uint8_t *table, size_t len, ptm_linetable_place *place,
                                   int offset);

#endif
