/* SPDX-License-Identifier: MIT
 *
 * ptm_group, ptm_diff, ptm_agree and ptm_stack_compare against a model that walks every stack of
 * every site, compares strings, and looks its groups up one by one.
 */
#include "base/ptm_array.h"
#include "ptm_test_snap.h"
#include "snap/ptm_agree.h"

/* A text, or none. */
typedef struct {
    const char *text;
    size_t len;
    bool known;
} plain_text;

/* What a group is compared by. By traceback its frames, the most recent one first; else one frame
 * that has: by file a file, by line that and the line, by function file and name, by module the
 * name only, by size and by domain the number as its line. */
typedef struct {
    plain_text file, name;
    int64_t lineno;
} plain_frame;

typedef struct {
    plain_frame *frames;
    uint32_t n_frames;
    int64_t size[2], count[2]; /* new, old */
} plain_group;

typedef struct {
    plain_group items[4000];
    size_t len;
} model;

static int
compare_texts(plain_text a, plain_text b)
{
    if (!a.known || !b.known) {
        return a.known - b.known;
    }
    int diff = memcmp(a.text, b.text, a.len < b.len ? a.len : b.len);
    return diff != 0 ? diff : (a.len > b.len) - (a.len < b.len);
}

static int
compare_plain_frames(const plain_frame *a, const plain_frame *b)
{
    int diff = compare_texts(a->file, b->file);
    diff = diff != 0 ? diff : (a->lineno > b->lineno) - (a->lineno < b->lineno);
    return diff != 0 ? diff : compare_texts(a->name, b->name);
}

static int
compare_plain(const plain_group *a, const plain_group *b, ptm_order order)
{
    for (uint32_t i = 0; i < a->n_frames && i < b->n_frames; i++) {
        bool recent = order == PTM_ORDER_RECENT_FIRST;
        int diff = compare_plain_frames(&a->frames[recent ? i : a->n_frames - 1 - i],
                                        &b->frames[recent ? i : b->n_frames - 1 - i]);
        if (diff != 0) {
            return diff < 0 ? -1 : 1;
        }
    }
    return (a->n_frames > b->n_frames) - (a->n_frames < b->n_frames);
}

static plain_text
plain_text_of(const ptm_snap *snap, ptm_str_id id)
{
    plain_text plain = {.text = "", .known = id != PTM_SNAP_NONE};
    if (plain.known) {
        plain.text = ptm_snap_string(snap, id, &plain.len);
    }
    return plain;
}

static plain_frame
plain_frame_of(const ptm_snap *snap, ptm_frame_id id, ptm_by by)
{
    const ptm_snap_frame *frame = &snap->frames[id];
    ptm_str_id module = snap->modules == NULL ? PTM_SNAP_NONE : snap->modules[frame->file];
    plain_frame plain = {.lineno = by == PTM_BY_LINE || by == PTM_BY_TRACEBACK ? frame->lineno : 0};
    if (by != PTM_BY_MODULE) {
        plain.file = plain_text_of(snap, frame->file);
    }
    if (by == PTM_BY_FUNCTION || by == PTM_BY_MODULE) {
        plain.name = plain_text_of(snap, by == PTM_BY_MODULE ? module : frame->name);
    }
    return plain;
}

/* Of a stack the whole, or unless by traceback its frame number `which`. */
static plain_group
plain_of(const ptm_snap *snap, ptm_stack_id stack, uint32_t which, ptm_by by)
{
    plain_group plain = {.frames = calloc(snap->stacks[stack].nframe + 1, sizeof(plain_frame))};
    for (uint32_t i = 0; stack != 0; stack = snap->stacks[stack].parent, i++) {
        if (by == PTM_BY_TRACEBACK || i == which) {
            plain.frames[plain.n_frames++] = plain_frame_of(snap, snap->stacks[stack].frame, by);
        }
    }
    return plain;
}

static plain_group
plain_of_site(const ptm_snap_site *site, ptm_by by)
{
    plain_group plain = {.frames = calloc(1, sizeof(plain_frame)), .n_frames = 1};
    plain.frames[0].lineno = by == PTM_BY_DOMAIN ? (int64_t)site->domain
                             : site->folded      ? -1
                                                 : (int64_t)site->size;
    return plain;
}

static bool
is_of_sites(ptm_by by)
{
    return by == PTM_BY_SIZE || by == PTM_BY_DOMAIN;
}

