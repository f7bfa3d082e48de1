/* SPDX-License-Identifier: MIT
 *
 * ptm_snap - an immutable snapshot as columns, and the builder that fills one.
 *
 * Owns      strings, frames, stacks and sites of one moment; reference counted
 * How       sites point to stacks, stacks to (parent stack, frame), frames to strings
 * Threads   a finished snapshot never changes: read it from anywhere; the count is atomic, and the
 *           last ptm_snap_decref may run on any thread (no Python in it). A builder has one user.
 * Failure   a builder that ran out of memory stays failed; ptm_snap_build_finish then answers
 *           PTM_ENOMEM
 * Cost      an array each of frames, stacks, sites and modules, two of strings; nothing is
 *           proportional to the number of live blocks
 *
 * Laws
 *   parent(stack) < stack, so one forward pass over the stacks sees every caller before its callee.
 *   Stack 0 is the empty one and no site has it: what is unknown is the frame "<unknown>":0.
 *   (parent, frame) occurs once: equal stacks have equal ids. Two frames may agree in file and line
 *   and differ in name; the API calls those equal, see ptm_snap_frame.line_key.
 *   Sites keep the order in which they were added.
 *   What says which files are which modules is kept beside the strings, and not every snapshot has
 *   it: see ptm_snap_module.
 */
#ifndef PTM_SNAP_H
#define PTM_SNAP_H

#include "base/ptm_base.h"

#define PTM_SNAP_NONE UINT32_MAX          /* no string (a frame's name), no frame */
#define PTM_SNAP_STACKS (UINT32_MAX >> 2) /* at most: an id leaves two bits for its holder */

typedef struct {
    ptm_str_id file;
    ptm_str_id name;    /* qualified; PTM_SNAP_NONE: unknown, or the merged positions disagree */
    int32_t lineno;     /* 1-based; 0: unknown */
    int32_t end_lineno; /* -1: unknown or the merged positions disagree; so the two below */
    int32_t colno;      /* 0-based UTF-8 byte offset, as co_positions() */
    int32_t end_colno;
    uint32_t line_key; /* the first frame with this (file, lineno): the API calls them equal */
} ptm_snap_frame;

typedef struct {
    ptm_stack_id parent : 30; /* the caller's stack; 0: this frame is the oldest */
    uint32_t callees : 2;     /* of the builder (ptm_tree) */
    ptm_frame_id frame;       /* the most recent frame of this stack */
    uint32_t nframe;          /* number of frames of this stack */
} ptm_snap_stack;

typedef struct {
    uint64_t live;            /* blocks alive when the snapshot was taken */
    uint64_t peak;            /* blocks alive at the peak */
    uint64_t allocated;       /* blocks ever allocated */
    uint64_t allocated_bytes; /* size * allocated, except for folded sites (see below) */
    uint64_t size;            /* bytes of one block */
    ptm_stack_id stack;
    uint32_t depth; /* total_nframe, saturated at PTM_NFRAME_MAX; 0: not known (None) */
    uint32_t domain;
    uint32_t folded; /* 1: the sum of recycled sites of several sizes: size, live and peak are 0 */
} ptm_snap_site;

typedef struct ptm_snap {
    uint32_t refs; /* atomic */
    uint32_t traceback_limit;
    uint32_t n_strings, n_frames, n_stacks, n_sites;
    const uint64_t *str_offset; /* n_strings + 1; string i: str_bytes[str_offset[i] .. [i + 1]) */
    const char *str_bytes;      /* UTF-8, lone surrogates as three bytes, no NUL at the end */
    const ptm_snap_frame *frames;
    const ptm_snap_stack *stacks; /* [0] is the empty stack */
    const ptm_snap_site *sites;
    uint64_t lost_blocks, lost_bytes; /* what the tracer could not record up to this moment */
    const ptm_str_id *modules;        /* n_strings; NULL: none; see ptm_snap_module */
    uint32_t lacks;                   /* bits 1 << ptm_metric: counts that are made up, not known */
    uint32_t sums_fit; /* 1: an int64 holds every sum of counts and of bytes over its sites, each as
                          often as its stack has frames; 0: perhaps not, as files may claim */
} ptm_snap;

void ptm_snap_incref(ptm_snap *snap);
void ptm_snap_decref(ptm_snap *snap); /* NULL is ignored */
size_t ptm_snap_memory_bytes(const ptm_snap *snap);

