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
    if (lane->n_young < PTM_N_YOUNG) {
        lane->young[lane->n_young++] = id;
    }
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

/* -- books ------------------------------------------------------------------------------------- */

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
    site->at_peak = site->live;
    site->epoch = epoch;
}

/* The same for blocks that another lane frees: a count of its own, saved at its own first touch.
 * Rare, so beside the sites. */
typedef struct {
    ptm_site_id site; /* first: a dropped record is linked through it */
    uint32_t at_peak; /* freed_elsewhere at the peak, if epoch is the current one */
    uint32_t epoch;
} strays;

#define STRAYS_CHUNK_BITS 10

/* guarded: the raw lane's lock */
static ptm_table stray_table = PTM_TABLE(strays, STRAYS_CHUNK_BITS);
static ptm_index stray_index;

static strays *
strays_at(uint32_t record)
{
    return ptm_table_at(&stray_table, record, sizeof(strays), STRAYS_CHUNK_BITS);
}

/* Record ids, 0: none. */
static uint32_t
find_strays(ptm_site_id id)
{
    uint32_t record;
    for (ptm_probe probe = ptm_probe_start(&stray_index, id);
         (record = ptm_probe_next(&stray_index, &probe));) {
        if (strays_at(record)->site == id) {
            break;
        }
    }
    return record;
}

static uint32_t
strays_of(ptm_site_id id)
{
    uint32_t record = find_strays(id);
    if (record == 0 && (record = ptm_table_new(&stray_table)) != 0) {
        strays_at(record)->site = id;
        if (!ptm_index_put(&stray_index, id, record)) {
            ptm_table_drop(&stray_table, record);
            return 0;
        }
    }
    return record;
}

void
ptm_site_leave_elsewhere(ptm_site_id id)
{
    ptm_lane *raw = &ptm_lanes[PTM_LANE_RAW];
    ptm_site *site = ptm_site_at(id);
    uint32_t epoch = PTM_LOAD(&ptm_the_peak.epoch), record = strays_of(id);
    touch_lane(raw, epoch);
    if (record != 0 && strays_at(record)->epoch != epoch) {
        strays_at(record)->at_peak = site->freed_elsewhere;
        strays_at(record)->epoch = epoch;
    }
    PTM_STORE(&site->freed_elsewhere, site->freed_elsewhere + 1);
    PTM_STORE(&raw->bytes, raw->bytes - site->size);
    PTM_STORE(&raw->blocks, raw->blocks - 1);
}

uint64_t
ptm_site_live(const ptm_site *site)
{
    return site->live - PTM_LOAD(&site->freed_elsewhere);
}

uint64_t
ptm_site_share(ptm_site_id id)
{
    const ptm_site *site = ptm_site_at(id);
    uint32_t epoch = PTM_LOAD(&ptm_the_peak.epoch);
    if (PTM_LOAD(&ptm_the_peak.at_max)) {
        return ptm_site_live(site);
    }
    uint64_t share = site->epoch == epoch ? site->at_peak : site->live;
    uint32_t record = PTM_LIKELY(site->freed_elsewhere == 0) ? 0 : find_strays(id);
    bool saved = record != 0 && strays_at(record)->epoch == epoch;
    return share - (saved ? strays_at(record)->at_peak : site->freed_elsewhere);
}

/* -- sweeping ---------------------------------------------------------------------------------- */

/* A site with strays stays: its share may not be asked for without the raw lane's lock. */
static bool
is_dead(ptm_site_id id, const ptm_site *site)
{
    return site->live == 0 && PTM_LOAD(&site->freed_elsewhere) == 0 && ptm_site_share(id) == 0;
}

static bool
was_idle(ptm_site *site)
{
    uint16_t before = site->swept;
    site->swept = (uint16_t)site->allocated;
    return before == site->swept;
}

#define HARDLY_USED 2u /* blocks */

static void
give_back(ptm_site_id id, ptm_site *site)
{
    ptm_lanes[site->lane].n_sites--;
    site->state = PTM_SITE_FREE;
    ptm_table_drop(&ptm_site_table, id);
}

static void
forget_recent(ptm_lane *lane, ptm_site_id id, uint64_t hash)
{
    ptm_recent *recent = ptm_sites_recent(lane, hash);
    if (recent->site == id) {
        *recent = (ptm_recent){0};
    }
}

void
ptm_sites_sweep_young(ptm_lane_id lane_id, void (*bury)(const ptm_site *site))
{
    ptm_lane *lane = &ptm_lanes[lane_id];
    for (uint32_t i = 0; i < lane->n_young; i++) {
        ptm_site_id id = lane->young[i];
        ptm_site *site = ptm_site_at(id);
        if (site->allocated <= HARDLY_USED && is_dead(id, site)) {
            bury(site);
            forget_recent(lane, id, site->hash);
            ptm_sites_unindex(id);
            give_back(id, site);
        }
    }
    lane->n_young = 0;
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
        if (site->state != PTM_SITE_FREE && site->lane == lane_id && was_idle(site)
            && is_dead(id, site)) {
            bury(site);
            give_back(id, site);
        }
    }
    index_again(lane_id);
    lane->n_young = 0;
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
        lane->n_sites = lane->n_young = lane->epoch = 0;
        lane->sweep_at = PTM_FIRST_SWEEP;
        PTM_STORE(&lane->bytes, 0);
        PTM_STORE(&lane->blocks, 0);
        lane->peak_bytes = lane->peak_blocks = lane->lost_blocks = lane->lost_bytes = 0;
    }
    ptm_table_clear(&ptm_site_table);
    ptm_index_clear(&stray_index);
    ptm_table_clear(&stray_table);
    ptm_the_peak = (ptm_peak){.epoch = 1};
}

/* -- sums -------------------------------------------------------------------------------------- */

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

void
ptm_sites_visit(ptm_mem_visit visit, void *arg)
{
    ptm_table_visit(&ptm_site_table, visit, arg);
    ptm_table_visit(&stray_table, visit, arg);
    ptm_index_visit(&stray_index, visit, arg);
    for (int i = 0; i < PTM_N_LANES; i++) {
        ptm_index_visit(&ptm_lanes[i].sites, visit, arg);
    }
}
