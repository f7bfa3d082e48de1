/* SPDX-License-Identifier: MIT
 *
 * metric - the words for which of a site's counts a snapshot shows.
 */
#include "py/state.h"

static const char *const names[] = {
    [PTM_METRIC_LIVE] = "end",
    [PTM_METRIC_PEAK] = "peak",
    [PTM_METRIC_ALLOCATED] = "allocated",
};

const char *
ptm_metric_name(ptm_metric metric)
{
    return names[metric];
}

int
ptm_metric_from_object(PyObject *at, bool allow_allocated, ptm_metric *out)
{
    for (size_t i = 0; i < PTM_ARRAY_LEN(names) && PyUnicode_Check(at); i++) {
        if ((i != PTM_METRIC_ALLOCATED || allow_allocated)
            && PyUnicode_CompareWithASCIIString(at, names[i]) == 0) {
            *out = (ptm_metric)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "unknown at: %R, it must be 'end'%s 'peak'%s", at,
                 allow_allocated ? "," : " or", allow_allocated ? " or 'allocated'" : "");
    return -1;
}
