/* SPDX-License-Identifier: MIT
 *
 * ptm_listed - where is the block of an object that waited in a free list, and how large?
 *
 * How       A table of the types that have free lists, by the address of the type: one comparison
 *           tells, whichever of them it is, before the old site of the block is at hand. Where two
 *           types want one place the second is left out: its blocks are asked for their site.
 * Threads   filled once, before anybody is told of objects
 * Failure   NULL: not known
 */
#ifndef PTM_LISTED_H
#define PTM_LISTED_H

#include <Python.h>

#include "base/ptm_base.h"

typedef struct {
    const PyTypeObject *type;   /* NULL: empty */
    uint32_t bytes;             /* of a block without items; 0: of several sizes */
    uint16_t before, each_item; /* bytes of it before the object; and of an item */
} ptm_listed_type;

#define PTM_N_LISTED 256u /* 4 kB, of which a line or two for each type is in use */

PTM_EXTERN ptm_listed_type ptm_listed_types[PTM_N_LISTED];

void ptm_listed_fill(void);

static PTM_ALWAYS_INLINE ptm_listed_type *
ptm_listed_place(const PyTypeObject *type)
{
    return &ptm_listed_types[((uintptr_t)type >> 5) % PTM_N_LISTED];
}

/* NULL: not known. */
static PTM_ALWAYS_INLINE const ptm_listed_type *
ptm_listed_of(const PyObject *object)
{
    const ptm_listed_type *listed = ptm_listed_place(Py_TYPE(object));
    return PTM_LIKELY(listed->type == Py_TYPE(object)) ? listed : NULL;
}

static PTM_ALWAYS_INLINE const void *
ptm_listed_block(const ptm_listed_type *listed, const PyObject *object)
{
    return (const char *)object - listed->before;
}

/* What the block was requested with; 0: its site knows. */
static PTM_ALWAYS_INLINE size_t
ptm_listed_bytes(const ptm_listed_type *listed, const PyObject *object)
{
    size_t items = (size_t)((const PyVarObject *)object)->ob_size; /* anything if they have none */
    return listed->bytes + listed->each_item * items;
}

#endif
