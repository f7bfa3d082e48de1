/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "os/ptm_insist.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/ptm_atomic.h"

#define AGAIN_NS 100000000L

static struct {
    void (*note)(int); /* the handler before ours; written before ours is in force */
    int timer; /* the kernel's own number: glibc before 2.34 has timers in a library apart */
    pid_t pid; /* whose timer it is: a forked child may have another of that number */
} insist;

PTM_THREAD_LOCAL sigset_t mask_before_fork;

/* Async-signal-safe. */
static void
set_timer(long every_ns)
{
    const struct timespec every = {0, every_ns};
    const struct itimerspec spec = {every, every};
    if (insist.pid == getpid()) {
        (void)syscall(SYS_timer_settime, insist.timer, 0, &spec, NULL);
    }
}

static void
on_sigterm(int signum)
{
    const int saved = errno;
    insist.note(signum);
    set_timer(AGAIN_NS);
    errno = saved;
}

static void
make_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
    if (insist.pid != getpid()
        && syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &insist.timer) == 0) {
        insist.pid = getpid();
    }
}

void
ptm_insist(void)
{
    struct sigaction action;
    if (sigaction(SIGTERM, NULL, &action) != 0 || (action.sa_flags & SA_SIGINFO) != 0
        || action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) {
        return;
    }
    make_timer();
    if (action.sa_handler != on_sigterm) {
        insist.note = action.sa_handler;
        action.sa_handler = on_sigterm;
        (void)sigaction(SIGTERM, &action, NULL);
    }
}

void
ptm_insist_in_child(void)
{
    struct sigaction action;
    if (sigaction(SIGTERM, NULL, &action) == 0 && action.sa_handler == on_sigterm) {
        make_timer();
    }
}

void
ptm_insist_heard(void)
{
    set_timer(0);
}

void
ptm_insist_hold(void)
{
    sigset_t sigterm;
    (void)sigemptyset(&sigterm);
    (void)sigaddset(&sigterm, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &sigterm, &mask_before_fork);
}

void
ptm_insist_let(void)
{
    (void)pthread_sigmask(SIG_SETMASK, &mask_before_fork, NULL);
}
