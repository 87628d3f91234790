/* SPDX-License-Identifier: MIT */
#include "cli/job.h"

#include "host/signals.h"
#include "host/terminal.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

void cli_job_start(struct cli_job *job)
{
	*job = (struct cli_job){.terminal = host_terminal_open()};
}

void cli_job_stopped(struct cli_job *job, int signo, bool has_terminal)
{
	/*
	 * A command that has made process groups of its own gets the terminal back when it goes
	 * on.
	 */
	job->stopped_group = has_terminal ? host_terminal_foreground(job->terminal) : 0;
	host_signals_stop(signo);
}

/*
 * A command that has a process group of its own, and had the terminal when it stopped, has it
 * again.
 */
static void give_terminal_back(struct cli_job *job)
{
	if (job->stopped_group > 0 && host_terminal_foreground(job->terminal) == getpgrp())
		host_terminal_give(job->terminal, job->stopped_group);
	job->stopped_group = 0;
}

bool cli_job_signalled(struct cli_job *job, const struct signalfd_siginfo *signal)
{
	int signo = (int)signal->ssi_signo;

	if (signo == SIGCONT)
		give_terminal_back(job);
	if (signo == SIGCHLD || signo == SIGPIPE)
		return false;
	/*
	 * What a terminal sends goes to the whole process group, and so has reached the command;
	 * the rest was meant for the command, which seems to be this process. A terminal's end is
	 * told to the session's leader alone.
	 */
	return signal->ssi_code <= 0 || signo == SIGHUP || signo == SIGCONT;
}

void cli_job_ended(struct cli_job *job)
{
	pid_t group = host_terminal_foreground(job->terminal);

	/* A group that got the terminal and has ended leaves it to nobody. */
	if (group > 0 && group != getpgrp() && kill(-group, 0) < 0 && errno == ESRCH)
		host_terminal_give(job->terminal, getpgrp());
	if (job->terminal >= 0)
		close(job->terminal);
	job->terminal = -1;
}
