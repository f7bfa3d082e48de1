/* SPDX-License-Identifier: MIT
 *
 * metric - the words for which of a site's counts a snapshot shows, or is asked for.
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

static const char *const words[] = {
    [PTM_METRIC_LIVE] = "live",
    [PTM_METRIC_PEAK] = "peak",
    [PTM_METRIC_ALLOCATED] = "allocated",
    [PTM_METRIC_FREED] = "freed",
};

int
ptm_metric_from_word(PyObject *word, ptm_metric *out)
{
    for (size_t i = 0; i < PTM_ARRAY_LEN(words) && PyUnicode_Check(word); i++) {
        if (PyUnicode_CompareWithASCIIString(word, words[i]) == 0) {
            *out = (ptm_metric)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "unknown metric: %R, it must be 'live', 'peak', 'allocated' or 'freed'", word);
    return -1;
}

int
ptm_metric_check(const ptm_view *view, ptm_metric metric)
{
    if (ptm_snap_knows(view->snap, metric)) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError,
                 "this snapshot does not tell metric='%s': it comes from a list of traces or from "
                 "a profile without these counts, not from take_snapshot()",
                 words[metric]);
    return -1;
}
