/* SPDX-License-Identifier: MIT */
#include "format/ptm_arrow_words.h"

#include "base/ptm_array.h"
#include "base/ptm_atomic.h"
#include "format/ptm_format_text.h"

#include <stdlib.h>
#include <string.h>

#define UNKNOWN "<unknown>" /* the API's name for a file that is not known */
#define MARKED 0            /* in `place`, until the words are numbered */

/* -- which strings are words ------------------------------------------------------------------- */

static bool
is_unknown(const ptm_snap *snap, ptm_str_id id)
{
    size_t len;
    const char *text = ptm_snap_string(snap, id, &len);
    return len == sizeof(UNKNOWN) - 1 && memcmp(text, UNKNOWN, len) == 0;
}

static void
mark(ptm_arrow_dictionary *dictionary, ptm_str_id id)
{
    if (id != PTM_SNAP_NONE) {
        dictionary->place[id] = MARKED;
    }
}

static void
mark_recent_frame(const ptm_snap *snap, ptm_arrow_words *words, const ptm_snap_frame *frame)
{
    mark(&words->of[PTM_ARROW_WORDS_FILE], frame->file);
    mark(&words->of[PTM_ARROW_WORDS_FUNCTION], frame->name);
    mark(&words->of[PTM_ARROW_WORDS_MODULE], ptm_snap_module(snap, frame->file));
}

/* `used`: a zeroed byte per stack. */
static void
mark_words(const ptm_snap *snap, ptm_metric metric, ptm_arrow_words *words, uint8_t *used)
{
    for (uint32_t i = 0; i < snap->n_sites; i++) {
        const ptm_snap_site *site = &snap->sites[i];
        if (ptm_site_count(site, metric) != 0 && !used[site->stack]) {
            used[site->stack] = 1;
            mark_recent_frame(snap, words, &snap->frames[snap->stacks[site->stack].frame]);
        }
    }
    for (uint32_t id = snap->n_stacks - 1; id > 0; id--) {
        if (used[id]) {
            const ptm_snap_frame *frame = &snap->frames[snap->stacks[id].frame];
            used[snap->stacks[id].parent] = 1;
            mark(&words->of[PTM_ARROW_WORDS_FRAME_FILE], frame->file);
            mark(&words->of[PTM_ARROW_WORDS_FRAME_FUNCTION], frame->name);
        }
    }
}

/* What is not known is null in a column, and no word. */
static void
unmark_unknown(const ptm_snap *snap, ptm_arrow_words *words)
{
    for (ptm_str_id id = 0; id < snap->n_strings; id++) {
        if (is_unknown(snap, id)) {
            words->of[PTM_ARROW_WORDS_FILE].place[id] = PTM_SNAP_NONE;
            words->of[PTM_ARROW_WORDS_FRAME_FILE].place[id] = PTM_SNAP_NONE;
        }
    }
}

/* -- the words --------------------------------------------------------------------------------- */

static uint32_t
count_marked(const ptm_arrow_dictionary *dictionary, uint32_t n_strings)
{
    uint32_t n = 0;
    for (uint32_t id = 0; id < n_strings; id++) {
        n += dictionary->place[id] == MARKED;
    }
    return n;
}

static ptm_err
spell(const ptm_snap *snap, ptm_arrow_dictionary *dictionary)
{
    uint32_t marked = count_marked(dictionary, snap->n_strings);
    dictionary->offset = ptm_array_new(marked + (size_t)1, sizeof(*dictionary->offset));
    if (dictionary->offset == NULL) {
        return PTM_ENOMEM;
    }
    for (ptm_str_id id = 0; id < snap->n_strings; id++) {
        if (dictionary->place[id] == MARKED) {
            size_t len;
            const char *text = ptm_snap_string(snap, id, &len);
            dictionary->place[id] = dictionary->n;
            dictionary->offset[dictionary->n++] = (int64_t)dictionary->bytes.len;
            ptm_format_escape(text, len, &dictionary->bytes);
        }
    }
    dictionary->offset[dictionary->n] = (int64_t)dictionary->bytes.len;
    return dictionary->bytes.failed ? PTM_ENOMEM : PTM_OK;
}

static ptm_arrow_words *
new_without_words(uint32_t n_strings)
{
    ptm_arrow_words *words = calloc(1, sizeof(*words));
    bool failed = words == NULL;
    for (int i = 0; i < PTM_ARROW_N_WORDS && !failed; i++) {
        size_t bytes = (n_strings + (size_t)1) * sizeof(uint32_t);
        words->refs = 1;
        words->of[i].place = ptm_array_new(bytes, 1);
        failed = words->of[i].place == NULL;
        if (!failed) {
            memset(words->of[i].place, 0xff, bytes); /* PTM_SNAP_NONE */
        }
    }
    if (failed) {
        ptm_arrow_words_decref(words);
        return NULL;
    }
    return words;
}

ptm_err
ptm_arrow_words_new(const ptm_snap *snap, ptm_metric metric, ptm_arrow_words **out)
{
    uint8_t *used = ptm_array_zeroed(snap->n_stacks, 1);
    ptm_arrow_words *words = used == NULL ? NULL : new_without_words(snap->n_strings);
    ptm_err err = words == NULL ? PTM_ENOMEM : PTM_OK;
    if (err == PTM_OK) {
        mark_words(snap, metric, words, used);
        unmark_unknown(snap, words);
    }
    for (int i = 0; i < PTM_ARROW_N_WORDS && err == PTM_OK; i++) {
        err = spell(snap, &words->of[i]);
    }
    ptm_array_free(used);
    if (err != PTM_OK) {
        ptm_arrow_words_decref(words);
        return err;
    }
    *out = words;
    return PTM_OK;
}

void
ptm_arrow_words_incref(ptm_arrow_words *words)
{
    (void)PTM_FETCH_ADD(&words->refs, 1);
}

void
ptm_arrow_words_decref(ptm_arrow_words *words)
{
    if (words != NULL && PTM_FETCH_SUB_ACQ_REL(&words->refs, 1) == 1) {
        for (int i = 0; i < PTM_ARROW_N_WORDS; i++) {
            ptm_array_free(words->of[i].place);
            ptm_array_free(words->of[i].offset);
            ptm_buf_fini(&words->of[i].bytes);
        }
        free(words);
    }
}
