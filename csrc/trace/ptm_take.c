/* SPDX-License-Identifier: MIT */
#include "trace/ptm_take.h"

#include "trace/ptm_graves.h"
#include "trace/ptm_journal.h"
#include "trace/ptm_names.h"
#include "trace/ptm_stacks.h"
#include "trace/ptm_tails.h"

/* Numbers of our own while a snapshot is taken, all 0 at first. */
typedef struct {
    uint32_t *numbers;
    size_t bytes;
} renumbering;

/* What is known of a node: a stack that is the most recent frames of its path (0: none yet), and
 * whether it is the whole path; and whether the dead left something there that is not taken yet.
 *
 *      31                              2    1     0
 *     +---------------------------------+-----+-----+
 *     |  stack of the snapshot          |dead |whole|
 *     +---------------------------------+-----+-----+
 */
#define WHOLE 1u
#define DEAD 2u
#define STACK_OF(known) ((ptm_stack_id)((known) >> 2))

/* A site on its way into the snapshot. */
typedef struct {
    ptm_snap_site site;   /* less its stack */
    ptm_node_id node;     /* that of its stack */
    ptm_node_id next;     /* to be looked at; 0: the window has been followed */
    ptm_stack_id base;    /* of the callers that need not be looked at, since they are known */
    ptm_node_id *nodes;   /* those that were looked at, most recent first */
    ptm_frame_id *frames; /* of the snapshot, of the same */
    uint32_t n;
    bool may_join; /* may go on in what is known */
    bool is_whole; /* no callers beyond the limit */
} passenger;

#define AT_ONCE PTM_SNAP_PATHS
#define PAGE ((size_t)4096)

/* Sites are taken several at once: to follow a window is to wait for cold memory at each step, and
 * so they wait together. */
typedef struct {
    ptm_snap_builder *builder;
    uint32_t limit;
    renumbering frames; /* id of the tracer -> id of the snapshot, plus one; 0: not met yet */
    renumbering known;  /* node -> what is known of it */
    renumbering room;   /* for nodes and frames of the passengers */
    passenger passengers[AT_ONCE];
    uint32_t n_passengers;
} taking;

static ptm_str_id
take_string(taking *t, ptm_str_id id)
{
    size_t len;
    const char *bytes = ptm_names_bytes(id, &len);
    return ptm_snap_build_string(t->builder, bytes, len);
}

static ptm_frame_id
build_frame(taking *t, ptm_frame_id id)
{
    const ptm_frame *frame = ptm_names_frame_at(id);
    ptm_snap_frame taken = {.file = take_string(t, frame->file),
                            .name = frame->name == 0 ? PTM_SNAP_NONE : take_string(t, frame->name),
                            .lineno = frame->lineno,
                            .end_lineno = frame->end_lineno,
                            .colno = frame->colno,
                            .end_colno = frame->end_colno};
    return ptm_snap_build_frame(t->builder, &taken);
}

static ptm_frame_id
take_frame(taking *t, ptm_frame_id id)
{
    uint32_t *number = &t->frames.numbers[id];
    if (*number == 0) {
        *number = build_frame(t, id) + 1;
    }
    return *number - 1;
}

/* -- windows ----------------------------------------------------------------------------------- */

/* Whether a stack that is known of a node is just what n frames above it lack: all that there is,
 * or all that the limit allows. */
static bool
completes(const taking *t, uint32_t known, uint32_t n)
{
    uint32_t nframe = ptm_snap_build_stack_at(t->builder, STACK_OF(known))->nframe;
    return (known & WHOLE) != 0 ? nframe + n <= t->limit : nframe + n == t->limit;
}

/* The callers from `node` on: known, the end of the window, or to be looked at next. What was known
 * of one and did not fit will not fit further down either, as a rule. */
static void
go_on_at(taking *t, passenger *p, ptm_node_id node)
{
    p->is_whole = node == 0;
    p->next = p->n == t->limit ? 0 : node;
    uint32_t known = p->may_join ? t->known.numbers[p->next] : 0;
    if (STACK_OF(known) != 0 && completes(t, known, p->n)) {
        p->base = STACK_OF(known);
        p->is_whole = (known & WHOLE) != 0;
        p->next = 0;
    }
    p->may_join = p->may_join && STACK_OF(known) == 0;
    __builtin_prefetch(ptm_stacks_at(p->next));
}

