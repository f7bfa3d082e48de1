/* SPDX-License-Identifier: MIT
 *
 * A batch is one piece of memory: the nodes, then the buffers, each on a boundary of 64 bytes as
 * Arrow recommends. It has a reference for every node that has not been released, since a consumer
 * may keep a child and release the rest.
 */
#include "format/ptm_arrow_tree.h"

#include "base/ptm_atomic.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT ((size_t)64)
#define BUFFERS_MAX 3

typedef struct {
    uint32_t refs;          /* atomic; nodes not yet released */
    ptm_arrow_words *words; /* a reference */
    ptm_arrow_array nodes[PTM_ARROW_N_NODES];
    ptm_arrow_array *pointers[PTM_ARROW_N_NODES];
    const void *buffers[PTM_ARROW_N_NODES][BUFFERS_MAX];
} batch_box;

/* A batch while it is filled. */
typedef struct {
    const ptm_snap *snap;
    ptm_metric metric;
    const ptm_arrow_scope *scope;
    batch_box *box;
    uint8_t *valid[PTM_ARROW_DICTIONARY]; /* NULL: the column has no nulls */
    void *values[PTM_ARROW_DICTIONARY];
    int64_t row, frame; /* the next to be filled */
} batch;

/* -- memory ------------------------------------------------------------------------------------ */

/* The node may lie in the box: it is not looked at once its reference is gone. */
static void
release_array(ptm_arrow_array *array)
{
    batch_box *box = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL) {
            array->children[i]->release(array->children[i]);
        }
    }
    if (array->dictionary != NULL && array->dictionary->release != NULL) {
        array->dictionary->release(array->dictionary);
    }
    array->release = NULL;
    if (PTM_FETCH_SUB_ACQ_REL(&box->refs, 1) == 1) {
        ptm_arrow_words_decref(box->words);
        free(box);
    }
}

static size_t
aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

static int64_t
items_of(const ptm_arrow_scope *scope, int node)
{
    return node < PTM_ARROW_FRAME ? scope->rows : scope->frames;
}

/* A list has one offset more than it has items. */
static size_t
value_bytes(const ptm_arrow_scope *scope, int node)
{
    return ptm_arrow_nodes[node].value_bytes
           * ((size_t)items_of(scope, node) + (node == PTM_ARROW_STACK));
}

static size_t
valid_bytes(const ptm_arrow_scope *scope, int node)
{
    bool nullable = ptm_arrow_nodes[node].flags & PTM_ARROW_NULLABLE;
    return nullable ? ((size_t)items_of(scope, node) + 7) / 8 : 0;
}

static batch_box *
new_box(const ptm_arrow_scope *scope)
{
    size_t bytes = aligned(sizeof(batch_box)) + ALIGNMENT; /* malloc's boundary is a smaller one */
    for (int node = 0; node < PTM_ARROW_DICTIONARY; node++) {
        bytes += aligned(value_bytes(scope, node)) + aligned(valid_bytes(scope, node));
    }
    return malloc(bytes);
}

/* At first everything is valid. */
static void
lay_out(batch *b)
{
    char *at = (char *)b->box + sizeof(batch_box);
    at += aligned((uintptr_t)at) - (uintptr_t)at;
    for (int node = 0; node < PTM_ARROW_DICTIONARY; node++) {
        size_t bytes = valid_bytes(b->scope, node);
        b->valid[node] = bytes == 0 ? NULL : memset(at, 0xff, bytes);
        at += aligned(bytes);
        b->values[node] = at;
        at += aligned(value_bytes(b->scope, node));
    }
}

/* -- nodes ------------------------------------------------------------------------------------- */

static void
set_node(batch *b, int i)
{
    const ptm_arrow_node *node = &ptm_arrow_nodes[i];
    batch_box *box = b->box;
    box->pointers[i] = &box->nodes[i];
    box->nodes[i] = (ptm_arrow_array){
        .length = items_of(b->scope, i),
        .n_buffers = node->n_buffers,
        .n_children = node->n_children,
        .buffers = box->buffers[i],
        .children = node->n_children == 0 ? NULL : &box->pointers[node->first_child],
        .dictionary = node->dictionary == 0 ? NULL : &box->nodes[node->dictionary],
        .release = release_array,
        .private_data = box,
    };
}

