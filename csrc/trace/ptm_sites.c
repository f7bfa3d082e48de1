/* SPDX-License-Identifier: MIT */
#include "trace/ptm_sites.h"

#include <string.h>

ptm_peak ptm_the_peak = {.epoch = 1};
ptm_table_directory ptm_site_chunks;
ptm_table ptm_site_table = PTM_TABLE(ptm_site, PTM_SITE_CHUNK_BITS, ptm_site_chunks);
ptm_lock ptm_books_lock;
uint32_t ptm_code_age = 1;

#define INDEX_HASH(hash) ((uint32_t)(hash))
#define YOUNG_SLOT(hash) ((uint32_t)(hash) & (PTM_YOUNG_SLOTS - 1))

/* -- finding ----------------------------------------------------------------------------------- */

static ptm_site_id
find_young(const ptm_lane *lane, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    ptm_slot slot;
    for (uint32_t at = YOUNG_SLOT(hash); (slot = lane->young_slots[at]).id != 0;
         at = (at + 1) & (PTM_YOUNG_SLOTS - 1)) {
        if (slot.hash == tag && ptm_site_at(slot.id)->hash == hash
            && ptm_site_at(slot.id)->state == PTM_SITE_YOUNG) {
            break;
        }
    }
    return slot.id;
}

ptm_site_id
ptm_sites_find(const ptm_lane *lane, uint64_t hash)
{
    ptm_site_id id = find_young(lane, hash);
    if (id != 0 || !ptm_index_may_have(&lane->sites, INDEX_HASH(hash))) {
        return id;
    }
    for (ptm_probe probe = ptm_probe_start(&lane->sites, INDEX_HASH(hash));
         (id = ptm_probe_next(&lane->sites, &probe));) {
        if (PTM_LIKELY(ptm_site_at(id)->hash == hash)) {
            break;
        }
    }
    return id;
}

/* -- coming and going -------------------------------------------------------------------------- */

static void
add_young(ptm_lane *lane, ptm_site_id id, const ptm_tail *tail)
{
    uint64_t hash = ptm_site_at(id)->hash;
    uint32_t at = YOUNG_SLOT(hash);
    while (lane->young_slots[at].id != 0) {
        at = (at + 1) & (PTM_YOUNG_SLOTS - 1);
    }
    lane->young_slots[at] = (ptm_slot){(uint32_t)(hash >> 32), id};
    ptm_site_at(id)->swept = lane->n_young;
    lane->tails[lane->n_young] = *tail;
    lane->young[lane->n_young++] = id;
}

/* From the young ones into the index; without memory for it, no event finds it again. */
static void
grow_up(ptm_lane *lane, ptm_site_id id)
{
    ptm_site *site = ptm_site_at(id);
    bool put = ptm_index_put(&lane->sites, INDEX_HASH(site->hash), id);
    site->state = put ? PTM_SITE_INDEXED : PTM_SITE_UNKNOWN;
}

ptm_site_id
ptm_sites_new(ptm_lane *lane, const ptm_site *like, const ptm_tail *tail)
{
    ptm_site_id id = ptm_table_new(&ptm_site_table);
    if (id == 0) {
        return 0;
    }
    *ptm_site_at(id) = (ptm_site){.hash = like->hash,
                                  .size = like->size,
                                  .node = like->node,
                                  .n_tail = like->n_tail,
                                  .depth = like->depth,
                                  .domain = like->domain,
                                  .code_age = like->code_age,
                                  .lane = ptm_lanes_id(lane),
                                  .state = PTM_SITE_YOUNG};
    lane->n_sites++;
    lane->used = true;
    if (lane->n_young < PTM_N_YOUNG) {
        add_young(lane, id, tail);
    }
    else {
        grow_up(lane, id);
    }
    return id;
}

void
ptm_sites_forget(ptm_site_id id)
{
    ptm_site *site = ptm_site_at(id);
    if (site->state == PTM_SITE_INDEXED) {
        ptm_index_remove(&ptm_lanes_of(site->lane)->sites, INDEX_HASH(site->hash), id);
    }
    site->state = PTM_SITE_UNKNOWN;
}

/* -- sweeping ---------------------------------------------------------------------------------- */

static bool
is_dead(const ptm_site *site)
{
    return ptm_site_live(site) == 0 && ptm_site_share(site) == 0;
}

static bool
was_idle(ptm_site *site)
{
    uint32_t before = site->swept;
    site->swept = (uint32_t)site->moved[PTM_CAME];
    return before == site->swept;
}

#define HARDLY_USED 2u /* blocks */