static void
look_at_next(taking *t, passenger *p)
{
    const ptm_node *node = ptm_stacks_at(p->next);
    p->nodes[p->n] = p->next;
    p->frames[p->n++] = take_frame(t, node->frame);
    if (p->may_join) {
        __builtin_prefetch(&t->known.numbers[node->caller]);
    }
    p->next = node->caller;
}

/* Two rounds a step: who is next, and what is known of him. */
static void
follow_all(taking *t)
{
    for (bool going = true; going;) {
        passenger *looking[AT_ONCE];
        uint32_t n = 0;
        for (uint32_t i = 0; i < t->n_passengers; i++) {
            if (t->passengers[i].next != 0) {
                look_at_next(t, &t->passengers[i]);
                looking[n++] = &t->passengers[i];
            }
        }
        for (uint32_t i = 0; i < n; i++) {
            go_on_at(t, looking[i], looking[i]->next);
        }
        going = n != 0;
    }
}

/* What comes later may have the same callers. */
static void
note_stack(taking *t, const passenger *p, ptm_stack_id stack)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t *known = &t->known.numbers[p->nodes[i]];
        if ((*known & WHOLE) != 0) {
            return;
        }
        *known = stack << 2 | (*known & DEAD) | p->is_whole;
        stack = ptm_snap_build_stack_at(t->builder, stack)->parent;
    }
}

static void
find_dead(taking *t)
{
    for (ptm_node_id id = 1; id < ptm_stacks_end(); id++) {
        const ptm_node *node = ptm_stacks_at(id);
        if (node->frame != 0 && node->dead_blocks != 0) {
            t->known.numbers[id] = DEAD;
        }
    }
}

static ptm_snap_site
take_dead(taking *t, ptm_node_id id)
{
    const ptm_node *node = ptm_stacks_at(id);
    t->known.numbers[id] &= ~DEAD;
    return (ptm_snap_site){
        .allocated = node->dead_blocks, .allocated_bytes = node->dead_bytes, .folded = 1};
}

/* What the dead left at the same stack comes right after: so it is written, folded and read at half
 * the price. */
static void
put_site(taking *t, ptm_node_id node, const ptm_snap_site *site)
{
    ptm_snap_build_site(t->builder, site);
    if ((t->known.numbers[node] & DEAD) != 0) {
        ptm_snap_site dead = take_dead(t, node);
        dead.stack = site->stack;
        ptm_snap_build_site(t->builder, &dead);
    }
}

static void
deliver(taking *t)
{
    ptm_snap_path paths[AT_ONCE];
    follow_all(t);
    for (uint32_t i = 0; i < t->n_passengers; i++) {
        const passenger *p = &t->passengers[i];
        paths[i] = (ptm_snap_path){p->frames, p->n, p->base};
    }
    ptm_snap_build_paths(t->builder, paths, t->n_passengers);
    for (uint32_t i = 0; i < t->n_passengers; i++) {
        passenger *p = &t->passengers[i];
        p->site.stack = paths[i].stack;
        note_stack(t, p, paths[i].stack);
        put_site(t, p->node, &p->site);
    }
    t->n_passengers = 0;
}

/* Nobody waits, and the stack is known. */
static bool
take_at_once(taking *t, ptm_node_id node, ptm_snap_site *site)
{
    uint32_t known = t->known.numbers[node];
    if (STACK_OF(known) == 0 || t->n_passengers != 0 || !completes(t, known, 0)) {
        return false;
    }
    site->stack = STACK_OF(known);
    put_site(t, node, site);
    return true;
}

/* The site of a node, with everything but its stack. */
static void
take(taking *t, ptm_node_id node, ptm_snap_site *site)
{
    if (take_at_once(t, node, site)) {
        return;
    }
    uint32_t at = t->n_passengers++;
    uint32_t *room = t->room.numbers + (size_t)at * 2 * t->limit;
    passenger *p = &t->passengers[at];
    *p = (passenger){
        .site = *site, .node = node, .nodes = room, .frames = room + t->limit, .may_join = true};
    go_on_at(t, p, node);
    if (t->n_passengers == AT_ONCE) {
        deliver(t);
    }
}

/* -- sites ------------------------------------------------------------------------------------- */

