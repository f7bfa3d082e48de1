/* SPDX-License-Identifier: MIT */
#include "base/ptm_buf.h"
#include "ptm_test.h"

static uint64_t
read_varint(const uint8_t **at)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
}

static void
varints_read_back(void)
{
    ptm_buf buf;
    ptm_buf_init(&buf);
    for (int bit = 0; bit < 64; bit++) {
        ptm_buf_put_varint(&buf, (UINT64_C(1) << bit) - 1);
        ptm_buf_put_varint(&buf, UINT64_C(1) << bit);
    }
    ptm_buf_put_varint(&buf, UINT64_MAX);
    CHECK(!buf.failed);
    const uint8_t *at = buf.data;
    for (int bit = 0; bit < 64; bit++) {
        CHECK(read_varint(&at) == (UINT64_C(1) << bit) - 1);
        CHECK(read_varint(&at) == UINT64_C(1) << bit);
    }
    CHECK(read_varint(&at) == UINT64_MAX);
    CHECK_EQ(at - buf.data, buf.len);
    ptm_buf_fini(&buf);
}

static void
varints_have_the_sizes_of_protobuf(void)
{
    static const struct {
        uint64_t value;
        size_t bytes;
    } cases[] = {{0, 1},     {127, 1},        {128, 2},        {16383, 2},
                 {16384, 3}, {UINT32_MAX, 5}, {UINT64_MAX, 10}};
    for (size_t i = 0; i < PTM_ARRAY_LEN(cases); i++) {
        ptm_buf buf;
        ptm_buf_init(&buf);
        ptm_buf_put_varint(&buf, cases[i].value);
        CHECK_EQ(buf.len, cases[i].bytes);
        ptm_buf_fini(&buf);
    }
}

static void
bytes_come_back_in_order(void)
{
    ptm_buf buf;
    uint8_t model[20000];
    size_t len = 0;
    ptm_buf_init(&buf);
    while (len < sizeof(model) - 100) {
        uint8_t piece[100];
        size_t n = ptm_test_below(100);
        for (size_t i = 0; i < n; i++) {
            piece[i] = (uint8_t)ptm_test_random();
        }
        ptm_buf_put(&buf, piece, n);
        memcpy(model + len, piece, n);
        len += n;
        model[len++] = (uint8_t)n;
        ptm_buf_put_byte(&buf, (uint8_t)n);
    }
    CHECK_EQ(buf.len, len);
    CHECK(memcmp(buf.data, model, len) == 0);
    ptm_buf_fini(&buf);
    CHECK(buf.data == NULL && buf.len == 0);
}

static void
a_failed_buffer_keeps_what_it_had(void)
{
    ptm_buf buf;
    ptm_buf_init(&buf);
    ptm_buf_put(&buf, "abc", 3);
    CHECK(!ptm_buf_reserve(&buf, SIZE_MAX));
    CHECK(buf.failed);
    ptm_buf_put_byte(&buf, 'd');
    ptm_buf_put_varint(&buf, 1);
    ptm_buf_put(&buf, "efg", 3);
    CHECK(!ptm_buf_reserve(&buf, 1));
    CHECK_EQ(buf.len, 3);
    CHECK(memcmp(buf.data, "abc", 3) == 0);
    ptm_buf_fini(&buf);
}

static void
nothing_is_allocated_for_nothing(void)
{
    ptm_buf buf;
    ptm_buf_init(&buf);
    ptm_buf_put(&buf, NULL, 0);
    CHECK(ptm_buf_reserve(&buf, 0));
    CHECK(buf.data == NULL && !buf.failed);
    ptm_buf_fini(&buf);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    RUN(varints_read_back);
    RUN(varints_have_the_sizes_of_protobuf);
    RUN(bytes_come_back_in_order);
    RUN(a_failed_buffer_keeps_what_it_had);
    RUN(nothing_is_allocated_for_nothing);
    return ptm_test_done();
}