static void
give_back(ptm_site_id id, ptm_site *site)
{
    ptm_lanes_of(site->lane)->n_sites--;
    site->state = PTM_SITE_FREE;
    ptm_table_drop(&ptm_site_table, id);
}

static void
end_youth(ptm_lane *lane)
{
    lane->n_young = 0;
    memset(lane->young_slots, 0, sizeof(lane->young_slots));
}

/* True: it was dead and hardly used, and is given back. */
static bool
bury_young(ptm_lane *lane, ptm_site_id id, const ptm_sweep *sweep)
{
    ptm_site *site = ptm_site_at(id);
    if (site->moved[PTM_CAME] > HARDLY_USED || !is_dead(site)) {
        return false;
    }
    sweep->bury(site);
    ptm_recent_forget(&lane->recents, site->hash, id);
    give_back(id, site);
    return true;
}

/* False: it stays young. */
static bool
settle_young(ptm_lane *lane, ptm_site_id id, const ptm_sweep *sweep)
{
    ptm_site *site = ptm_site_at(id);
    if (!sweep->keep(site)) {
        return false;
    }
    site->swept = 0;
    if (site->state == PTM_SITE_YOUNG) {
        grow_up(lane, id);
    }
    return true;
}

#define AHEAD 16u /* sites of which the memory is asked for before it is their turn */

/* The number of those that are left; what they will need is asked for. */
static uint32_t
bury_all_young(ptm_lane *lane, uint32_t n, const ptm_sweep *sweep)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < n; i++) {
        __builtin_prefetch(ptm_site_at(lane->young[i + AHEAD < n ? i + AHEAD : i]), 1);
        ptm_site_id id = lane->young[i];
        if (!bury_young(lane, id, sweep)) {
            ptm_index_prefetch(&lane->sites, INDEX_HASH(ptm_site_at(id)->hash));
            lane->young[left++] = id;
        }
    }
    return left;
}

/* A tail's place is its site's, and only a place that was read is written. */
void
ptm_sites_sweep_young(ptm_lane *lane, const ptm_sweep *sweep)
{
    uint32_t n = bury_all_young(lane, lane->n_young, sweep);
    end_youth(lane);
    for (uint32_t i = 0; i < n; i++) {
        ptm_site_id id = lane->young[i];
        if (!settle_young(lane, id, sweep)) {
            add_young(lane, id, &lane->tails[ptm_site_at(id)->swept]);
        }
    }
}

/* Quicker than to remove most of the ids one by one, and what is left lies closer together. */
static void
index_again(ptm_lane *lane)
{
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        ptm_site *site = ptm_site_at(id);
        if (site->state == PTM_SITE_INDEXED && site->lane == ptm_lanes_id(lane)) {
            (void)ptm_index_put(&lane->sites, INDEX_HASH(site->hash), id);
        }
    }
}

bool
ptm_sites_sweep(ptm_lane *lane, const ptm_sweep *sweep)
{
    ptm_sites_sweep_young(lane, sweep);
    lane->sweep_at = lane->n_sites * 2;
    lane->used = true;
    if (!ptm_index_restart(&lane->sites, lane->n_sites)) {
        return false;
    }
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        ptm_site *site = ptm_site_at(id);
        bool old = (site->state == PTM_SITE_INDEXED || site->state == PTM_SITE_UNKNOWN)
                   && site->n_tail == 0; /* else it is still among the young */
        if (old && site->lane == ptm_lanes_id(lane) && was_idle(site) && is_dead(site)) {
            sweep->bury(site);
            give_back(id, site);
        }
    }
    index_again(lane);
    memset(&lane->recents, 0, sizeof(lane->recents));
    uint32_t slack = lane->n_sites / 2;
    lane->sweep_at = lane->n_sites + (slack > PTM_FIRST_SWEEP ? slack : PTM_FIRST_SWEEP);
    return true;
}

static void
clear_lane(ptm_lane *lane)
{
    if (lane->used) {
        ptm_index_clear(&lane->sites);
        end_youth(lane);
        memset(&lane->recents, 0, sizeof(lane->recents));
    }
    lane->used = false;
    lane->n_sites = 0;
    lane->sweep_at = PTM_FIRST_SWEEP;
    lane->lost_blocks = lane->lost_bytes = 0;
}

void
ptm_sites_clear(void)
{
    ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        clear_lane(lane);
    }
    ptm_table_clear(&ptm_site_table);
    ptm_the_peak = (ptm_peak){.epoch = 1};
}

void
ptm_sites_visit(ptm_mem_visit visit, void *arg)
{
    ptm_table_visit(&ptm_site_table, visit, arg);
    ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        ptm_index_visit(&lane->sites, visit, arg);
    }
}
