/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_INETD_H
#define SANDBOX_INETD_H

/* Commands that are started by connections, as inetd(8) does: which are there, and whether there may be more. */

#include "sandbox/command.h"
#include "sandbox/listen.h"

enum {
	/*
	 * Where one command at a time gets the socket: so many are started one after the other, and from then on one
	 * each so many microseconds. One that ends without taking what waits would be started again and again.
	 */
	SANDBOX_INETD_BURST = 64,
	SANDBOX_INETD_INTERVAL = 250000,
};

struct sandbox_inetd {
	const struct sandbox_listeners *listeners; /* NULL: this is none */
	struct sandbox_command command;
	int channel;
	bool serving;
	uint64_t due; /* when a start would be that is none of a burst */
	unsigned count;
	pid_t commands[SANDBOX_INETD_MOST];
};

/* What poll(2) is to watch for: a descriptor, or -1 as long as no command may be started. `now` is host_now(). */
int sandbox_inetd_source(const struct sandbox_inetd *inetd, uint64_t now);
/* Milliseconds until one may be that may not now; -1: that does not depend on time. */
int sandbox_inetd_pause(const struct sandbox_inetd *inetd, uint64_t now);
/* Somebody has come: a command is started for that. */
void sandbox_inetd_serve(struct sandbox_inetd *inetd, uint64_t now);
/* A child has ended. Returns whether it was one of these. */
bool sandbox_inetd_collect(struct sandbox_inetd *inetd, pid_t child);

#endif
