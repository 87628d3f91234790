/* SPDX-License-Identifier: MIT */
#include "sandbox/inetd.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static bool waits(const struct sandbox_inetd *inetd)
{
	return inetd->listeners->config->handing == SANDBOX_HANDING_INETD_WAIT;
}

/* Whether there is room for one more command. */
static bool has_room(const struct sandbox_inetd *inetd)
{
	if (!inetd->listeners || !inetd->serving)
		return false;
	return inetd->count < (waits(inetd) ? 1 : inetd->listeners->config->most);
}

/* Microseconds until the next command may be started. */
static uint64_t pause_of(const struct sandbox_inetd *inetd, uint64_t now)
{
	uint64_t ahead = (uint64_t)SANDBOX_INETD_BURST * SANDBOX_INETD_INTERVAL;

	return inetd->due > now + ahead ? inetd->due - now - ahead : 0;
}

int sandbox_inetd_source(const struct sandbox_inetd *inetd, uint64_t now)
{
	return has_room(inetd) && pause_of(inetd, now) == 0 ? inetd->listeners->fds[0] : -1;
}

int sandbox_inetd_pause(const struct sandbox_inetd *inetd, uint64_t now)
{
	uint64_t pause = has_room(inetd) ? pause_of(inetd, now) : 0;

	return pause ? (int)(pause / 1000 + 1) : -1;
}

static void start(struct sandbox_inetd *inetd, int stream)
{
	pid_t child;

	inetd->command.stream = stream;
	child = sandbox_command_start(&inetd->command, inetd->channel);
	/* Whoever cannot be served is left, as by any server that is at its end. */
	if (child > 0)
		inetd->commands[inetd->count++] = child;
}

void sandbox_inetd_serve(struct sandbox_inetd *inetd, uint64_t now)
{
	int stream;

	if (waits(inetd)) {
		inetd->due = (inetd->due > now ? inetd->due : now) + SANDBOX_INETD_INTERVAL;
		start(inetd, inetd->listeners->fds[0]);
		return;
	}
	stream = accept4(inetd->listeners->fds[0], NULL, NULL, SOCK_CLOEXEC);
	if (stream < 0)
		return;
	start(inetd, stream);
	close(stream);
}

bool sandbox_inetd_collect(struct sandbox_inetd *inetd, pid_t child)
{
	for (unsigned i = 0; i < inetd->count; i++) {
		if (inetd->commands[i] != child)
			continue;
		inetd->commands[i] = inetd->commands[--inetd->count];
		return true;
	}
	return false;
}
