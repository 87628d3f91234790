/* SPDX-License-Identifier: MIT */
#ifndef CLI_UP_ENGINE_H
#define CLI_UP_ENGINE_H

/* The process that has all sandboxes of a file: they share its event loop, its steward and a network. */

#include "cli/up_file.h"

struct cli_up_task {
	const struct cli_up_file *file;
	const char *path;
	uint64_t digest; /* of the file's text */
	/* A pipe for what the commands write; -1: nobody waits in front of it. It ends when that one is gone. */
	int screen;
	bool colours;
	/*
	 * One sandbox without a network to share, whose command has this process's standard output and error:
	 * the screen serves to tell that who is in front has gone.
	 */
	bool alone;
	/* A pipe that gets a byte when all are up. */
	int ready;
};

/* Runs the sandboxes to their end. The process has one thread. Returns its exit status. */
int cli_up_engine(const struct cli_up_task *task);

#endif