static uint64_t
plain_count(const ptm_snap_site *site, ptm_metric metric)
{
    uint64_t freed = site->allocated < site->live ? 0 : site->allocated - site->live;
    return (uint64_t[]){site->live, site->peak, site->allocated, freed}[metric];
}

static uint64_t
plain_bytes(const ptm_snap_site *site, ptm_metric metric)
{
    uint64_t live = site->live * site->size, all = site->allocated_bytes;
    return (uint64_t[]){live, site->peak * site->size, all, all < live ? 0 : all - live}[metric];
}

static plain_group *
model_group(model *m, plain_group key)
{
    for (size_t i = 0; i < m->len; i++) {
        if (compare_plain(&m->items[i], &key, PTM_ORDER_RECENT_FIRST) == 0) {
            free(key.frames);
            return &m->items[i];
        }
    }
    NEED(m->len < PTM_ARRAY_LEN(m->items));
    m->items[m->len] = key;
    return &m->items[m->len++];
}

static void
model_add(model *m, const ptm_snap *snap, const ptm_snap_site *site, const ptm_group_query *q,
          int side)
{
    uint64_t count = plain_count(site, q->metric), bytes = plain_bytes(site, q->metric);
    uint32_t n = q->by == PTM_BY_TRACEBACK || is_of_sites(q->by) || q->cumulative == PTM_FLAT
                     ? 1
                     : snap->stacks[site->stack].nframe;
    plain_group *seen[64];
    uint32_t n_seen = 0;
    for (uint32_t i = 0; count != 0 && i < n; i++) {
        plain_group *group =
            model_group(m, is_of_sites(q->by) ? plain_of_site(site, q->by)
                                              : plain_of(snap, site->stack, i, q->by));
        bool again = false;
        for (uint32_t k = 0; k < n_seen; k++) {
            again |= seen[k] == group;
        }
        if (!again || q->cumulative == PTM_CUMULATIVE_FRAMES) {
            group->count[side] += (int64_t)count;
            group->size[side] += (int64_t)bytes;
        }
        seen[n_seen++] = group;
    }
}

static ptm_order model_order;
static bool model_is_diff;

/* The biggest first. */
static int
compare_groups(const void *x, const void *y)
{
    const plain_group *a = x, *b = y;
    int64_t ka[4] = {model_is_diff ? llabs(a->size[0] - a->size[1]) : 0, a->size[0],
                     model_is_diff ? llabs(a->count[0] - a->count[1]) : 0, a->count[0]};
    int64_t kb[4] = {model_is_diff ? llabs(b->size[0] - b->size[1]) : 0, b->size[0],
                     model_is_diff ? llabs(b->count[0] - b->count[1]) : 0, b->count[0]};
    for (int i = 0; i < 4; i++) {
        if (ka[i] != kb[i]) {
            return ka[i] < kb[i] ? 1 : -1;
        }
    }
    return -compare_plain(a, b, model_order);
}

static plain_group
plain_of_row(const ptm_snap *snap, const ptm_group_row *row, ptm_by by)
{
    if (by == PTM_BY_TRACEBACK) {
        return plain_of(snap, row->key, 0, by);
    }
    if (is_of_sites(by)) {
        return plain_of_site(&snap->sites[row->key], by);
    }
    plain_group plain = {.frames = calloc(1, sizeof(plain_frame)), .n_frames = 1};
    if (by == PTM_BY_FILE) {
        plain.frames[0].file = plain_text_of(snap, row->key);
        return plain;
    }
    plain.frames[0] = plain_frame_of(snap, row->key, by);
    CHECK(by != PTM_BY_LINE || snap->frames[row->key].line_key == row->key);
    return plain;
}

static void
check_rows(const ptm_groups *groups, model *m, const ptm_snap *snaps[2], const ptm_group_query *q)
{
    model_order = q->order;
    qsort(m->items, m->len, sizeof(m->items[0]), compare_groups);
    CHECK_EQ(groups->n_rows, m->len);
    for (size_t i = 0; i < groups->n_rows && i < m->len; i++) {
        const ptm_group_row *row = &groups->rows[i];
        const plain_group *expected = &m->items[i];
        CHECK_EQ(row->size, expected->size[0]);
        CHECK_EQ(row->count, expected->count[0]);
        CHECK_EQ(row->size_diff, model_is_diff ? expected->size[0] - expected->size[1] : 0);
        CHECK_EQ(row->count_diff, model_is_diff ? expected->count[0] - expected->count[1] : 0);
        CHECK_EQ(row->snap, expected->count[0] == 0);
        plain_group shown = plain_of_row(snaps[row->snap], row, q->by);
        CHECK(compare_plain(&shown, expected, q->order) == 0);
        free(shown.frames);
    }
}

