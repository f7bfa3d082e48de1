/* SPDX-License-Identifier: MIT */
#include "base/ptm_array.h"
#include "base/ptm_mem.h"
#include "os/ptm_os.h"
#include "ptm_test.h"

#define MB ((size_t)1 << 20)

static size_t mapped_bytes, n_maps;

static void *
counted_map(size_t bytes)
{
    void *pages = ptm_os_map_large(bytes);
    mapped_bytes += pages == NULL ? 0 : bytes;
    n_maps++;
    return pages;
}

static void
counted_unmap(void *pages, size_t bytes)
{
    mapped_bytes -= bytes;
    ptm_os_unmap(pages, bytes);
}

static void
use_maps(void)
{
    ptm_mem_use(
        (ptm_mem_ops){.map = counted_map, .map_large = counted_map, .unmap = counted_unmap});
}

static uint8_t
byte_at(size_t i)
{
    return (uint8_t)(i * 7 + i / 4096);
}

/* On both sides of where pages begin, and of a huge page less the words in front. */
static const size_t sizes[] = {0,           1,      100,         4096,   MB - 17,     MB - 1, MB,
                               2 * MB - 17, 2 * MB, 2 * MB - 16, 3 * MB, 6 * MB - 16, 5 * MB};

static void
check_items(const uint8_t *items, size_t n)
{
    CHECK_EQ((uintptr_t)items % 16, 0);
    for (size_t i = 0; i < n; i += 61) {
        CHECK_EQ(items[i], byte_at(i));
    }
    CHECK(n == 0 || items[n - 1] == byte_at(n - 1));
}

static void
what_was_there_stays_there(void)
{
    uint8_t *items = NULL;
    size_t n = 0;
    for (int step = 0; step < 400; step++) {
        size_t next = sizes[ptm_test_below(PTM_ARRAY_LEN(sizes))];
        items = ptm_array_resize(items, next, 1);
        NEED(items != NULL);
        check_items(items, n < next ? n : next);
        for (size_t i = n; i < next; i++) {
            items[i] = byte_at(i);
        }
        n = next;
        CHECK(mapped_bytes <= n + 2 * PTM_MEM_LARGE_BYTES + 6 * MB);
    }
    ptm_array_free(items);
    CHECK_EQ(mapped_bytes, 0);
    CHECK(n_maps > 20);
}

static void
zeroed_is_zero(void)
{
    for (size_t i = 0; i < PTM_ARRAY_LEN(sizes); i++) {
        uint8_t *items = ptm_array_zeroed(sizes[i], 1);
        for (size_t at = 0; at < sizes[i]; at++) {
            NEED(items[at] == 0);
        }
        ptm_array_free(items);
    }
    CHECK_EQ(mapped_bytes, 0);
}

static void
pages_that_are_not_needed_go_back(void)
{
    uint8_t *items = ptm_array_new(40 * MB, 1);
    NEED(items != NULL);
    uint8_t *same = ptm_array_resize(items, 3 * MB, 1);
    CHECK(same == items);
    CHECK_EQ(mapped_bytes, 4 * MB);
    ptm_array_free(same);
    CHECK_EQ(mapped_bytes, 0);
}

static void
without_memory_an_array_is_as_before(void)
{
    CHECK(ptm_array_new(SIZE_MAX / 2, 3) == NULL);
    CHECK(ptm_array_new(SIZE_MAX, 1) == NULL);
    CHECK(ptm_array_zeroed((size_t)1 << 62, 1) == NULL);
    for (size_t i = 0; i < PTM_ARRAY_LEN(sizes); i++) {
        uint8_t *items = ptm_array_new(sizes[i], 1);
        for (size_t at = 0; at < sizes[i]; at++) {
            items[at] = byte_at(at);
        }
        ptm_mem_fail_after(0);
        CHECK(ptm_array_resize(items, 50 * MB, 1) == NULL);
        CHECK(ptm_array_resize(items, SIZE_MAX / 2, 4) == NULL);
        ptm_mem_fail_after(-1);
        check_items(items, sizes[i]);
        ptm_array_free(items);
    }
    CHECK_EQ(mapped_bytes, 0);
}

static void
without_maps_all_is_malloc_s(void)
{
    ptm_mem_use((ptm_mem_ops){NULL, NULL, NULL, NULL});
    uint8_t *items = ptm_array_zeroed(5 * MB, 1);
    NEED(items != NULL);
    items = ptm_array_resize(items, 9 * MB, 1);
    NEED(items != NULL);
    CHECK_EQ(items[5 * MB - 1], 0);
    use_maps();
    items = ptm_array_resize(items, 20 * MB, 1); /* from one kind to the other */
    NEED(items != NULL);
    CHECK_EQ(items[0], 0);
    ptm_array_free(items);
    CHECK_EQ(mapped_bytes, 0);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    use_maps();
    RUN(what_was_there_stays_there);
    RUN(zeroed_is_zero);
    RUN(pages_that_are_not_needed_go_back);
    RUN(without_memory_an_array_is_as_before);
    RUN(without_maps_all_is_malloc_s);
    return ptm_test_done();
}
