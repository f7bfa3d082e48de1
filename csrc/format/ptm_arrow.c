/* SPDX-License-Identifier: MIT */
#include "format/ptm_arrow.h"

#include "format/ptm_arrow_tree.h"

#include <errno.h>
#include <stdlib.h>

typedef struct {
    ptm_snap *snap; /* a reference */
    ptm_metric metric;
    ptm_arrow_words *words; /* a reference; NULL before the first batch */
    ptm_site_id next;       /* the first site that is in no batch yet */
    const char *error;      /* of the last call; NULL: it succeeded */
} stream;

/* -- what the consumer calls ------------------------------------------------------------------- */

static int
succeed(stream *s)
{
    s->error = NULL;
    return 0;
}

static int
fail(stream *s, int error, const char *why)
{
    s->error = why;
    return error;
}

static int
get_schema(ptm_arrow_stream *self, ptm_arrow_schema *out)
{
    stream *s = self->private_data;
    if (ptm_arrow_schema_make(s->snap, s->metric, out) != PTM_OK) {
        return fail(s, ENOMEM, "out of memory for the schema of a snapshot");
    }
    return succeed(s);
}

static ptm_arrow_scope
next_scope(const stream *s)
{
    const ptm_snap *snap = s->snap;
    ptm_arrow_scope scope = {.first = s->next, .end = s->next};
    while (scope.end < snap->n_sites && scope.rows < PTM_ARROW_ROWS) {
        const ptm_snap_site *site = &snap->sites[scope.end];
        if (ptm_site_count(site, s->metric) != 0) {
            uint32_t frames = snap->stacks[site->stack].nframe;
            if (scope.rows > 0 && scope.frames + frames > PTM_ARROW_FRAMES) {
                break;
            }
            scope.rows++;
            scope.frames += frames;
        }
        scope.end++;
    }
    return scope;
}

static int
get_next(ptm_arrow_stream *self, ptm_arrow_array *out)
{
    stream *s = self->private_data;
    ptm_arrow_scope scope = next_scope(s);
    if (scope.rows == 0) {
        *out = (ptm_arrow_array){.release = NULL}; /* the end */
        return succeed(s);
    }
    if (s->snap->n_strings > INT32_MAX) {
        return fail(s, EOVERFLOW,
                    "a snapshot of more than 2147483647 names cannot be an Arrow "
                    "table: its dictionaries are numbered by int32");
    }
    if ((s->words == NULL && ptm_arrow_words_new(s->snap, s->metric, &s->words) != PTM_OK)
        || ptm_arrow_batch_make(s->snap, s->metric, s->words, &scope, out) != PTM_OK) {
        return fail(s, ENOMEM, "out of memory for the rows of a snapshot");
    }
    s->next = scope.end;
    return succeed(s);
}

static const char *
get_last_error(ptm_arrow_stream *self)
{
    return ((stream *)self->private_data)->error;
}

static void
release_stream(ptm_arrow_stream *self)
{
    stream *s = self->private_data;
    ptm_arrow_words_decref(s->words);
    ptm_snap_decref(s->snap);
    free(s);
    self->release = NULL;
}

/* -- what the producer calls ------------------------------------------------------------------- */

ptm_err
ptm_arrow_export(ptm_snap *snap, ptm_metric metric, ptm_arrow_stream *out)
{
    stream *s = malloc(sizeof(*s));
    if (s == NULL) {
        return PTM_ENOMEM;
    }
    *s = (stream){.snap = snap, .metric = metric};
    ptm_snap_incref(snap);
    *out = (ptm_arrow_stream){get_schema, get_next, get_last_error, release_stream, s};
    return PTM_OK;
}
