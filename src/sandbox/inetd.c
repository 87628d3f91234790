/* SPDX-License-Identifier: MIT */
#include "sandbox/inetd.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static bool waits(const struct sandbox_inetd *inetd)
{
	return inetd->listeners->config->handing == SANDBOX_HANDING_INETD_WAIT;
}

int sandbox_inetd_source(const struct sandbox_inetd *inetd)
{
	unsigned most;

	if (!inetd->listeners || !inetd->serving)
		return -1;
	most = waits(inetd) ? 1 : inetd->listeners->config->most;
	return inetd->count < most ? inetd->listeners->fds[0] : -1;
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

void sandbox_inetd_serve(struct sandbox_inetd *inetd)
{
	int stream;

	if (waits(inetd)) {
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