static ptm_err
ask(const ptm_snap *now, const ptm_snap *old, const ptm_group_query *q, ptm_groups *groups)
{
    return old != NULL ? ptm_diff(now, old, q, groups) : ptm_group(now, q, groups);
}

/* A limit gives the first of all rows, and no others. */
static void
check_limit(const ptm_snap *now, const ptm_snap *old, ptm_group_query q, const ptm_groups *all)
{
    ptm_groups first = {0};
    q.limit = 1 + ptm_test_below((uint32_t)all->n_rows + 2);
    NEED(ask(now, old, &q, &first) == PTM_OK);
    CHECK_EQ(first.n_rows, q.limit < all->n_rows ? q.limit : all->n_rows);
    for (size_t i = 0; i < first.n_rows; i++) {
        const ptm_group_row *a = &first.rows[i], *b = &all->rows[i];
        CHECK(a->key == b->key && a->snap == b->snap && a->merged == b->merged);
        CHECK(a->size == b->size && a->count == b->count);
        CHECK(a->size_diff == b->size_diff && a->count_diff == b->count_diff);
    }
    ptm_groups_free(&first);
}

static void
check_query(const ptm_snap *now, const ptm_snap *old, const ptm_group_query *q)
{
    static model m;
    const ptm_snap *snaps[2] = {now, old};
    ptm_groups groups = {0};
    model_is_diff = old != NULL;
    m.len = 0;
    for (int side = 0; side < 2 && snaps[side] != NULL; side++) {
        for (uint32_t i = 0; i < snaps[side]->n_sites; i++) {
            model_add(&m, snaps[side], &snaps[side]->sites[i], q, side);
        }
    }
    NEED(ask(now, old, q, &groups) == PTM_OK);
    check_rows(&groups, &m, snaps, q);
    check_limit(now, old, *q, &groups);
    ptm_groups_free(&groups);
    for (size_t i = 0; i < m.len; i++) {
        free(m.items[i].frames);
    }
}

static void
check_all_queries(const ptm_snap *now, const ptm_snap *old)
{
    for (int by = PTM_BY_FILE; by <= PTM_BY_DOMAIN; by++) {
        for (int cumulative = PTM_FLAT; cumulative <= PTM_CUMULATIVE_ONCE; cumulative++) {
            for (int metric = PTM_METRIC_LIVE; metric <= PTM_METRIC_FREED; metric++) {
                for (int order = PTM_ORDER_RECENT_FIRST; order <= PTM_ORDER_OLDEST_FIRST; order++) {
                    ptm_group_query q = {by, cumulative, metric, order, 0, metric};
                    check_query(now, old, &q);
                }
            }
        }
    }
}

static ptm_snap *
random_subset(ptm_snap *snap)
{
    uint8_t *keep = malloc(snap->n_sites + 1);
    ptm_snap *subset;
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        keep[i] = ptm_test_below(3) != 0;
    }
    NEED(ptm_snap_subset(snap, keep, &subset) == PTM_OK);
    free(keep);
    return subset;
}

static void
groups_are_the_models(void)
{
    for (uint32_t round = 0; round < 40; round++) {
        ptm_snap *snap = test_snap(ptm_test_below(150), 1 + ptm_test_below(6));
        ptm_snap *subset = random_subset(snap);
        check_all_queries(snap, NULL);
        check_all_queries(subset, NULL);
        ptm_snap_decref(snap);
        ptm_snap_decref(subset);
    }
}

static void
diffs_are_the_models(void)
{
    for (uint32_t round = 0; round < 25; round++) {
        uint32_t limit = 1 + ptm_test_below(5);
        ptm_snap *now = test_snap(ptm_test_below(100), limit),
                 *old = test_snap(ptm_test_below(100), limit);
        ptm_snap *subset = random_subset(now);
        check_all_queries(now, old);
        check_all_queries(subset, now);
        check_all_queries(now, now);
        ptm_snap_decref(now);
        ptm_snap_decref(old);
        ptm_snap_decref(subset);
    }
}

/* Stacks in the same order, and more behind them: how snapshots of one program are. */
static void
diffs_of_what_has_grown_are_the_models(void)
{
    for (uint32_t round = 0; round < 25; round++) {
        uint32_t limit = 1 + ptm_test_below(5), n = ptm_test_below(60);
        uint64_t state = ptm_test_random_state;
        ptm_snap *before = test_snap(n, limit);
        ptm_test_random_state = state;
        ptm_snap *after = test_snap(n + ptm_test_below(60), limit);
        check_all_queries(after, before);
        check_all_queries(before, after);
        ptm_snap_decref(before);
        ptm_snap_decref(after);
    }
}

