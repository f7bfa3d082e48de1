/* SPDX-License-Identifier: MIT
 *
 * How long the questions to a snapshot take, without Python: a usual snapshot, and hard ones of
 * 200,000 distinct stacks of 25 frames with a million blocks ("shared": stacks of a program, which
 * share their callers; "unshared": every stack has random callers of its own, five million nodes,
 * the worst a snapshot can be).
 *
 *   cc -O2 -std=c11 -D_GNU_SOURCE -Icsrc -o build/snap_bench bench/snap_bench.c \
 *      $(find csrc/base csrc/os csrc/snap csrc/format -name '*.c')
 *   build/snap_bench
 *
 * Prints milliseconds of CPU time, the least and the median of the runs.
 */
#include "format/ptm_pprof.h"
#include "snap/ptm_filter.h"
#include "snap/ptm_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS 7
#define N_FILES 300
#define N_LINES 60 /* per file */

static uint64_t state = 42;

static uint32_t
below(uint32_t limit)
{
    uint64_t x = state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((x ^ x >> 31) % limit);
}

static double
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#define TIME(what, ...)                                                   \
    do {                                                                  \
        double times[RUNS];                                               \
        for (int run = 0; run < RUNS; run++) {                            \
            double start = now_ms();                                      \
            __VA_ARGS__;                                                  \
            times[run] = now_ms() - start;                                \
        }                                                                 \
        qsort(times, RUNS, sizeof(times[0]), compare_doubles);            \
        printf("  %-44s %8.2f %8.2f\n", what, times[0], times[RUNS / 2]); \
        fflush(stdout);                                                   \
    } while (0)

typedef struct {
    const char *name;
    uint32_t n_stacks, n_frames, blocks;
    uint32_t branches; /* callees a stack may have per step; 0: any frame */
} shape;

static ptm_frame_id
frame_of(ptm_snap_builder *b, uint32_t number)
{
    char file[64], name[32];
    uint32_t in_file = number % N_FILES;
    int file_len = snprintf(file, sizeof(file), "/usr/lib/python3/site-packages/pkg%u/mod%u.py",
                            in_file % 17, in_file);
    int name_len = snprintf(name, sizeof(name), "Class%u.method%u", number % 97, number);
    ptm_snap_frame frame = {
        .file = ptm_snap_build_string(b, file, (size_t)file_len),
        .name = ptm_snap_build_string(b, name, (size_t)name_len),
        .lineno = (int32_t)(number / N_FILES * 10 % 2000 + 1),
        .end_lineno = (int32_t)(number / N_FILES * 10 % 2000 + 1),
        .colno = 4,
        .end_colno = 30,
    };
    return ptm_snap_build_frame(b, &frame);
}

/* Callees are a function of the caller, so stacks of one seed meet again in another snapshot. */
static ptm_snap *
make(const shape *shape, uint64_t seed, uint32_t skip)
{
    ptm_snap_builder *b = ptm_snap_build_new(shape->n_frames);
    uint32_t n_frames = N_FILES * N_LINES, *ids = malloc(n_frames * sizeof(*ids));
    for (uint32_t i = 0; i < n_frames; i++) {
        ids[(i + skip) % n_frames] = frame_of(b, (i + skip) % n_frames);
    }
    state = seed;
    for (uint32_t i = 0; i < shape->n_stacks; i++) {
        ptm_stack_id stack = 0;
        uint32_t at = 0;
        for (uint32_t d = 0; d < shape->n_frames; d++) {
            at = shape->branches == 0
                     ? below(n_frames)
                     : (at * 2654435761u + below(shape->branches) * 40503u + 7) % n_frames;
            stack = ptm_snap_build_stack(b, stack, ids[at]);
        }
        uint64_t live = 1 + below(2 * shape->blocks / shape->n_stacks);
        ptm_snap_site site = {
            .stack = stack,
            .size = 16 + 8 * below(60),
            .live = live,
            .peak = live + below(3),
            .allocated = live + below(100),
            .depth = shape->n_frames + below(2),
        };
        site.allocated_bytes = site.size * site.allocated;
        if (skip == 0 || below(10) != 0) {
            ptm_snap_build_site(b, &site);
        }
    }
    ptm_snap *snap = NULL;
    free(ids);
    ptm_snap_build_finish(b, &snap);
    return snap;
}

static void
bench_group(const char *what, ptm_snap *snap, ptm_snap *old, ptm_group_query q)
{
    ptm_groups groups;
    TIME(what, {
        ptm_err err = old != NULL ? ptm_diff(snap, old, &q, &groups) : ptm_group(snap, &q, &groups);
        if (err != PTM_OK) {
            abort();
        }
        ptm_groups_free(&groups);
    });
}

