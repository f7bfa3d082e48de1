/* SPDX-License-Identifier: MIT */
#include "os/ptm_os.h"
#include "ptm_test_mem.h"

static void
the_nth_map_fails_and_all_after_it(void)
{
    for (int64_t n = 0; n < 5; n++) {
        ptm_mem_fail_after(n);
        void *pages[8];
        for (int64_t i = 0; i < 8; i++) {
            pages[i] = ptm_mem_map(64);
            CHECK_EQ(pages[i] != NULL, i < n);
        }
        ptm_mem_fail_after(-1);
        for (int i = 0; i < 8; i++) {
            ptm_mem_unmap(pages[i], 64);
        }
    }
    CHECK_EQ(ptm_test_mapped_bytes, 0);
}

static void
pages_of_the_system_are_zero_and_counted_when_touched(void)
{
    size_t bytes = 64 * 4096;
    char *pages = ptm_os_map(bytes);
    NEED(pages != NULL);
    CHECK_EQ(ptm_os_resident_bytes(pages, bytes), 0);
    for (size_t i = 0; i < bytes; i += 4096) {
        CHECK_EQ(pages[i], 0);
    }
    memset(pages, 1, 10 * 4096);
    CHECK(ptm_os_resident_bytes(pages, bytes) >= 10 * 4096);
    ptm_os_discard(pages, bytes);
    CHECK_EQ(ptm_os_resident_bytes(pages, bytes), 0);
    CHECK_EQ(pages[5], 0);
    ptm_os_unmap(pages, bytes);
}

static void
more_pages_than_there_are_is_null(void)
{
    CHECK(ptm_os_map((size_t)1 << 62) == NULL);
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    RUN(the_nth_map_fails_and_all_after_it);
    RUN(pages_of_the_system_are_zero_and_counted_when_touched);
    RUN(more_pages_than_there_are_is_null);
    return ptm_test_done();
}
