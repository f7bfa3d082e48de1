/* SPDX-License-Identifier: MIT
 *
 * The table of the columns, and the schema made of it: one piece of memory with a reference for
 * every node that has not been released, since a consumer may keep a child and release the rest.
 */
#include "format/ptm_arrow_tree.h"

#include "base/ptm_atomic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NULLABLE PTM_ARROW_NULLABLE
#define DICTIONARY(words) (PTM_ARROW_DICTIONARY + (words))

/* name, format, value_bytes, flags, n_buffers, first_child, n_children, dictionary */
const ptm_arrow_node ptm_arrow_nodes[PTM_ARROW_N_NODES] = {
    [PTM_ARROW_BATCH] = {"", "+s", 0, 0, 1, PTM_ARROW_BLOCK_SIZE, 9, 0},
    [PTM_ARROW_BLOCK_SIZE] = {"block_size", "l", 8, NULLABLE, 2, 0, 0, 0},
    [PTM_ARROW_COUNT] = {"count", "l", 8, 0, 2, 0, 0, 0},
    [PTM_ARROW_TOTAL] = {"total", "l", 8, 0, 2, 0, 0, 0},
    [PTM_ARROW_DOMAIN] = {"domain", "l", 8, 0, 2, 0, 0, 0},
    [PTM_ARROW_FILE] = {"file", "i", 4, NULLABLE, 2, 0, 0, DICTIONARY(PTM_ARROW_WORDS_FILE)},
    [PTM_ARROW_LINE] = {"line", "i", 4, NULLABLE, 2, 0, 0, 0},
    [PTM_ARROW_FUNCTION] = {"function", "i", 4, NULLABLE, 2, 0, 0,
                            DICTIONARY(PTM_ARROW_WORDS_FUNCTION)},
    [PTM_ARROW_MODULE] = {"module", "i", 4, NULLABLE, 2, 0, 0, DICTIONARY(PTM_ARROW_WORDS_MODULE)},
    [PTM_ARROW_STACK] = {"stack", "+l", 4, 0, 2, PTM_ARROW_FRAME, 1, 0},
    [PTM_ARROW_FRAME] = {"item", "+s", 0, 0, 1, PTM_ARROW_FRAME_FILE, 3, 0},
    [PTM_ARROW_FRAME_FILE] = {"file", "i", 4, NULLABLE, 2, 0, 0,
                              DICTIONARY(PTM_ARROW_WORDS_FRAME_FILE)},
    [PTM_ARROW_FRAME_LINE] = {"line", "i", 4, NULLABLE, 2, 0, 0, 0},
    [PTM_ARROW_FRAME_FUNCTION] = {"function", "i", 4, NULLABLE, 2, 0, 0,
                                  DICTIONARY(PTM_ARROW_WORDS_FRAME_FUNCTION)},
    [DICTIONARY(0)] = {"", "U", 0, 0, 3, 0, 0, 0},
    [DICTIONARY(1)] = {"", "U", 0, 0, 3, 0, 0, 0},
    [DICTIONARY(2)] = {"", "U", 0, 0, 3, 0, 0, 0},
    [DICTIONARY(3)] = {"", "U", 0, 0, 3, 0, 0, 0},
    [DICTIONARY(4)] = {"", "U", 0, 0, 3, 0, 0, 0},
};

/* -- metadata ---------------------------------------------------------------------------------- */

#define METADATA_PAIRS 4
#define METADATA_TEXT_BYTES 40 /* the longest key has 29, a uint64 20 digits */
#define METADATA_BYTES (4 + METADATA_PAIRS * 2 * (4 + METADATA_TEXT_BYTES))

static const char *const metric_names[] = {
    [PTM_METRIC_LIVE] = "end",
    [PTM_METRIC_PEAK] = "peak",
    [PTM_METRIC_ALLOCATED] = "allocated",
    [PTM_METRIC_FREED] = "freed",
};

static char *
put_text(char *at, const char *text)
{
    int32_t len = (int32_t)strlen(text);
    memcpy(at, &len, sizeof(len));
    memcpy(at + sizeof(len), text, (size_t)len);
    return at + sizeof(len) + len;
}

static char *
put_number(char *at, const char *key, uint64_t value)
{
    char digits[METADATA_TEXT_BYTES];
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    return put_text(put_text(at, key), digits);
}

/* What is true of the snapshot as a whole; what could not be recorded stands in every report. */
static void
put_metadata(char *at, const ptm_snap *snap, ptm_metric metric)
{
    int32_t n = METADATA_PAIRS;
    memcpy(at, &n, sizeof(n));
    at = put_text(put_text(at + sizeof(n), "pytracemalloc:at"), metric_names[metric]);
    at = put_number(at, "pytracemalloc:traceback_limit", snap->traceback_limit);
    at = put_number(at, "pytracemalloc:lost_blocks", snap->lost_blocks);
    put_number(at, "pytracemalloc:lost_bytes", snap->lost_bytes);
}

/* -- the schema -------------------------------------------------------------------------------- */

typedef struct {
    uint32_t refs; /* atomic; nodes not yet released */
    ptm_arrow_schema nodes[PTM_ARROW_N_NODES];
    ptm_arrow_schema *pointers[PTM_ARROW_N_NODES];
    char metadata[METADATA_BYTES];
} schema_box;

/* The node may lie in the box: it is not looked at once its reference is gone. */
static void
release_schema(ptm_arrow_schema *schema)
{
    schema_box *box = schema->private_data;
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL) {
            schema->children[i]->release(schema->children[i]);
        }
    }
    if (schema->dictionary != NULL && schema->dictionary->release != NULL) {
        schema->dictionary->release(schema->dictionary);
    }
    schema->release = NULL;
    if (PTM_FETCH_SUB_ACQ_REL(&box->refs, 1) == 1) {
        free(box);
    }
}

static ptm_arrow_schema
schema_node(schema_box *box, const ptm_arrow_node *node)
{
    return (ptm_arrow_schema){
        .format = node->format,
        .name = node->name,
        .flags = node->flags,
        .n_children = node->n_children,
        .children = node->n_children == 0 ? NULL : &box->pointers[node->first_child],
        .dictionary = node->dictionary == 0 ? NULL : &box->nodes[node->dictionary],
        .release = release_schema,
        .private_data = box,
    };
}

ptm_err
ptm_arrow_schema_make(const ptm_snap *snap, ptm_metric metric, ptm_arrow_schema *out)
{
    schema_box *box = malloc(sizeof(*box));
    if (box == NULL) {
        return PTM_ENOMEM;
    }
    box->refs = PTM_ARROW_N_NODES;
    for (int i = 0; i < PTM_ARROW_N_NODES; i++) {
        box->nodes[i] = schema_node(box, &ptm_arrow_nodes[i]);
        box->pointers[i] = &box->nodes[i];
    }
    put_metadata(box->metadata, snap, metric);
    *out = box->nodes[PTM_ARROW_BATCH]; /* the root moves to the caller */
    out->metadata = box->metadata;
    return PTM_OK;
}
