/* SPDX-License-Identifier: MIT */
#ifndef CLI_JOB_H
#define CLI_JOB_H

/*
 * A command in a sandbox as a job of the shell that this process was started by: what a terminal
 * does to this process it does to the command.
 */

#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/types.h>

struct cli_job {
	int terminal; /* that controls this process; negative: none */
	/* The process group that had the terminal when the command stopped; 0: no other's. */
	pid_t stopped_group;
};

/* Opens the terminal: a process that has isolated itself cannot. */
void cli_job_start(struct cli_job *job);
/*
 * The command has been stopped by `signo`, and a process group inside has the terminal: this
 * process stops in the same way. Returns when it goes on.
 */
void cli_job_stopped(struct cli_job *job, int signo, bool has_terminal);
/*
 * This process was sent a signal. Returns whether the command is to be sent it too: what a terminal
 * sends has reached the command already.
 */
bool cli_job_signalled(struct cli_job *job, const struct signalfd_siginfo *signal);
/* The command has ended: a terminal that it leaves to nobody is this process's again. */
void cli_job_ended(struct cli_job *job);

#endif
