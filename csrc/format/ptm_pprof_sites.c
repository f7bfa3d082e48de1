/* SPDX-License-Identifier: MIT
 *
 * Samples to sites.
 *
 * Samples of our own files carry the size of a block as a label, so each is one site. Elsewhere a
 * sample says how many objects make how many bytes: the bytes are shared out evenly, q or q + 1 to
 * each, so totals stay exact.
 */
#include "format/ptm_pprof_sample.h"
#include "snap/ptm_group.h"

_Static_assert(PTM_PPROF_N_METRICS == PTM_METRIC_ALLOCATED + 1, "a count per metric");

/* -- columns ----------------------------------------------------------------------------------- */

static void
name_columns(ptm_pprof_in *in, const ptm_wire *names, uint8_t *columns, size_t n)
{
    static const char *const words[PTM_PPROF_N_COLUMNS] = {PTM_PPROF_COLUMNS};
    for (size_t i = 0; i < n; i++) {
        columns[i] = PTM_PPROF_N_COLUMNS;
        for (uint8_t c = 0; c < PTM_PPROF_N_COLUMNS; c++) {
            if (!in->has_column[c] && ptm_pprof_text_is(names[i], words[c])) {
                columns[i] = c;
                in->has_column[c] = true;
                break;
            }
        }
    }
}

/* The first unnamed type with one of these units. */
static void
column_by_unit(ptm_pprof_in *in, const ptm_wire *units, uint8_t *columns, size_t n, uint8_t column,
               const char *const unit_words[2])
{
    for (size_t i = 0; i < n; i++) {
        bool fits = ptm_pprof_text_is(units[i], unit_words[0])
                    || ptm_pprof_text_is(units[i], unit_words[1]);
        if (columns[i] == PTM_PPROF_N_COLUMNS && fits) {
            columns[i] = column;
            in->has_column[column] = true;
            return;
        }
    }
}

static bool
has_any_column(const ptm_pprof_in *in)
{
    for (int c = 0; c < PTM_PPROF_N_COLUMNS; c++) {
        if (in->has_column[c]) {
            return true;
        }
    }
    return false;
}

bool
ptm_pprof_choose_columns(ptm_pprof_in *in)
{
    static const char *const counts[2] = {"count", "objects"}, *const bytes[2] = {"bytes", "byte"};
    size_t n = PTM_N_ITEMS(in->types, ptm_pprof_type);
    ptm_buf names = {0}, units = {0};
    bool ok = ptm_buf_reserve(&in->columns, n);
    for (size_t i = 0; ok && i < n; i++) {
        ptm_wire text;
        ok = ptm_pprof_text(in, PTM_ITEMS(in->types, ptm_pprof_type)[i].type, in->data, &text);
        ptm_buf_put(&names, &text, sizeof(text));
        ok =
            ok && ptm_pprof_text(in, PTM_ITEMS(in->types, ptm_pprof_type)[i].unit, in->data, &text);
        ptm_buf_put(&units, &text, sizeof(text));
    }
    ok = ok && !names.failed && !units.failed;
    if (ok) {
        const ptm_wire *unit = PTM_ITEMS(units, ptm_wire);
        in->columns.len = n;
        name_columns(in, PTM_ITEMS(names, ptm_wire), in->columns.data, n);
        if (!in->has_column[PTM_PPROF_COLUMN_INUSE_OBJECTS]
            && !in->has_column[PTM_PPROF_COLUMN_INUSE_SPACE]) {
            column_by_unit(in, unit, in->columns.data, n, PTM_PPROF_COLUMN_INUSE_OBJECTS, counts);
            column_by_unit(in, unit, in->columns.data, n, PTM_PPROF_COLUMN_INUSE_SPACE, bytes);
        }
        if (!has_any_column(in)) {
            in->columns.data[0] = PTM_PPROF_COLUMN_INUSE_OBJECTS;
            in->has_column[PTM_PPROF_COLUMN_INUSE_OBJECTS] = true;
        }
    }
    ptm_buf_fini(&names);
    ptm_buf_fini(&units);
    return ok;
}

uint32_t
ptm_pprof_lacking_columns(const ptm_pprof_in *in)
{
    static const struct {
        int objects, space;
        uint32_t metrics;
    } needs[] = {
        {PTM_PPROF_COLUMN_INUSE_OBJECTS, PTM_PPROF_COLUMN_INUSE_SPACE,
         1u << PTM_METRIC_LIVE | 1u << PTM_METRIC_FREED},
        {PTM_PPROF_COLUMN_PEAK_OBJECTS, PTM_PPROF_COLUMN_PEAK_SPACE, 1u << PTM_METRIC_PEAK},
        {PTM_PPROF_COLUMN_ALLOC_OBJECTS, PTM_PPROF_COLUMN_ALLOC_SPACE,
         1u << PTM_METRIC_ALLOCATED | 1u << PTM_METRIC_FREED},
    };
    uint32_t lacks = 0;
    for (size_t i = 0; i < PTM_ARRAY_LEN(needs); i++) {
        if (!in->has_column[needs[i].objects] && !in->has_column[needs[i].space]) {
            lacks |= needs[i].metrics;
        }
    }
    return lacks;
}

/* -- sites ------------------------------------------------------------------------------------- */

/* A file's greatest number is that of int64. */
static uint64_t
saturated(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) || product > INT64_MAX ? INT64_MAX : product;
}