static inline const char *
ptm_snap_string(const ptm_snap *snap, ptm_str_id id, size_t *len)
{
    *len = (size_t)(snap->str_offset[id + 1] - snap->str_offset[id]);
    return snap->str_bytes + snap->str_offset[id];
}

/* The dotted name by which import would have found the file when the snapshot was taken, or
 * PTM_SNAP_NONE. Equal names have equal ids; a file or a function of that name may have another. */
static inline ptm_str_id
ptm_snap_module(const ptm_snap *snap, ptm_str_id file)
{
    return snap->modules == NULL ? PTM_SNAP_NONE : snap->modules[file];
}

/* Of two frames of one line: what they do not agree on is no longer known. */
static inline void
ptm_snap_frame_agree(ptm_snap_frame *into, const ptm_snap_frame *frame)
{
    into->name = into->name == frame->name ? into->name : PTM_SNAP_NONE;
    into->end_lineno = ptm_in_common(into->end_lineno, frame->end_lineno);
    into->colno = ptm_in_common(into->colno, frame->colno);
    into->end_colno = ptm_in_common(into->end_colno, frame->end_colno);
}

/* -- building -------------------------------------------------------------------------------- */

/* Ids returned are final. After a failure every call answers 0 or NULL and the builder stays usable
 * only for _finish. */
typedef struct ptm_snap_builder ptm_snap_builder;

ptm_snap_builder *ptm_snap_build_new(uint32_t traceback_limit); /* NULL: no memory */
void ptm_snap_build_free(ptm_snap_builder *b);                  /* gives up; NULL is ignored */
void ptm_snap_build_limit(ptm_snap_builder *b, uint32_t traceback_limit); /* instead of the first */

/* How many stacks and sites to expect. Memory that is never used is not touched, so too many cost
 * nothing. */
void ptm_snap_build_expect(ptm_snap_builder *b, size_t n_stacks, size_t n_sites);

/* Interned. */
ptm_str_id ptm_snap_build_string(ptm_snap_builder *b, const char *utf8, size_t len);
/* Interned by (file, name, lineno); when a frame comes again with other positions, those that
 * disagree become -1. line_key of `frame` is ignored and worked out here. A position that cannot be
 * one (an end before the line, a negative column) becomes -1 too. */
ptm_frame_id ptm_snap_build_frame(ptm_snap_builder *b, const ptm_snap_frame *frame);
/* Interned. */
ptm_stack_id ptm_snap_build_stack(ptm_snap_builder *b, ptm_stack_id parent, ptm_frame_id frame);
/* Of the builder, until its next change. */
const ptm_snap_stack *ptm_snap_build_stack_at(const ptm_snap_builder *b, ptm_stack_id id);
/* A stack by its frames. Several at once are much quicker than a frame at a time. */
typedef struct {
    const ptm_frame_id *frames; /* most recent first */
    uint32_t n;
    ptm_stack_id stack; /* in: of the callers beyond the frames, 0: none; out: the whole */
} ptm_snap_path;
#define PTM_SNAP_PATHS 64u /* at most; fewer wait for memory more often */
void ptm_snap_build_paths(ptm_snap_builder *b, ptm_snap_path *paths, size_t n_paths);
/* Appended, never merged. */
void ptm_snap_build_site(ptm_snap_builder *b, const ptm_snap_site *site);
/* Added to the site of an earlier call that agrees in stack, size, domain, depth and folded, else
 * appended. Counts stop at the greatest number there is. Answers the sum, until the next change. */
const ptm_snap_site *ptm_snap_build_site_sum(ptm_snap_builder *b, const ptm_snap_site *site);
void ptm_snap_build_losses(ptm_snap_builder *b, uint64_t blocks, uint64_t bytes);
/* Both are strings of `b`. A file that has a module already keeps it. */
void ptm_snap_build_module(ptm_snap_builder *b, ptm_str_id file, ptm_str_id module);
void ptm_snap_build_lacks(ptm_snap_builder *b, uint32_t metrics); /* ptm_snap.lacks, all but these
                                                                     are known */
/* Frees the builder in any case. */
ptm_err ptm_snap_build_finish(ptm_snap_builder *b, ptm_snap **out);

/* A snapshot with the strings, frames and stacks of `snap` and only the sites for which keep[i] is
 * not 0. */
ptm_err ptm_snap_subset(const ptm_snap *snap, const uint8_t *keep, ptm_snap **out);

#endif
