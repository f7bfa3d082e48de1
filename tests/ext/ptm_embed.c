/* SPDX-License-Identifier: MIT
 *
 * ptm_embed - a program that has Python inside, and more than one life of it.
 *
 *   usage:  ptm_embed LIVES SCRIPT      runs the script in each life; it sees which one in `life`
 *
 * Exit 0: all lives began and ended well.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdio.h>
#include <stdlib.h>

static int
run(const char *script, int life)
{
    char line[40];
    (void)snprintf(line, sizeof(line), "life = %d\n", life);
    int failed = PyRun_SimpleString(line) != 0 || PyRun_SimpleString(script) != 0;
    return Py_FinalizeEx() < 0 || failed;
}

/* After the end, as a library does that has kept a block. */
static void
free_late(void *block)
{
    PyMem_RawFree(block);
    PyMem_RawFree(PyMem_RawMalloc(1000));
}

int
main(int argc, char **argv)
{
    int lives = argc == 3 ? atoi(argv[1]) : 0;
    if (lives < 1) {
        (void)fprintf(stderr, "usage: ptm_embed LIVES SCRIPT\n");
        return 2;
    }
    for (int life = 0; life < lives; life++) {
        Py_Initialize();
        void *block = PyMem_RawMalloc(2000);
        if (run(argv[2], life) != 0) {
            return 1;
        }
        free_late(block);
    }
    return 0;
}