static void
bench_filter(const char *what, const ptm_snap *snap, bool all_frames)
{
    uint8_t *match = calloc(snap->n_strings, 1), *keep = malloc(snap->n_sites);
    match[snap->frames[0].file] = 1;
    ptm_filter filter = {.match_file = match,
                         .lineno = PTM_ANY_LINE,
                         .domain = PTM_ANY_DOMAIN,
                         .all_frames = all_frames};
    TIME(what, {
        ptm_snap *subset = NULL;
        ptm_filter_apply(snap, &filter, 1, keep);
        ptm_snap_subset(snap, keep, &subset);
        ptm_snap_decref(subset);
    });
    free(match);
    free(keep);
}

static void
bench_format(const ptm_snap *snap)
{
    ptm_buf out;
    ptm_pprof_extra extra = {0};
    ptm_format_why why;
    TIME("write pprof (not compressed)", {
        ptm_buf_init(&out);
        ptm_pprof_write(snap, &extra, &out);
        if (run < RUNS - 1) {
            ptm_buf_fini(&out);
        }
    });
    printf("  %-44s %8.2f\n", "MB of it", (double)out.len / 1e6);
    TIME("read pprof", {
        ptm_snap *back = NULL;
        if (ptm_pprof_read(out.data, out.len, &back, &extra, &why) != PTM_OK) {
            abort();
        }
        ptm_snap_decref(back);
    });
    ptm_buf_fini(&out);
}

static void
bench(const shape *shape)
{
    ptm_snap *snap = NULL, *old = make(shape, 1, 5);
    printf("%s: %u stacks of %u frames\n", shape->name, shape->n_stacks, shape->n_frames);
    TIME("build (random numbers included)", {
        ptm_snap_decref(snap);
        snap = make(shape, 1, 0);
    });
    printf("  %-44s %8u\n  %-44s %8.1f\n", "nodes of the tree", snap->n_stacks, "MB",
           (double)ptm_snap_memory_bytes(snap) / 1e6);
    const ptm_metric live = PTM_METRIC_LIVE;
    bench_group("by file", snap, NULL, (ptm_group_query){PTM_BY_FILE, PTM_FLAT, live, 0, 0, live});
    bench_group("by line", snap, NULL, (ptm_group_query){PTM_BY_LINE, PTM_FLAT, live, 0, 0, live});
    bench_group("by traceback, recent first", snap, NULL,
                (ptm_group_query){PTM_BY_TRACEBACK, PTM_FLAT, live, 0, 0, live});
    bench_group("by traceback, oldest first", snap, NULL,
                (ptm_group_query){PTM_BY_TRACEBACK, PTM_FLAT, live, 1, 0, live});
    bench_group("by line, cumulative", snap, NULL,
                (ptm_group_query){PTM_BY_LINE, PTM_CUMULATIVE_FRAMES, live, 0, 0, live});
    bench_group("by file, cumulative", snap, NULL,
                (ptm_group_query){PTM_BY_FILE, PTM_CUMULATIVE_FRAMES, live, 0, 0, live});
    bench_group("by line, cumulative once", snap, NULL,
                (ptm_group_query){PTM_BY_LINE, PTM_CUMULATIVE_ONCE, live, 0, 0, live});
    bench_group("by file, cumulative once", snap, NULL,
                (ptm_group_query){PTM_BY_FILE, PTM_CUMULATIVE_ONCE, live, 0, 0, live});
    bench_group("diff by line", snap, old,
                (ptm_group_query){PTM_BY_LINE, PTM_FLAT, live, 0, 0, live});
    bench_group("diff by traceback, recent first", snap, old,
                (ptm_group_query){PTM_BY_TRACEBACK, PTM_FLAT, live, 0, 0, live});
    bench_group("diff by traceback, oldest first", snap, old,
                (ptm_group_query){PTM_BY_TRACEBACK, PTM_FLAT, live, 1, 0, live});
    bench_group("diff by line, cumulative", snap, old,
                (ptm_group_query){PTM_BY_LINE, PTM_CUMULATIVE_FRAMES, live, 0, 0, live});
    bench_group("diff by line, cumulative once", snap, old,
                (ptm_group_query){PTM_BY_LINE, PTM_CUMULATIVE_ONCE, live, 0, 0, live});
    bench_filter("filter, most recent frame", snap, false);
    bench_filter("filter, all frames", snap, true);
    bench_format(snap);
    ptm_snap_decref(snap);
    ptm_snap_decref(old);
}

int
main(void)
{
    static const shape shapes[] = {
        {"usual", 10000, 12, 1000000, 3},
        {"hard, shared", 200000, 25, 1000000, 3},
        {"hard, unshared", 200000, 25, 1000000, 0},
    };
    printf("%48s %8s\n", "least ms", "median");
    for (size_t i = 0; i < PTM_ARRAY_LEN(shapes); i++) {
        bench(&shapes[i]);
    }
    return 0;
}
