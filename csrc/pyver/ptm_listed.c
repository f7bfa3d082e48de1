/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_listed.h"

#include "pyver/ptm_frames.h"

ptm_listed_type ptm_listed_types[PTM_N_LISTED];

#ifdef PTM_FREE_LISTED
static void
put(const PyTypeObject *type, size_t bytes, size_t each_item)
{
    ptm_listed_type *place = ptm_listed_place(type);
    if (place->type == NULL) {
        *place = (ptm_listed_type){type, (uint32_t)bytes, (uint16_t)ptm_bytes_before(type),
                                   (uint16_t)each_item};
    }
}
#endif

void
ptm_listed_fill(void)
{
#ifdef PTM_FREE_LISTED
    static const PyTypeObject *const types[] = {PTM_FREE_LISTED};
    for (size_t i = 0; i < PTM_ARRAY_LEN(types); i++) {
        put(types[i], (size_t)types[i]->tp_basicsize + ptm_bytes_before(types[i]),
            (size_t)types[i]->tp_itemsize);
    }
#endif
#ifdef PTM_FREE_LISTED_UNSIZED
    put(PTM_FREE_LISTED_UNSIZED, 0, 0);
#endif
}
