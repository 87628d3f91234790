/* SPDX-License-Identifier: MIT */
#ifndef CLI_ATTEND_H
#define CLI_ATTEND_H

/*
 * Attends to a command that runs in a sandbox, so that it seems to run alone: signals go on to it,
 * when it is stopped so is this process, and when it has ended what it wrote is delivered first.
 */

#include "cli/job.h"
#include "host/loop.h"
#include "relay/relay.h"
#include "sandbox/sandbox.h"

struct cli_attendance {
	struct host_loop *loop;
	struct relay *relay;
	struct sandbox *sandbox;
	const char *name, *command; /* for messages; name may be NULL */

	/* From here on cli_attend()'s own. */
	struct sandbox_listener listener;
	struct host_watch signals;
	struct host_hook hook;
	int status;     /* the exit status; negative as long as it is not known */
	bool ended;     /* the command has */
	bool empty;     /* and all others in the sandbox have */
	bool told;      /* what is waited for */
	uint64_t began; /* when the wait for the last deliveries did */
	struct cli_job job;
};

/*
 * Lets the command of a started sandbox run, and runs the loop until it has ended and what it sent
 * is delivered, one minute at most. Returns the exit status for this process. What goes wrong is
 * said on standard error.
 */
int cli_attend(struct cli_attendance *attendance);

#endif