/* So many rows that the sort of big runs is used, all with the same numbers: only tracebacks tell
 * them apart. */
static void
long_runs_of_ties_are_in_order(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(40);
    for (uint32_t i = 0; i < 1500; i++) {
        ptm_stack_id stack = 0;
        for (uint32_t n = 20 + ptm_test_below(20); n > 0; n--) {
            stack = ptm_snap_build_stack(b, stack, test_frame(b));
            if (n > 3 && ptm_test_below(3)) { /* long equal stretches */
                stack = ptm_snap_build_stack(b, 0, 0);
            }
        }
        ptm_snap_site site = {
            .stack = stack, .size = 8, .live = 1, .peak = 1, .allocated = 1, .allocated_bytes = 8};
        ptm_snap_build_site(b, &site);
    }
    ptm_snap *snap;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    for (int order = PTM_ORDER_RECENT_FIRST; order <= PTM_ORDER_OLDEST_FIRST; order++) {
        ptm_group_query q = {PTM_BY_TRACEBACK, PTM_FLAT, PTM_METRIC_LIVE, order, 0,
                             PTM_METRIC_LIVE};
        check_query(snap, NULL, &q);
    }
    ptm_snap_decref(snap);
}

/* A thousand depths of one recursion: every stack is the end, or the start, of every longer one. */
static void
recursion_of_every_depth_is_in_order(void)
{
    ptm_snap_builder *b = ptm_snap_build_new(2000);
    ptm_frame_id main_frame = test_frame(b), recursive = test_frame(b);
    ptm_stack_id stack = ptm_snap_build_stack(b, 0, main_frame);
    for (uint32_t i = 0; i < 1200; i++) {
        ptm_snap_site site = {.stack = stack, .size = 8, .live = 1};
        ptm_snap_build_site(b, &site);
        stack = ptm_snap_build_stack(b, stack, recursive);
    }
    ptm_snap *snap;
    NEED(ptm_snap_build_finish(b, &snap) == PTM_OK);
    for (int order = PTM_ORDER_RECENT_FIRST; order <= PTM_ORDER_OLDEST_FIRST; order++) {
        ptm_group_query q = {PTM_BY_TRACEBACK, PTM_FLAT, PTM_METRIC_LIVE, order, 0,
                             PTM_METRIC_LIVE};
        ptm_groups groups;
        NEED(ptm_group(snap, &q, &groups) == PTM_OK);
        CHECK_EQ(groups.n_rows, 1200);
        for (size_t i = 1; i < groups.n_rows; i++) {
            CHECK(ptm_stack_compare(snap, groups.rows[i - 1].key, snap, groups.rows[i].key, order)
                  > 0);
        }
        ptm_groups_free(&groups);
    }
    ptm_snap_decref(snap);
}

static void
stacks_compare_as_tracebacks(void)
{
    ptm_snap *a = test_snap(120, 4), *b = test_snap(120, 4);
    for (uint32_t i = 0; i < 20000; i++) {
        ptm_snap *other = ptm_test_below(2) ? a : b;
        ptm_stack_id sa = 1 + ptm_test_below(a->n_stacks - 1),
                     sb = 1 + ptm_test_below(other->n_stacks - 1);
        ptm_order order = ptm_test_below(2) ? PTM_ORDER_RECENT_FIRST : PTM_ORDER_OLDEST_FIRST;
        plain_group pa = plain_of(a, sa, 0, PTM_BY_TRACEBACK);
        plain_group pb = plain_of(other, sb, 0, PTM_BY_TRACEBACK);
        CHECK_EQ(ptm_stack_compare(a, sa, other, sb, order), compare_plain(&pa, &pb, order));
        free(pa.frames);
        free(pb.frames);
    }
    ptm_snap_decref(a);
    ptm_snap_decref(b);
}

