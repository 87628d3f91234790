/* SPDX-License-Identifier: MIT */
#include "host/signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t taken(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigdelset(&set, faults[i]);
	return set;
}

void host_signals_take(struct host_signals *started)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	const sigset_t set = taken();

	sigprocmask(SIG_BLOCK, &set, &started->mask);
	sigaction(SIGPIPE, &ignore, &started->pipe);
	sigaction(SIGCHLD, &standard, &started->child);
}

void host_signals_restore(const struct host_signals *started)
{
	sigaction(SIGPIPE, &started->pipe, NULL);
	sigaction(SIGCHLD, &started->child, NULL);
	sigprocmask(SIG_SETMASK, &started->mask, NULL);
}

int host_signals_open(void)
{
	const sigset_t set = taken();
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

bool host_signals_ignored(int signo)
{
	struct sigaction action;

	return sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void host_signals_stop(int signo)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	struct sigaction before;
	sigset_t set, mask;

	if (signo == SIGSTOP) {
		raise(SIGSTOP);
		return;
	}
	sigaction(signo, &standard, &before);
	raise(signo);
	sigemptyset(&set);
	sigaddset(&set, signo);
	/* Here the process stops. */
	sigprocmask(SIG_UNBLOCK, &set, &mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(signo, &before, NULL);
}
