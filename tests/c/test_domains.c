/* SPDX-License-Identifier: MIT
 *
 * Numbers of domains and their ids: any number, 65,535 of them, no memory.
 */
#include "ptm_test_mem.h"
#include "trace/ptm_domains.h"

static uint32_t
number_of(uint32_t i)
{
    return i * 2654435761u + 389047u;
}

static void
domain_0_needs_nothing(void)
{
    ptm_domain_id id = 9;
    ptm_mem_fail_after(0);
    CHECK(ptm_domains_intern(0, &id));
    ptm_mem_fail_after(-1);
    CHECK_EQ(id, 0);
    CHECK_EQ(ptm_domains_number(0), 0);
}

static void
as_many_as_fit_into_a_site(void)
{
    ptm_domain_id id;
    for (uint32_t i = 1; i <= UINT16_MAX; i++) {
        CHECK(ptm_domains_intern(number_of(i), &id));
        CHECK_EQ(id, i);
    }
    CHECK(!ptm_domains_intern(number_of(0), &id));
    for (uint32_t i = 1; i <= UINT16_MAX; i++) {
        CHECK(ptm_domains_intern(number_of(i), &id));
        CHECK_EQ(id, i);
        CHECK_EQ(ptm_domains_number(id), number_of(i));
    }
    ptm_domains_clear();
    CHECK(ptm_domains_intern(UINT32_MAX, &id));
    CHECK_EQ(id, 1);
    ptm_domains_clear();
    CHECK_EQ(ptm_test_mapped_bytes, 0);
}

static void
every_map_may_fail(void)
{
    ptm_domain_id id;
    bool done = false;
    for (int64_t n = 0; !done; n++) {
        ptm_mem_fail_after(n);
        done = ptm_domains_intern(7, &id);
        ptm_mem_fail_after(-1);
        CHECK(done || n < 2);
        CHECK(ptm_domains_intern(8, &id));
        CHECK_EQ(ptm_domains_number(id), 8);
        CHECK(ptm_domains_intern(7, &id));
        CHECK_EQ(ptm_domains_number(id), 7);
        ptm_domains_clear();
    }
}

static void
tells_the_maps_it_owns(void)
{
    ptm_domain_id id;
    size_t told = 0;
    CHECK(ptm_domains_intern(7, &id));
    ptm_domains_visit(ptm_test_add_bytes, &told);
    CHECK_EQ(told, ptm_test_mapped_bytes);
    ptm_domains_clear();
}

int
main(int argc, char **argv)
{
    ptm_test_seed(argc, argv);
    ptm_test_mem_use();
    RUN(domain_0_needs_nothing);
    RUN(as_many_as_fit_into_a_site);
    RUN(every_map_may_fail);
    RUN(tells_the_maps_it_owns);
    return ptm_test_done();
}
