/* SPDX-License-Identifier: MIT
 *
 * Calls of a function that one object exports and others call are sent to ours and back: objects
 * that are there before, that come later, that are linked at once or at their first call; threads
 * that call meanwhile; and a process that may not make pages executable.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ptm_atomic.h"
#include "os/ptm_redirect.h"
#include "ptm_test.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

typedef int answering(int n);

/* Paths: the exporter, callers linked at once, at the first call, and one for later. */
static char **paths;
enum { EXPORTER, AT_ONCE, AT_CALL, LATER, N_PATHS };

typedef struct {
    answering *call, *call_pointer;
} caller;

static caller at_once, at_call;

#define THEIRS 8
#define OURS 700

static int
ours(int n)
{
    return n * 100;
}

static ptm_redirect redirect = {.name = "ptm_test_answer", .ours = (ptm_function *)ours};
static ptm_redirect nobody = {.name = "ptm_test_nobody", .ours = (ptm_function *)ours};

static answering *
function(void *object, const char *name)
{
    return (answering *)(uintptr_t)dlsym(object, name);
}

static caller
load(int which, int how)
{
    void *object = dlopen(paths[which], how | RTLD_LOCAL);
    NEED(object != NULL);
    return (caller){function(object, "ptm_test_call"), function(object, "ptm_test_call_pointer")};
}

static void
finds_who_exports(void)
{
    ptm_redirect_find(&redirect);
    CHECK_EQ(redirect.theirs, (uintptr_t)dlsym(RTLD_DEFAULT, "ptm_test_answer"));
    NEED(redirect.exported != NULL);
    CHECK_EQ(*redirect.exported + redirect.base, redirect.theirs);
    ptm_redirect_find(&nobody);
    CHECK(nobody.theirs == 0 && nobody.exported == NULL);
    ptm_redirect_put(&nobody, 1);
    ptm_redirect_remove(&nobody, 1);
}

static void
check_callers(int answer)
{
    CHECK_EQ(at_once.call(7), answer);
    CHECK_EQ(at_once.call_pointer(7), answer);
    CHECK_EQ(at_call.call(7), answer);
    CHECK_EQ(at_call.call_pointer(7), answer);
    CHECK_EQ(function(RTLD_DEFAULT, "ptm_test_answer")(7), answer);
}

/* The caller that is linked at its first call makes it while calls come to ours. */
static void
there_and_back(void)
{
    CHECK_EQ(at_once.call(7), THEIRS);
    ptm_redirect_put(&redirect, 1);
    check_callers(OURS);
    ptm_redirect_put(&redirect, 1);
    check_callers(OURS);
    ptm_redirect_remove(&redirect, 1);
    check_callers(THEIRS);
    ptm_redirect_remove(&redirect, 1);
    check_callers(THEIRS);
}

static void
objects_that_come_later(void)
{
    ptm_redirect_put(&redirect, 1);
    caller later = load(LATER, RTLD_NOW);
    CHECK_EQ(later.call(7), OURS);
    CHECK_EQ(later.call_pointer(7), OURS);
    ptm_redirect_remove(&redirect, 1);
    CHECK_EQ(later.call(7), THEIRS);
    CHECK_EQ(later.call_pointer(7), THEIRS);
}

/* The lines of /proc/self/maps that name our objects. */
static size_t
maps_of_ours(char *out, size_t most)
{
    char line[1024];
    size_t n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    NEED(maps != NULL);
    while (fgets(line, sizeof(line), maps) != NULL) {
        for (int i = 0; i < N_PATHS; i++) {
            if (strstr(line, strrchr(paths[i], '/')) != NULL) {
                NEED(n + strlen(line) < most);
                n += (size_t)sprintf(out + n, "%s", line);
            }
        }
    }
    fclose(maps);
    return n;
}

/* What was read-only is so again, and nothing else is. The first put of all. */
static void
pages_keep_their_protection(void)
{
    static char before[16384], after[16384];
    size_t n = maps_of_ours(before, sizeof(before));
    CHECK(n > 0 && strstr(before, " r--p ") != NULL);
    ptm_redirect_put(&redirect, 1);
    maps_of_ours(after, sizeof(after));
    CHECK(strstr(after, "rwxp") == NULL);
    ptm_redirect_remove(&redirect, 1);
    maps_of_ours(after, sizeof(after));
    CHECK_EQ(strcmp(before, after), 0);
}

static int goes_on;

static void *
call_all_the_time(void *arg)
{
    uintptr_t wrong = 0;
    (void)arg;
    while (PTM_LOAD(&goes_on)) {
        int by_call = at_once.call(7), by_pointer = at_call.call_pointer(7);
        wrong +=
            (by_call != THEIRS && by_call != OURS) || (by_pointer != THEIRS && by_pointer != OURS);
    }
    return (void *)wrong;
}

static void
threads_call_meanwhile(void)
{
    pthread_t threads[2];
    goes_on = 1;
    for (int i = 0; i < 2; i++) {
        NEED(pthread_create(&threads[i], NULL, call_all_the_time, NULL) == 0);
    }
    for (int i = 0; i < 2000; i++) {
        ptm_redirect_put(&redirect, 1);
        ptm_redirect_remove(&redirect, 1);
    }
    PTM_STORE(&goes_on, 0);
    for (int i = 0; i < 2; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK_EQ((uintptr_t)wrong, 0);
    }
    check_callers(THEIRS);
}

/* As under systemd's MemoryDenyWriteExecute. Kernels before 6.3 cannot be asked. */
static void
where_no_page_may_become_executable(void)
{
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0) {
            printf("# this kernel has no such rule\n");
            _exit(0);
        }
        ptm_redirect_put(&redirect, 1);
        check_callers(OURS);
        ptm_redirect_remove(&redirect, 1);
        check_callers(THEIRS);
        _exit(ptm_test_failed_checks != 0);
    }
    int status;
    NEED(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
}

int
main(int argc, char **argv)
{
    NEED(argc == 1 + N_PATHS);
    paths = argv + 1;
    NEED(dlopen(paths[EXPORTER], RTLD_NOW | RTLD_GLOBAL) != NULL);
    at_once = load(AT_ONCE, RTLD_NOW);
    at_call = load(AT_CALL, RTLD_LAZY);
    RUN(finds_who_exports);
    RUN(pages_keep_their_protection);
    RUN(there_and_back);
    RUN(objects_that_come_later);
    RUN(threads_call_meanwhile);
    RUN(where_no_page_may_become_executable);
    return ptm_test_done();
}