/* The blocks of all sites together are counted in int64: a sequence of traces has that length. */
static void
add_site(ptm_pprof_in *in, const ptm_pprof_sample *s, const ptm_snap_site *site)
{
    for (int metric = 0; metric < PTM_PPROF_N_METRICS; metric++) {
        in->n_blocks[metric] += ptm_site_count(site, (ptm_metric)metric);
        if (in->n_blocks[metric] > INT64_MAX) {
            ptm_pprof_refuse(in, s->at, "sample %llu: no program has that many blocks",
                             (unsigned long long)s->number);
            return;
        }
    }
    ptm_snap_build_site(in->builder, site);
}

/* The column, or what the column of bytes says about blocks of this size. */
static uint64_t
blocks(const ptm_pprof_in *in, const ptm_pprof_sample *s, int objects, int space)
{
    if (in->has_column[objects]) {
        return s->columns[objects];
    }
    return s->labels[PTM_PPROF_KEY_BYTES] > 0
               ? s->columns[space] / (uint64_t)s->labels[PTM_PPROF_KEY_BYTES]
               : s->columns[space] != 0;
}

static void
add_sized(ptm_pprof_in *in, const ptm_pprof_sample *s, ptm_snap_site site)
{
    site.allocated = blocks(in, s, PTM_PPROF_COLUMN_ALLOC_OBJECTS, PTM_PPROF_COLUMN_ALLOC_SPACE);
    site.allocated_bytes =
        in->has_column[PTM_PPROF_COLUMN_ALLOC_SPACE]
            ? s->columns[PTM_PPROF_COLUMN_ALLOC_SPACE]
            : saturated(site.allocated, (uint64_t)s->labels[PTM_PPROF_KEY_BYTES]);
    if (s->labels[PTM_PPROF_KEY_FOLDED] > 0) {
        site.folded = 1;
    }
    else {
        site.size = (uint64_t)s->labels[PTM_PPROF_KEY_BYTES];
        site.live = blocks(in, s, PTM_PPROF_COLUMN_INUSE_OBJECTS, PTM_PPROF_COLUMN_INUSE_SPACE);
        site.peak = blocks(in, s, PTM_PPROF_COLUMN_PEAK_OBJECTS, PTM_PPROF_COLUMN_PEAK_SPACE);
    }
    add_site(in, s, &site);
}

static void
add_blocks(ptm_pprof_in *in, const ptm_pprof_sample *s, ptm_snap_site site, ptm_metric metric,
           uint64_t count, uint64_t size)
{
    if (count != 0) {
        site.size = size;
        *(metric == PTM_METRIC_LIVE ? &site.live : &site.peak) = count;
        add_site(in, s, &site);
    }
}

/* `objects` blocks that have `space` bytes together. */
static void
share_out(ptm_pprof_in *in, const ptm_pprof_sample *s, ptm_snap_site site, ptm_metric metric,
          uint64_t objects, uint64_t space)
{
    if (objects == 0 && space != 0) {
        objects = 1;
    }
    if (objects != 0) {
        add_blocks(in, s, site, metric, space % objects, space / objects + 1);
        add_blocks(in, s, site, metric, objects - space % objects, space / objects);
    }
}

/* Without the label nothing says that these were the same blocks, so each number has sites of its
 * own. */
static void
add_unsized(ptm_pprof_in *in, const ptm_pprof_sample *s, ptm_snap_site site)
{
    share_out(in, s, site, PTM_METRIC_LIVE, s->columns[PTM_PPROF_COLUMN_INUSE_OBJECTS],
              s->columns[PTM_PPROF_COLUMN_INUSE_SPACE]);
    share_out(in, s, site, PTM_METRIC_PEAK, s->columns[PTM_PPROF_COLUMN_PEAK_OBJECTS],
              s->columns[PTM_PPROF_COLUMN_PEAK_SPACE]);
    site.allocated = blocks(in, s, PTM_PPROF_COLUMN_ALLOC_OBJECTS, PTM_PPROF_COLUMN_ALLOC_SPACE);
    site.allocated_bytes = s->columns[PTM_PPROF_COLUMN_ALLOC_SPACE];
    site.folded = 1;
    if (site.allocated != 0) {
        add_site(in, s, &site);
    }
    in->lacks |= 1u << PTM_METRIC_FREED;
}

/* total_nframe; 0: not known, as elsewhere than in our own files */
static uint32_t
depth_of(const ptm_pprof_in *in, const ptm_pprof_sample *s, uint32_t n_frames)
{
    int64_t depth = s->labels[PTM_PPROF_KEY_DEPTH];
    if (!s->has_label[PTM_PPROF_KEY_DEPTH]) {
        return in->version != 0 ? n_frames : 0;
    }
    return depth <= 0 ? 0 : depth > PTM_NFRAME_MAX ? PTM_NFRAME_MAX : (uint32_t)depth;
}

void
ptm_pprof_make_site(ptm_pprof_in *in, const ptm_pprof_sample *s)
{
    int64_t domain = s->labels[PTM_PPROF_KEY_DOMAIN];
    ptm_snap_site site = {
        .stack = s->stack,
        .depth = depth_of(in, s, s->n_frames),
        .domain = domain >= 0 && domain <= UINT32_MAX ? (uint32_t)domain : 0,
    };
    if (s->has_label[PTM_PPROF_KEY_BYTES] && s->labels[PTM_PPROF_KEY_BYTES] >= 0) {
        add_sized(in, s, site);
    }
    else {
        add_unsized(in, s, site);
    }
}