/* The model: for every line, look at every frame the query counts. */
static void
check_agreement(const ptm_snap *snap, const ptm_group_query *q)
{
    ptm_snap_frame *merged = ptm_agree(snap, ptm_counted_by(q, 0));
    uint8_t *shared = ptm_agree_shared(snap);
    ptm_snap_frame *expected = malloc((snap->n_frames + 1) * sizeof(*expected));
    uint8_t *seen = calloc(snap->n_frames + 1, 1);
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        uint32_t left = q->by == PTM_BY_TRACEBACK || q->cumulative != PTM_FLAT ? UINT32_MAX : 1;
        ptm_stack_id stack = ptm_site_count(&snap->sites[i], q->metric) ? snap->sites[i].stack : 0;
        for (; stack != 0 && left > 0; stack = snap->stacks[stack].parent, left--) {
            ptm_snap_frame frame = snap->frames[snap->stacks[stack].frame];
            ptm_snap_frame *e = &expected[frame.line_key];
            *e = seen[frame.line_key]++ ? *e : frame;
            seen[frame.line_key] |= seen[frame.line_key] == 0;
            e->name = e->name == frame.name ? e->name : PTM_SNAP_NONE;
            e->end_lineno = e->end_lineno == frame.end_lineno ? e->end_lineno : -1;
            e->colno = e->colno == frame.colno ? e->colno : -1;
            e->end_colno = e->end_colno == frame.end_colno ? e->end_colno : -1;
        }
    }
    NEED(merged != NULL && shared != NULL);
    for (uint32_t i = 0; i < snap->n_frames; i++) {
        CHECK(!seen[i] || memcmp(&merged[i], &expected[i], sizeof(*merged)) == 0);
        CHECK(!seen[i] || shared[i] || memcmp(&merged[i], &snap->frames[i], sizeof(*merged)) == 0);
        CHECK(snap->frames[i].line_key == i || shared[snap->frames[i].line_key]);
    }
    ptm_array_free(merged);
    ptm_array_free(shared);
    free(expected);
    free(seen);
}

static void
only_what_all_members_agree_on_is_shown(void)
{
    for (uint32_t round = 0; round < 60; round++) {
        ptm_snap *all = test_snap(ptm_test_below(80), 1 + ptm_test_below(5));
        ptm_snap *snap = round % 2 ? random_subset(all) : all;
        for (int by = PTM_BY_LINE; by <= PTM_BY_TRACEBACK; by++) {
            for (int metric = PTM_METRIC_LIVE; metric <= PTM_METRIC_FREED; metric++) {
                ptm_group_query flat = {by, PTM_FLAT, metric, PTM_ORDER_RECENT_FIRST, 0, metric};
                ptm_group_query cumulative = {
                    by, PTM_CUMULATIVE_ONCE, metric, PTM_ORDER_RECENT_FIRST, 0, metric};
                check_agreement(snap, &flat);
                check_agreement(snap, &cumulative);
            }
        }
        ptm_snap_decref(all);
        if (snap != all) {
            ptm_snap_decref(snap);
        }
    }
}

/* merged is set exactly when two different stacks of the shown snapshot are in the group. */
static void
check_merged(const ptm_snap *snaps[2], const ptm_group_row *row, ptm_order order)
{
    const ptm_snap *snap = snaps[row->snap];
    bool others = false;
    for (uint32_t k = 0; k < snap->n_sites; k++) {
        ptm_stack_id stack = snap->sites[k].live ? snap->sites[k].stack : row->key;
        others |= stack != row->key && ptm_stack_compare(snap, stack, snap, row->key, order) == 0;
    }
    CHECK_EQ(row->merged, others);
}

static void
rows_say_when_stacks_were_merged(void)
{
    ptm_snap *snap = test_snap(400, 2), *old = test_snap(100, 2);
    const ptm_snap *snaps[2] = {snap, old};
    ptm_group_query q = {PTM_BY_TRACEBACK,       PTM_FLAT, PTM_METRIC_LIVE,
                         PTM_ORDER_RECENT_FIRST, 0,        PTM_METRIC_LIVE};
    for (int diff = 0; diff < 2; diff++) {
        ptm_groups groups;
        NEED((diff ? ptm_diff(snap, old, &q, &groups) : ptm_group(snap, &q, &groups)) == PTM_OK);
        for (size_t i = 0; i < groups.n_rows; i++) {
            check_merged(snaps, &groups.rows[i], q.order);
        }
        ptm_groups_free(&groups);
    }
    ptm_snap_decref(snap);
    ptm_snap_decref(old);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(groups_are_the_models);
    RUN(diffs_are_the_models);
    RUN(diffs_of_what_has_grown_are_the_models);
    RUN(long_runs_of_ties_are_in_order);
    RUN(recursion_of_every_depth_is_in_order);
    RUN(stacks_compare_as_tracebacks);
    RUN(only_what_all_members_agree_on_is_shown);
    RUN(rows_say_when_stacks_were_merged);
    return ptm_test_done();
}
