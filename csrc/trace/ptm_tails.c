/* SPDX-License-Identifier: MIT */
#include "trace/ptm_tails.h"

#include "trace/ptm_graves.h"
#include "trace/ptm_stacks.h"

static const ptm_tail *
tail_of(const ptm_site *site)
{
    return &ptm_lanes_of(site->lane)->tails[site->swept];
}

ptm_node_id
ptm_tails_push(ptm_node_id node, const ptm_tail *tail, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        node = ptm_stacks_push(node, tail->frames[i]);
        if (node == 0) {
            break;
        }
    }
    return node;
}

bool
ptm_tails_join(ptm_site *site)
{
    if (site->n_tail == 0) {
        return true;
    }
    ptm_node_id node = ptm_tails_push(site->node, tail_of(site), site->n_tail);
    if (node == 0) {
        return false;
    }
    site->node = node;
    site->n_tail = 0;
    return true;
}

bool
ptm_tails_join_all(void)
{
    const ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        for (uint32_t k = 0; k < lane->n_young; k++) {
            if (!ptm_tails_join(ptm_site_at(lane->young[k]))) {
                return false;
            }
        }
    }
    return true;
}

/* A stack of its most recent frame alone. */
static void
fold(ptm_site *site)
{
    site->node = ptm_stacks_push(0, tail_of(site)->frames[site->n_tail - 1]);
    site->n_tail = 0;
}

static ptm_frame_id
most_recent(const ptm_site *site)
{
    return site->n_tail != 0 ? tail_of(site)->frames[site->n_tail - 1]
                             : ptm_stacks_at(site->node)->frame;
}

/* Where there is no memory for a stack, the allocated books lose what the site had; live and peak
 * do not. */
void
ptm_tails_bury(ptm_site *site)
{
    uint64_t blocks = site->moved[PTM_CAME], bytes = blocks * site->size;
    if (site->domain != 0) {
        ptm_graves_bury(site->domain, most_recent(site), blocks, bytes);
        return;
    }
    if (site->n_tail != 0 && (ptm_stacks_crowded() || !ptm_tails_join(site))) {
        fold(site);
    }
    if (site->node != 0) {
        ptm_stacks_bury(site->node, blocks, bytes);
    }
}
