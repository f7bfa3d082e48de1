/* SPDX-License-Identifier: MIT
 *
 * For test_redirect: the object that exports the function.
 */
int ptm_test_answer(int n);

int
ptm_test_answer(int n)
{
    return n + 1;
}