static void
set_nodes(batch *b)
{
    batch_box *box = b->box;
    for (int i = 0; i < PTM_ARROW_DICTIONARY; i++) {
        set_node(b, i);
        box->buffers[i][0] = b->valid[i];
        box->buffers[i][1] = b->values[i];
    }
    for (int i = PTM_ARROW_DICTIONARY; i < PTM_ARROW_N_NODES; i++) {
        const ptm_arrow_dictionary *dictionary = &box->words->of[i - PTM_ARROW_DICTIONARY];
        set_node(b, i);
        box->nodes[i].length = dictionary->n;
        box->buffers[i][0] = NULL;
        box->buffers[i][1] = dictionary->offset;
        box->buffers[i][2] = dictionary->bytes.data;
    }
}

/* -- values ------------------------------------------------------------------------------------ */

static void
put_int64(batch *b, int node, uint64_t value)
{
    int64_t *values = b->values[node];
    values[b->row] = value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static void
put_int32(batch *b, int node, int64_t at, int32_t value)
{
    int32_t *values = b->values[node];
    values[at] = value;
}

static void
put_null(batch *b, int node, int64_t at)
{
    b->valid[node][at / 8] &= (uint8_t)~(1u << at % 8);
    b->box->nodes[node].null_count++;
}

/* PTM_SNAP_NONE becomes null, and so does a string that is no word: what is not known. */
static void
put_word(batch *b, int node, int64_t at, ptm_str_id id)
{
    int words = ptm_arrow_nodes[node].dictionary - PTM_ARROW_DICTIONARY;
    uint32_t place = PTM_SNAP_NONE;
    if (id != PTM_SNAP_NONE) {
        place = b->box->words->of[words].place[id];
    }
    put_int32(b, node, at, place == PTM_SNAP_NONE ? 0 : (int32_t)place);
    if (place == PTM_SNAP_NONE) {
        put_null(b, node, at);
    }
}

/* File, line and function, into three nodes that follow each other. */
static void
put_frame(batch *b, int file_node, int64_t at, const ptm_snap_frame *frame)
{
    put_word(b, file_node, at, frame->file);
    put_int32(b, file_node + 1, at, frame->lineno);
    if (frame->lineno == 0) {
        put_null(b, file_node + 1, at);
    }
    put_word(b, file_node + 2, at, frame->name);
}

static void
put_stack(batch *b, ptm_stack_id stack)
{
    const ptm_snap *snap = b->snap;
    put_int32(b, PTM_ARROW_STACK, b->row, (int32_t)b->frame);
    for (; stack != 0; stack = snap->stacks[stack].parent) {
        put_frame(b, PTM_ARROW_FRAME_FILE, b->frame++, &snap->frames[snap->stacks[stack].frame]);
    }
}

static void
put_site(batch *b, const ptm_snap_site *site)
{
    const ptm_snap_frame *frame = &b->snap->frames[b->snap->stacks[site->stack].frame];
    put_int64(b, PTM_ARROW_BLOCK_SIZE, site->size);
    if (site->folded) {
        put_null(b, PTM_ARROW_BLOCK_SIZE, b->row);
    }
    put_int64(b, PTM_ARROW_COUNT, ptm_site_count(site, b->metric));
    put_int64(b, PTM_ARROW_TOTAL, ptm_site_total_bytes(site, b->metric));
    put_int64(b, PTM_ARROW_DOMAIN, site->domain);
    put_frame(b, PTM_ARROW_FILE, b->row, frame);
    put_word(b, PTM_ARROW_MODULE, b->row, ptm_snap_module(b->snap, frame->file));
    put_stack(b, site->stack);
    b->row++;
}

ptm_err
ptm_arrow_batch_make(const ptm_snap *snap, ptm_metric metric, ptm_arrow_words *words,
                     const ptm_arrow_scope *scope, ptm_arrow_array *out)
{
    batch b = {.snap = snap, .metric = metric, .scope = scope, .box = new_box(scope)};
    if (b.box == NULL) {
        return PTM_ENOMEM;
    }
    b.box->refs = PTM_ARROW_N_NODES;
    b.box->words = words;
    ptm_arrow_words_incref(words);
    lay_out(&b);
    set_nodes(&b);
    for (uint32_t i = scope->first; i < scope->end; i++) {
        if (ptm_site_count(&snap->sites[i], metric) != 0) {
            put_site(&b, &snap->sites[i]);
        }
    }
    put_int32(&b, PTM_ARROW_STACK, b.row, (int32_t)b.frame);
    ptm_assert(b.row == scope->rows && b.frame == scope->frames);
    *out = b.box->nodes[PTM_ARROW_BATCH]; /* the root moves to the caller */
    return PTM_OK;
}
