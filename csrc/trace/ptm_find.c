/* SPDX-License-Identifier: MIT */
#include "trace/ptm_find.h"

#include "trace/ptm_graves.h"
#include "trace/ptm_journal.h"
#include "trace/ptm_tails.h"

/* -- tidying ----------------------------------------------------------------------------------- */

static void
mark_nodes(void)
{
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        if (ptm_site_at(id)->state != PTM_SITE_FREE) {
            ptm_stacks_mark(ptm_site_at(id)->node);
        }
    }
    ptm_graves_mark();
}

static const ptm_sweep sweep = {ptm_tails_bury, ptm_tails_join};

/* Keeps what is dead in bounds. Under both locks, before a window is interned: its nodes are
 * nobody's yet. */
static void
tidy_locked(ptm_lane *lane)
{
    ptm_journal_drain();
    ptm_journal_book_all_renewed(lane);
    ptm_sites_sweep_young(lane, &sweep);
    if (lane->n_sites >= lane->sweep_at) {
        (void)ptm_sites_sweep(lane, &sweep);
    }
    if (ptm_stacks_want_sweep()) {
        ptm_walk_forget();
        (void)ptm_stacks_sweep(mark_nodes);
    }
}

/* The raw lane's writer has the books lock already. */
static void
tidy(ptm_lane *lane)
{
    if (lane != PTM_LANE_RAW) {
        ptm_lock_take(&ptm_books_lock);
    }
    ptm_lock_take(&ptm_intern_lock);
    tidy_locked(lane);
    ptm_lock_release(&ptm_intern_lock);
    if (lane != PTM_LANE_RAW) {
        ptm_lock_release(&ptm_books_lock);
    }
}

/* -- from a stack to a site -------------------------------------------------------------------- */

/* The site that a key found before some code object died: it is right if the same window still
 * leads to its stack. */
static bool
is_still_right(ptm_site_id id, const ptm_site *like)
{
    ptm_site *site = ptm_site_at(id);
    if (site->depth != like->depth || !ptm_tails_join(site)
        || !ptm_stacks_same(site->node, like->node, ptm_recording.limit)) {
        ptm_sites_forget(id);
        return false;
    }
    site->code_age = like->code_age;
    return true;
}

/* The new site of a walked window, or `old` if that is it; 0: no memory. */
static ptm_site_id
site_of(const ptm_search *s, const ptm_walked *walked, ptm_site_id old)
{
    ptm_site like = {
        .hash = s->key,
        .size = s->size,
        .domain = s->domain,
        .node = walked->node,
        .n_tail = (uint8_t)walked->n_tail,
        .depth = (uint16_t)(walked->depth < PTM_NFRAME_MAX ? walked->depth : PTM_NFRAME_MAX),
        .code_age = PTM_LOAD(&ptm_code_age)};
    if (old != 0 || ptm_sites_want_sweep(s->lane)) {
        like.node = ptm_tails_push(like.node, &walked->tail, walked->n_tail);
        like.n_tail = 0;
    }
    if (like.node == 0 && like.n_tail == 0) {
        return 0;
    }
    return old != 0 && is_still_right(old, &like) ? old
                                                  : ptm_sites_new(s->lane, &like, &walked->tail);
}

static ptm_site_id
intern(const ptm_search *s, ptm_site_id old, ptm_walked *walked)
{
    if (old == 0 && ptm_sites_want_sweep(s->lane)) {
        tidy(s->lane);
    }
    ptm_lock_take(&ptm_intern_lock);
    bool known = ptm_walk_exact(s->tstate, ptm_recording.limit, s->manner, walked);
    ptm_site_id id = known ? site_of(s, walked, old) : 0;
    ptm_lock_release(&ptm_intern_lock);
    return id;
}

/* The raw lane renews nothing. */
static void
put_recent(ptm_lane *lane, uint64_t key, ptm_site_id id)
{
    if (ptm_renewed_at(&lane->recents, key)->blocks[1] != 0) {
        ptm_lock_take(&ptm_books_lock);
        ptm_journal_book_renewed(lane, ptm_recent_place(key));
        ptm_lock_release(&ptm_books_lock);
    }
    ptm_recent_put(&lane->recents, key, id);
}

/* A window that the manner is wrong for is taken in the next one; the last is never wrong. */
static ptm_site_id
find_otherwise(const ptm_search *before)
{
    ptm_search s = *before;
    if (before->manner == PTM_WALK_ASK) {
        return 0;
    }
    s.manner = before->manner + 1;
    s.key = ptm_find_key(ptm_find_window(s.tstate, s.manner), s.size, s.domain);
    ptm_site_id id = ptm_recent_site(&s.lane->recents, s.key);
    return id != 0 ? id : ptm_find_older(&s);
}

PTM_NOINLINE ptm_site_id
ptm_find_older(const ptm_search *s)
{
    ptm_walked walked = {.verdict = PTM_WALK_RIGHT};
    uint32_t age = PTM_LOAD(&ptm_code_age);
    if (ptm_recent_is_noted(&s->lane->recents, s->key)) {
        return find_otherwise(s);
    }
    ptm_site_id id = ptm_sites_find(s->lane, s->key);
    if (id == 0 || ptm_site_at(id)->code_age != age) {
        id = intern(s, id, &walked);
    }
    if (id != 0 || walked.verdict == PTM_WALK_WRONG) {
        put_recent(s->lane, s->key, id);
    }
    return walked.verdict == PTM_WALK_RIGHT ? id : find_otherwise(s);
}
