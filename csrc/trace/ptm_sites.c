/* SPDX-License-Identifier: MIT */
#include "trace/ptm_sites.h"

#include <string.h>

ptm_peak ptm_the_peak = {.epoch = 1};
ptm_lane ptm_lanes[PTM_N_LANES];
ptm_table ptm_site_table = PTM_TABLE(ptm_site, PTM_SITE_CHUNK_BITS);
uint32_t ptm_code_age = 1;

ptm_site_id
ptm_sites_new(ptm_lane_id lane_id, const ptm_site *like, bool indexed)
{
    ptm_lane *lane = &ptm_lanes[lane_id];
    ptm_site_id id = ptm_table_new(&ptm_site_table);
    if (id == 0) {
        return 0;
    }
    if (indexed && !ptm_index_put(&lane->sites, (uint32_t)like->hash, id)) {
        ptm_table_drop(&ptm_site_table, id);
        return 0;
    }
    *ptm_site_at(id) = (ptm_site){.hash = like->hash,
                                  .size = like->size,
                                  .node = like->node,
                                  .depth = like->depth,
                                  .code_age = like->code_age,
                                  .lane = (uint8_t)lane_id,
                                  .state = indexed ? PTM_SITE_INDEXED : PTM_SITE_UNINDEXED};
    lane->n_sites++;
    return id;
}

void
ptm_sites_unindex(ptm_site_id id)
{
    ptm_site *site = ptm_site_at(id);
    if (site->state == PTM_SITE_INDEXED) {
        ptm_index_remove(&ptm_lanes[site->lane].sites, (uint32_t)site->hash, id);
        site->state = PTM_SITE_UNINDEXED;
    }
}

uint64_t
ptm_site_live(const ptm_site *site)
{
    return site->live - PTM_LOAD(&site->freed_elsewhere);
}

uint64_t
ptm_site_share(const ptm_site *site)
{
    bool saved = !PTM_LOAD(&ptm_the_peak.at_max) && site->epoch == PTM_LOAD(&ptm_the_peak.epoch);
    return saved ? site->at_peak : ptm_site_live(site);
}

/* The first touch of a lane in an epoch is the first touch of one of its sites. */
static void
touch_lane(ptm_lane *lane, uint32_t epoch)
{
    if (lane->epoch != epoch) {
        lane->peak_bytes = lane->bytes;
        lane->peak_blocks = lane->blocks;
        lane->epoch = epoch;
    }
}

void
ptm_site_first_touch(ptm_lane *lane, ptm_site *site, uint32_t epoch)
{
    touch_lane(lane, epoch);
    site->at_peak = ptm_site_live(site);
    site->epoch = epoch;
}

void
ptm_site_leave_elsewhere(ptm_lane *lane, ptm_site *site)
{
    touch_lane(lane, PTM_LOAD(&ptm_the_peak.epoch));
    PTM_FETCH_ADD(&site->freed_elsewhere, 1u);
    PTM_STORE(&lane->bytes, lane->bytes - site->size);
    PTM_STORE(&lane->blocks, lane->blocks - 1);
}

/* -- sweeping ---------------------------------------------------------------------------------------------------- */

static bool
is_idle(ptm_site *site)
{
#ifdef PTM_NO_BOOKS
    bool idle = true;
#else
    bool idle = site->swept == (uint16_t)site->allocated;
#endif
    site->swept = (uint16_t)site->allocated;
    return idle && ptm_site_live(site) == 0 && ptm_site_share(site) == 0;
}

static void
give_back(ptm_site_id id, ptm_site *site)
{
    ptm_lanes[site->lane].n_sites--;
    site->state = PTM_SITE_FREE;
    ptm_table_drop(&ptm_site_table, id);
}

/* Quicker than to remove most of the ids one by one, and what is left lies closer together. */
static void
index_again(ptm_lane_id lane_id)
{
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        ptm_site *site = ptm_site_at(id);
        if (site->state == PTM_SITE_INDEXED && site->lane == lane_id) {
            (void)ptm_index_put(&ptm_lanes[lane_id].sites, (uint32_t)site->hash, id);
        }
    }
}

bool
ptm_sites_sweep(ptm_lane_id lane_id, void (*bury)(const ptm_site *site))
{
    ptm_lane *lane = &ptm_lanes[lane_id];
    lane->sweep_at = lane->n_sites * 2;
    if (!ptm_index_restart(&lane->sites, lane->n_sites)) {
        return false;
    }
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        ptm_site *site = ptm_site_at(id);
        if (site->state != PTM_SITE_FREE && site->lane == lane_id && is_idle(site)) {
            bury(site);
            give_back(id, site);
        }
    }
    index_again(lane_id);
    memset(lane->recent, 0, sizeof(lane->recent));
    uint32_t slack = lane->n_sites / 2;
    lane->sweep_at = lane->n_sites + (slack > PTM_FIRST_SWEEP ? slack : PTM_FIRST_SWEEP);
    return true;
}

void
ptm_sites_clear(void)
{
    for (int i = 0; i < PTM_N_LANES; i++) {
        ptm_lane *lane = &ptm_lanes[i];
        ptm_index_clear(&lane->sites);
        memset(lane->recent, 0, sizeof(lane->recent));
        lane->n_sites = lane->epoch = 0;
        lane->sweep_at = PTM_FIRST_SWEEP;
        PTM_STORE(&lane->bytes, 0);
        PTM_STORE(&lane->blocks, 0);
        lane->peak_bytes = lane->peak_blocks = lane->lost_blocks = lane->lost_bytes = 0;
    }
    ptm_table_clear(&ptm_site_table);
    ptm_the_peak = (ptm_peak){.epoch = 1};
}

/* -- sums ---------------------------------------------------------------------------------------------------------- */

uint64_t
ptm_lanes_bytes(void)
{
    return PTM_LOAD(&ptm_lanes[PTM_LANE_MAIN].bytes) + PTM_LOAD(&ptm_lanes[PTM_LANE_RAW].bytes);
}

uint64_t
ptm_lanes_blocks(void)
{
    return PTM_LOAD(&ptm_lanes[PTM_LANE_MAIN].blocks) + PTM_LOAD(&ptm_lanes[PTM_LANE_RAW].blocks);
}

void
ptm_lanes_peak(uint64_t *bytes, uint64_t *blocks)
{
    uint32_t epoch = PTM_LOAD(&ptm_the_peak.epoch);
    bool at_max = PTM_LOAD(&ptm_the_peak.at_max);
    *bytes = *blocks = 0;
    for (int i = 0; i < PTM_N_LANES; i++) {
        const ptm_lane *lane = &ptm_lanes[i];
        bool saved = !at_max && lane->epoch == epoch;
        *bytes += saved ? lane->peak_bytes : PTM_LOAD(&lane->bytes);
        *blocks += saved ? lane->peak_blocks : PTM_LOAD(&lane->blocks);
    }
}
