/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_INETD_H
#define SANDBOX_INETD_H

/* Commands that are started by connections, as inetd(8) does: which are there, and whether there may be more. */

#include "sandbox/command.h"
#include "sandbox/listen.h"

struct sandbox_inetd {
	const struct sandbox_listeners *listeners; /* NULL: this is none */
	struct sandbox_command command;
	int channel;
	bool serving;
	unsigned count;
	pid_t commands[SANDBOX_INETD_MOST];
};

/* What poll(2) is to watch for: a descriptor, or -1 as long as no command may be started. */
int sandbox_inetd_source(const struct sandbox_inetd *inetd);
/* Somebody has come: a command is started for that. */
void sandbox_inetd_serve(struct sandbox_inetd *inetd);
/* A child has ended. Returns whether it was one of these. */
bool sandbox_inetd_collect(struct sandbox_inetd *inetd, pid_t child);

#endif
