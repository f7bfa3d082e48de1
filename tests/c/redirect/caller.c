/* SPDX-License-Identifier: MIT
 *
 * For test_redirect: an object that calls it, through its table of procedures and through a pointer
 * of its own. Built several times, with the linker's kinds of tables.
 */
int ptm_test_answer(int n);
int ptm_test_call(int n);
int ptm_test_call_pointer(int n);

/* volatile: read, not known */
int (*const volatile ptm_test_pointers[])(int) = {ptm_test_answer};

int
ptm_test_call(int n)
{
    return ptm_test_answer(n);
}

int
ptm_test_call_pointer(int n)
{
    return ptm_test_pointers[0](n);
}
