/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_COMMAND_H
#define SANDBOX_COMMAND_H

/* A command as a child of a process in the sandbox. */

#include "host/signals.h"
#include "sandbox/listen.h"

#include <stdbool.h>
#include <sys/types.h>

struct sandbox_command {
	/* It has no capabilities, and gets none by being root. */
	bool user;
	/* The signals that it is to have; the caller has called host_signals_take(). */
	const struct host_signals *signals;
	char *const *argv; /* ends with NULL */
	/* NULL: the caller's. */
	char *const *environment; /* ends with NULL */
	const char *directory;
	const struct sandbox_listeners *listeners; /* NULL: it is given none */
	int stream;                                /* becomes its 0 and 1; 0: none */
};

/*
 * Starts a command. The word on `channel` when it cannot be run is SANDBOX_NOT_RUN, and its exit
 * status 126 or 127; SANDBOX_FAILED when its privileges could not be taken, or its directory not be entered. Signals of a terminal
 * that the caller was sent meanwhile are the command's too. Returns its process, or the errno of
 * fork(2).
 */
pid_t sandbox_command_start(const struct sandbox_command *command, int channel);

/* A descriptor, closed on exec, that is readable when a child may have ended or stopped, or a
 * negative errno. */
int sandbox_command_watch(void);

#endif
