/* SPDX-License-Identifier: MIT
 *
 * ptm_test_profile - profiles made by hand, field by field, for what our writer never writes.
 */
#ifndef PTM_TEST_PROFILE_H
#define PTM_TEST_PROFILE_H

#include "ptm_test_pprof.h"

static inline void
put_number(ptm_buf *to, uint32_t field, uint64_t value)
{
    ptm_buf_put_varint(to, field << 3);
    ptm_buf_put_varint(to, value);
}

static inline void
put_bytes(ptm_buf *to, uint32_t field, const void *bytes, size_t len)
{
    ptm_buf_put_varint(to, field << 3 | 2);
    ptm_buf_put_varint(to, len);
    ptm_buf_put(to, bytes, len);
}

/* A message of up to four numbers in the fields 1 to 4; 0 is left out. */
static inline void
put_small(ptm_buf *to, uint32_t field, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t numbers[] = {a, b, c, d};
    ptm_buf message;
    ptm_buf_init(&message);
    for (uint32_t i = 0; i < 4; i++) {
        if (numbers[i] != 0) {
            put_number(&message, i + 1, numbers[i]);
        }
    }
    put_bytes(to, field, message.data, message.len);
    ptm_buf_fini(&message);
}

static inline void
put_strings(ptm_buf *to, const char *const *strings, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put_bytes(to, 6, strings[i], strlen(strings[i]));
    }
}

/* An id, and the fields `tail`. */
static inline void
put_location(ptm_buf *to, uint64_t id, uint64_t mapping, uint64_t address,
             const uint64_t *functions, size_t n)
{
    ptm_buf message;
    ptm_buf_init(&message);
    for (size_t i = 0; i < n; i++) {
        put_small(&message, 4, functions[i], 10 + i, 0, 0);
    }
    put_number(&message, 3, address);
    put_number(&message, 2, mapping);
    put_number(&message, 1, id);
    put_bytes(to, 4, message.data, message.len);
    ptm_buf_fini(&message);
}

/* Numbers one by one, not packed. */
static inline void
put_sample(ptm_buf *to, const uint64_t *locations, size_t n_locations, const uint64_t *values,
           size_t n_values)
{
    ptm_buf message;
    ptm_buf_init(&message);
    for (size_t i = 0; i < n_locations; i++) {
        put_number(&message, 1, locations[i]);
    }
    for (size_t i = 0; i < n_values; i++) {
        put_number(&message, 2, values[i]);
    }
    put_bytes(to, 2, message.data, message.len);
    ptm_buf_fini(&message);
}

static inline void
refused_because(ptm_buf *profile, const char *words)
{
    ptm_snap *snap;
    ptm_pprof_extra extra;
    ptm_format_why why;
    CHECK_EQ(read_copy(profile->data, profile->len, &snap, &extra, &why), PTM_EFORMAT);
    if (strstr(why.text, words) == NULL) {
        printf("# \"%s\" is not in \"%s\"\n", words, why.text);
        CHECK(false);
    }
    ptm_buf_fini(profile);
}

static inline ptm_buf
start_profile(void)
{
    static const char *const strings[] = {"", "inuse_space", "bytes", "pytracemalloc 2",
                                          "pytracemalloc x"};
    ptm_buf p = {0};
    put_strings(&p, strings, PTM_ARRAY_LEN(strings));
    put_small(&p, 1, 1, 2, 0, 0);
    return p;
}

#endif
