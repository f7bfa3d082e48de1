/* SPDX-License-Identifier: MIT
 *
 * Sites to samples. They are many, so no buffers lie between a sample and the output, and locations
 * that have been written are copied.
 */
#include "format/ptm_pprof_out.h"

#include <string.h>

/* Room at the start, so that not all is copied again and again: what is not used is not touched. */
#define SAMPLE_BYTES 96

/* Values and labels of a sample: six numbers and four times two, and what is around them. */
#define REST_BYTES 256

/* A count that is no int64 cannot be said in a profile; there is no such program. */
static uint8_t *
values_at(uint8_t *at, const ptm_snap_site *site)
{
    const uint64_t values[PTM_PPROF_N_COLUMNS] = {
        site->allocated, site->allocated_bytes,
        site->live,      ptm_product_saturated(site->live, site->size),
        site->peak,      ptm_product_saturated(site->peak, site->size),
    };
    *at++ = PTM_PPROF_SAMPLE_VALUE << 3 | PTM_WIRE_BYTES;
    uint8_t *len = at++; /* below 128, as of a label */
    for (int i = 0; i < PTM_PPROF_N_COLUMNS; i++) {
        at = ptm_varint_at(at, values[i] <= INT64_MAX ? values[i] : INT64_MAX);
    }
    *len = (uint8_t)(at - len - 1);
    return at;
}

static uint8_t *
label_at(uint8_t *at, uint32_t key, int64_t num)
{
    *at++ = PTM_PPROF_SAMPLE_LABEL << 3 | PTM_WIRE_BYTES;
    uint8_t *len = at++;
    at = ptm_pprof_number_at(at, PTM_PPROF_LABEL_KEY, key);
    at = ptm_pprof_number_at(at, PTM_PPROF_LABEL_NUM, (uint64_t)num);
    *len = (uint8_t)(at - len - 1);
    return at;
}

static uint8_t *
labels_at(uint8_t *at, const ptm_snap_site *site, uint32_t nframe)
{
    at = label_at(at, PTM_PPROF_TEXT_BYTES, (int64_t)site->size);
    if (site->depth != nframe) {
        int64_t depth = site->depth == 0 ? PTM_PPROF_DEPTH_UNKNOWN : (int64_t)site->depth;
        at = label_at(at, PTM_PPROF_TEXT_DEPTH, depth);
    }
    if (site->domain != 0) {
        at = label_at(at, PTM_PPROF_TEXT_DOMAIN, site->domain);
    }
    return site->folded != 0 ? label_at(at, PTM_PPROF_TEXT_FOLDED, site->folded) : at;
}

static ptm_pprof_written *
place_of(const ptm_pprof_out *w, ptm_stack_id stack)
{
    return &w->written[stack % PTM_PPROF_N_WRITTEN];
}

/* Of several: the one before has the same stack. */
static bool
is_twin(const ptm_snap_site *sites, size_t i)
{
    return i != 0 && sites[i - 1].stack == sites[i].stack;
}

/* The locations of several samples, each most recent first and packed: where they have been written
 * before (many sites have one stack), or into a buffer. The stacks are followed side by side: each
 * step waits for cold memory, and so they wait together. */
static void
pack_locations(ptm_pprof_out *w, const ptm_snap_site *sites, size_t n, ptm_pprof_written *written)
{
    const ptm_snap_stack *stacks = w->snap->stacks;
    ptm_stack_id at[PTM_PPROF_AT_ONCE];
    size_t going = 0;
    for (size_t i = 0; i < n; i++) {
        written[i] = *place_of(w, sites[i].stack);
        bool again = written[i].stack == sites[i].stack || is_twin(sites, i);
        at[i] = again ? 0 : sites[i].stack;
        w->locations[i].len = 0;
        __builtin_prefetch(&stacks[at[i]]);
        going += at[i] != 0;
    }
    while (going != 0) {
        for (size_t i = 0; i < n; i++) {
            if (at[i] != 0) {
                ptm_snap_stack stack = stacks[at[i]];
                __builtin_prefetch(&stacks[stack.parent]);
                ptm_buf_put_varint(&w->locations[i], w->location_of[stack.frame]);
                at[i] = stack.parent;
                going -= stack.parent == 0;
            }
        }
    }
}

static void
put_sample(ptm_pprof_out *w, const ptm_snap_site *site, const ptm_buf *locations,
           ptm_pprof_written written)
{
    uint8_t rest[REST_BYTES];
    uint8_t *end = labels_at(values_at(rest, site), site, w->snap->stacks[site->stack].nframe);
    bool again = written.stack == site->stack;
    size_t rest_len = (size_t)(end - rest), stack_len = again ? written.len : locations->len;
    size_t len = 1 + ptm_varint_bytes(stack_len) + stack_len + rest_len;
    w->out->failed |= locations->failed || stack_len > UINT32_MAX;
    if (!ptm_buf_reserve(w->out, 1 + PTM_VARINT_BYTES + len)) {
        return;
    }
    uint8_t *at = w->out->data + w->out->len;
    *at++ = PTM_PPROF_PROFILE_SAMPLE << 3 | PTM_WIRE_BYTES;
    at = ptm_varint_at(at, len);
    *at++ = PTM_PPROF_SAMPLE_LOCATION << 3 | PTM_WIRE_BYTES;
    at = ptm_varint_at(at, stack_len);
    if (stack_len != 0) {
        memcpy(at, again ? w->out->data + written.at : locations->data, stack_len);
    }
    *place_of(w, site->stack) =
        (ptm_pprof_written){site->stack, (uint32_t)stack_len, (size_t)(at - w->out->data)};
    memcpy(at + stack_len, rest, rest_len);
    w->out->len = (size_t)(at + stack_len + rest_len - w->out->data);
}

void
ptm_pprof_put_samples(ptm_pprof_out *w)
{
    const ptm_snap_site *sites = w->snap->sites;
    ptm_pprof_written written[PTM_PPROF_AT_ONCE];
    (void)ptm_buf_reserve(w->out, (size_t)w->snap->n_sites * SAMPLE_BYTES);
    for (uint32_t first = 0, n; first < w->snap->n_sites; first += n) {
        n = w->snap->n_sites - first < PTM_PPROF_AT_ONCE ? w->snap->n_sites - first
                                                         : PTM_PPROF_AT_ONCE;
        pack_locations(w, &sites[first], n, written);
        for (uint32_t i = 0; i < n; i++) {
            const ptm_snap_site *site = &sites[first + i];
            bool twin = is_twin(&sites[first], i);
            put_sample(w, site, &w->locations[i], twin ? *place_of(w, site->stack) : written[i]);
        }
    }
}
