/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_ENTER_H
#define SANDBOX_ENTER_H

/*
 * Another command in a sandbox that runs already.
 *
 * It is started by a keeper, a process that is in the sandbox too, is not its parent's to collect,
 * and so never keeps a sandbox from ending. The keeper reports by a channel in the words of init:
 * SANDBOX_FAILED, SANDBOX_NOT_RUN, SANDBOX_STOPPED, SANDBOX_EXITED; it takes SANDBOX_SIGNAL. Where
 * the channel ends before SANDBOX_EXITED or SANDBOX_FAILED has come, the sandbox has ended.
 */

#include "sandbox/command.h"
#include "sandbox/sandbox.h"

struct sandbox_entry {
	int namespaces[SANDBOX_NAMESPACES]; /* those of sandbox_namespaces() */
	struct sandbox_command command;
	/* Where the command begins if there is such a place inside; else at the root. */
	const char *directory;
};

/*
 * Starts the command. The caller has one thread, is the user that made the sandbox, and ignores
 * SIGCHLD. When it ends so does the command. Returns the channel, the caller's, or a negative
 * errno.
 */
int sandbox_enter(const struct sandbox_entry *entry);

#endif