static void
take_site(taking *t, const ptm_site *site, uint64_t share)
{
    ptm_snap_site taken = {.live = (uint64_t)ptm_site_live(site),
                           .peak = share,
                           .allocated = site->moved[PTM_CAME],
                           .allocated_bytes = site->moved[PTM_CAME] * site->size,
                           .size = site->size,
                           .depth = site->depth,
                           .domain = ptm_domains_number(site->domain)};
    take(t, site->node, &taken);
}

/* What was allocated at sites that are recycled, of a stack that has no others. */
static void
take_dead_alone(taking *t, ptm_node_id id)
{
    if ((t->known.numbers[id] & DEAD) != 0) {
        ptm_snap_site dead = take_dead(t, id);
        take(t, id, &dead);
    }
}

/* Likewise of other domains. */
static void
take_grave(taking *t, const ptm_grave *grave)
{
    ptm_snap_site taken = {.allocated = grave->blocks,
                           .allocated_bytes = grave->bytes,
                           .domain = ptm_domains_number(grave->domain),
                           .folded = 1};
    take(t, grave->node, &taken);
}

static void
take_losses(taking *t)
{
    uint64_t blocks, bytes;
    ptm_lanes_losses(&blocks, &bytes);
    ptm_snap_build_losses(t->builder, blocks, bytes);
}

static bool
make(renumbering *r, size_t n)
{
    r->bytes = ((n + 1) * sizeof(uint32_t) + PAGE - 1) & ~(PAGE - 1);
    r->numbers = ptm_mem_map_table(r->bytes);
    return r->numbers != NULL;
}

static void
drop(taking *t)
{
    renumbering *all[] = {&t->frames, &t->known, &t->room};
    for (size_t i = 0; i < PTM_ARRAY_LEN(all); i++) {
        ptm_mem_unmap(all[i]->numbers, all[i]->bytes);
    }
}

static ptm_err
begin(taking *t, uint32_t limit)
{
    *t = (taking){.limit = limit};
    bool made = make(&t->frames, ptm_names_frame_end()) && make(&t->known, ptm_stacks_end())
                && make(&t->room, (size_t)limit * 2 * AT_ONCE);
    t->builder = made ? ptm_snap_build_new(limit) : NULL;
    if (t->builder == NULL) {
        drop(t);
        return PTM_ENOMEM;
    }
    return PTM_OK;
}

static ptm_err
end(taking *t, ptm_snap **out)
{
    deliver(t);
    drop(t);
    return ptm_snap_build_finish(t->builder, out);
}

static void
book_renewed(void)
{
    ptm_lane *lane;
    for (uint32_t i = 0; (lane = ptm_lanes_at(i)) != NULL; i++) {
        ptm_journal_book_all_renewed(lane);
    }
}

ptm_err
ptm_take_all(uint32_t limit, ptm_snap **out)
{
    taking t;
    book_renewed();
    ptm_err err = ptm_tails_join_all() ? begin(&t, limit) : PTM_ENOMEM;
    if (err != PTM_OK) {
        return err;
    }
    size_t n_sites = ptm_table_count(&ptm_site_table); /* and an eighth for those recycled */
    ptm_snap_build_expect(t.builder, ptm_stacks_end(), n_sites + n_sites / 8);
    find_dead(&t);
    for (ptm_site_id id = 1; id < ptm_site_table.used; id++) {
        if (ptm_site_at(id)->state != PTM_SITE_FREE) {
            take_site(&t, ptm_site_at(id), ptm_site_share(ptm_site_at(id)));
        }
    }
    for (ptm_node_id id = 1; id < ptm_stacks_end(); id++) {
        take_dead_alone(&t, id);
    }
    for (uint32_t id = 1; id < ptm_graves_end(); id++) {
        take_grave(&t, ptm_graves_at(id));
    }
    take_losses(&t);
    return end(&t, out);
}

ptm_err
ptm_take_one(uint32_t limit, ptm_site_id id, ptm_snap **out)
{
    taking t;
    ptm_err err = ptm_tails_join(ptm_site_at(id)) ? begin(&t, limit) : PTM_ENOMEM;
    if (err != PTM_OK) {
        return err;
    }
    ptm_site one = *ptm_site_at(id);
    one.moved[PTM_LEFT] = 0;
    one.moved[PTM_CAME] = 1;
    take_site(&t, &one, 1);
    return end(&t, out);
}
