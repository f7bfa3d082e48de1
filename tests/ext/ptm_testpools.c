/* SPDX-License-Identifier: MIT
 *
 * ptm_testpools - allocators that are nearly pymalloc, below Python's MEM and OBJ domains.
 *
 *   put("late")      pymalloc, but a pool of the largest class that has given its last block leaves
 *                    its ring with the next call only
 *   put("guarded")   small blocks that lie behind a page that cannot be read
 *
 * Not taken out again. With PTM_TEST_LIE=pymalloc (ptm_liar) they have pymalloc's name.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "pyver/ptm_pool.h"
#include "ptm_test_module.h"

#ifdef PTM_HAS_POOLS

#define LARGEST 512u

static PyMemAllocatorEx real;

/* -- late -------------------------------------------------------------------------------------- */

static ptm_pool *leaving; /* is in a ring still, and has no free block */

static void
settle(void)
{
    if (leaving != NULL) {
        ptm_pool_unlink(leaving);
        leaving = NULL;
    }
}

/* Its links are what they were: puts it in front again. */
static void
stay(ptm_pool *pool)
{
    ptm_pool *head = pool->previous;
    pool->next = head->next;
    head->next->previous = pool;
    head->next = pool;
    leaving = pool;
}

static void *
late_malloc(void *ctx, size_t size)
{
    settle();
    void *block = real.malloc(ctx, size);
    bool largest = block != NULL && size <= LARGEST && size > LARGEST - 16;
    if (largest && ptm_pool_of(block)->first == NULL) {
        stay(ptm_pool_of(block));
    }
    return block;
}

static void *
late_calloc(void *ctx, size_t n, size_t each)
{
    settle();
    return real.calloc(ctx, n, each);
}

static void *
late_realloc(void *ctx, void *block, size_t size)
{
    settle();
    return real.realloc(ctx, block, size);
}

static void
late_free(void *ctx, void *block)
{
    settle();
    real.free(ctx, block);
}

/* -- guarded ----------------------------------------------------------------------------------- */

#define PAGE ((uintptr_t)4096)
#define GUARDED 64u /* bytes of the largest of them */

static char *from, *next, *end;

static bool
map_guarded(void)
{
    char *pages =
        mmap(NULL, 4 * PTM_POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return false;
    }
    char *pool = (char *)ptm_pool_of(pages + PTM_POOL_BYTES);
    from = next = pool + PAGE;
    end = pool + PTM_POOL_BYTES;
    return mprotect(pool, PAGE, PROT_NONE) == 0;
}

static void *
guarded_malloc(void *ctx, size_t size)
{
    if (size == 0 || size > GUARDED || next + GUARDED > end) {
        return real.malloc(ctx, size);
    }
    next += GUARDED;
    return next - GUARDED;
}

static bool
is_guarded(const void *block)
{
    return (const char *)block >= from && (const char *)block < end;
}

static void *
guarded_realloc(void *ctx, void *block, size_t size)
{
    if (!is_guarded(block)) {
        return real.realloc(ctx, block, size);
    }
    void *moved = real.malloc(ctx, size);
    return moved != NULL ? memcpy(moved, block, size < GUARDED ? size : GUARDED) : NULL;
}

static void
guarded_free(void *ctx, void *block)
{
    if (!is_guarded(block)) {
        real.free(ctx, block);
    }
}

/* -- the module -------------------------------------------------------------------------------- */

static PyObject *
test_put(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *which;
    if (!PyArg_ParseTuple(args, "s:put", &which)) {
        return NULL;
    }
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &real);
    PyMemAllocatorEx late = {real.ctx, late_malloc, late_calloc, late_realloc, late_free};
    PyMemAllocatorEx guarded = {real.ctx, guarded_malloc, real.calloc, guarded_realloc,
                                guarded_free};
    bool is_late = strcmp(which, "late") == 0;
    if (!is_late && !map_guarded()) {
        return PyErr_NoMemory();
    }
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, is_late ? &late : &guarded);
    PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, is_late ? &late : &guarded);
    Py_RETURN_NONE;
}

#else

static PyObject *
test_put(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    Py_RETURN_NONE; /* there is no pymalloc */
}

#endif

static PyMethodDef methods[] = {
    {"put", test_put, METH_VARARGS, "put('late' or 'guarded')"},
    {NULL, NULL, 0, NULL},
};

PTM_TEST_MODULE(ptm_testpools, "Allocators that are nearly pymalloc.")
