/* SPDX-License-Identifier: MIT */
#include "pyver/ptm_listed.h"

#include "pyver/ptm_frames.h"

ptm_listed_type ptm_listed_types[PTM_N_LISTED];

void
ptm_listed_fill(void)
{
#ifdef PTM_FREE_LISTED
    static const PyTypeObject *const types[] = {PTM_FREE_LISTED};
    for (size_t i = 0; i < PTM_ARRAY_LEN(types); i++) {
        ptm_listed_type *place = ptm_listed_place(types[i]);
        size_t before = ptm_bytes_before(types[i]);
        if (place->type == NULL) {
            *place =
                (ptm_listed_type){types[i], (uint32_t)((size_t)types[i]->tp_basicsize + before),
                                  (uint16_t)before, (uint16_t)types[i]->tp_itemsize};
        }
    }
#endif
}
