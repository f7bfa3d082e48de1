/* SPDX-License-Identifier: MIT */
#include "snap/ptm_rows.h"

#include "base/ptm_array.h"
#include "snap/ptm_bags.h"
#include "snap/ptm_order.h"

#include <string.h>

/* Sums by number, per side, and what a number stands for on each side. */
typedef struct {
    ptm_numbers numbers;
    ptm_sum *sums[2];
    uint32_t *id_of[2]; /* number -> a row's key; set for the numbers that side has */
} table;

static bool
is_diff(const ptm_keys *keys)
{
    return keys->snap[1] != NULL;
}

/* A group with no block on the new side is keyed by, and shown from, the old one. */
static ptm_group_row
row_of(const ptm_keys *keys, ptm_sum now, ptm_sum old)
{
    ptm_group_row row = {
        .snap = now.count == 0,
        .size = (int64_t)now.size,
        .count = (int64_t)now.count,
    };
    if (is_diff(keys)) {
        row.size_diff = (int64_t)(now.size - old.size);
        row.count_diff = (int64_t)(now.count - old.count);
    }
    return row;
}

static void
table_fini(table *t)
{
    for (int side = 0; side < 2; side++) {
        ptm_array_free(t->sums[side]);
        ptm_array_free(t->id_of[side]);
    }
    ptm_numbers_fini(&t->numbers);
}

/* The first item of each number speaks for it. */
static void
name_numbers(const ptm_snap *snap, ptm_by by, const uint32_t *number_of, uint32_t *id_of)
{
    for (uint32_t i = ptm_by_site(by) ? snap->n_sites : snap->n_frames; i-- > 0;) {
        id_of[number_of[i]] = by == PTM_BY_FILE   ? snap->frames[i].file
                              : by == PTM_BY_LINE ? snap->frames[i].line_key
                                                  : i;
    }
}

static ptm_err
table_fill(const ptm_keys *keys, const ptm_group_query *query, table *t)
{
    ptm_err err = ptm_numbers_init(&t->numbers, keys, query->by);
    if (err != PTM_OK) {
        return err;
    }
    for (int side = 0; side < 2 && keys->snap[side] != NULL; side++) {
        const ptm_snap *snap = keys->snap[side];
        t->sums[side] = ptm_array_zeroed(t->numbers.n + 1, sizeof(ptm_sum));
        t->id_of[side] = ptm_array_new(t->numbers.n + 1, sizeof(uint32_t));
        if (t->sums[side] == NULL || t->id_of[side] == NULL) {
            return PTM_ENOMEM;
        }
        name_numbers(snap, query->by, t->numbers.of[side], t->id_of[side]);
        err = ptm_sums_add(snap, side, &t->numbers, query, t->sums[side]);
        if (err != PTM_OK) {
            return err;
        }
    }
    return PTM_OK;
}

static ptm_err
table_rows(const ptm_keys *keys, const table *t, ptm_groups *out)
{
    size_t n_rows = 0;
    const ptm_sum none = {0};
    for (size_t i = 0; i < t->numbers.n; i++) {
        n_rows += t->sums[0][i].count != 0 || (is_diff(keys) && t->sums[1][i].count != 0);
    }
    ptm_group_row *row = ptm_array_new(n_rows + 1, sizeof(*row));
    if (row == NULL) {
        return PTM_ENOMEM;
    }
    *out = (ptm_groups){row, n_rows};
    for (size_t i = 0; i < t->numbers.n; i++) {
        ptm_sum now = t->sums[0][i], old = is_diff(keys) ? t->sums[1][i] : none;
        if (now.count != 0 || old.count != 0) {
            *row = row_of(keys, now, old);
            row->key = t->id_of[row->snap][i];
            row++;
        }
    }
    return PTM_OK;
}

/* The rows in order; on a failure they are freed. */
static ptm_err
order(const ptm_keys *keys, const ptm_numbers *numbers, const ptm_group_query *query,
      ptm_groups *groups)
{
    ptm_err err = ptm_order_rows(keys, numbers, query, groups);
    if (err != PTM_OK) {
        ptm_groups_free(groups);
    }
    return err;
}

static ptm_err
by_number(const ptm_keys *keys, const ptm_group_query *query, ptm_groups *out)
{
    table t = {0};
    ptm_err err = table_fill(keys, query, &t);
    if (err == PTM_OK) {
        err = table_rows(keys, &t, out);
    }
    if (err == PTM_OK) {
        err = order(keys, &t.numbers, query, out);
    }
    table_fini(&t);
    return err;
}

static ptm_err
by_traceback(const ptm_keys *keys, const ptm_group_query *query, ptm_groups *out)
{
    ptm_bags bags;
    ptm_err err = ptm_bags_fill(keys, query, &bags);
    if (err != PTM_OK) {
        return err;
    }
    *out = (ptm_groups){ptm_array_new(bags.len + 1, sizeof(*out->rows)), bags.len};
    for (size_t i = 0; out->rows != NULL && i < bags.len; i++) {
        const ptm_bag *bag = &bags.items[i];
        out->rows[i] = row_of(keys, bag->sum[0], bag->sum[1]);
        out->rows[i].key = bag->stack;
        out->rows[i].snap = bag->side;
        out->rows[i].merged = bag->merged;
    }
    ptm_array_free(bags.items);
    return out->rows != NULL ? order(keys, NULL, query, out) : PTM_ENOMEM;
}

/* An int64 holds whatever the query sums up. Only what a file or a caller claims is ever counted
 * here. */
static bool
adds_up(const ptm_snap *snap, ptm_metric metric, ptm_cumulative cumulative)
{
    uint64_t size = 0, count = 0;
    for (uint32_t i = 0; snap->sums_fit == 0 && i < snap->n_sites; i++) {
        const ptm_snap_site *site = &snap->sites[i];
        uint32_t times = cumulative == PTM_CUMULATIVE_FRAMES ? snap->stacks[site->stack].nframe : 1;
        ptm_sum sum = {ptm_site_total_bytes(site, metric), ptm_site_count(site, metric)};
        if (sum.count != 0) {
            size = ptm_sum_saturated(size, ptm_product_saturated(sum.size, times));
            count = ptm_sum_saturated(count, ptm_product_saturated(sum.count, times));
        }
    }
    return (size | count) <= INT64_MAX;
}

static bool
both_add_up(const ptm_keys *keys, const ptm_group_query *query)
{
    return adds_up(keys->snap[0], query->metric, query->cumulative)
           && (!is_diff(keys) || adds_up(keys->snap[1], query->old_metric, query->cumulative));
}

ptm_err
ptm_rows_make(const ptm_keys *keys, const ptm_group_query *query, ptm_groups *out)
{
    ptm_groups groups;
    if (!both_add_up(keys, query)) {
        return PTM_ERANGE;
    }
    ptm_err err = query->by == PTM_BY_TRACEBACK ? by_traceback(keys, query, &groups)
                                                : by_number(keys, query, &groups);
    if (err == PTM_OK) {
        *out = groups;
    }
    return err;
}

void
ptm_groups_free(ptm_groups *groups)
{
    ptm_array_free(groups->rows);
    *groups = (ptm_groups){0};
}
