/* SPDX-License-Identifier: MIT */
#ifndef HOST_SIGNALS_H
#define HOST_SIGNALS_H

/*
 * The signals of a program that runs another one: it takes them through a descriptor, and the
 * other one gets them as the program itself was started with them.
 */

#include <signal.h>
#include <stdbool.h>

/* What a program was started with, and host_signals_take() has changed. */
struct host_signals {
	sigset_t mask;
	struct sigaction pipe, child;
};

/*
 * Blocks every signal that can be, but those by which the kernel reports a fault of the program
 * itself; ignores SIGPIPE, and lets SIGCHLD have its default.
 */
void host_signals_take(struct host_signals *started);
/* Undoes it. Pending signals are then delivered. */
void host_signals_restore(const struct host_signals *started);
/*
 * A signalfd(2) of all that host_signals_take() blocks; not blocking, close-on-exec. Negative
 * errno.
 */
int host_signals_open(void);
/*
 * Whether the program was started with the signal ignored. Only for signals that take() leaves as
 * they are.
 */
bool host_signals_ignored(int signo);

/*
 * Stops the calling process as `signo` (SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU) does by default, so
 * that its parent sees that signal. Returns after SIGCONT; at once where the kernel stops nobody:
 * for all but SIGSTOP, in a process group that has no parent in its session.
 */
void host_signals_stop(int signo);

#endif
